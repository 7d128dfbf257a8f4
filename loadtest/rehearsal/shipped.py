"""Plans by the name of their file, or by that of one that comes with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.rehearsal.plan import BadPlan, Plan

_DIRECTORY: Final = Path(__file__).with_name("plans")
SHIPPED: Final = tuple(sorted(path.stem for path in _DIRECTORY.glob("*.toml")))


def find(name: str) -> Path:
    """The file of a plan: the one at this path, else the shipped one. Raises `BadPlan`."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if name in SHIPPED:
        return _DIRECTORY / f"{name}.toml"
    raise BadPlan(f"{name}: no such file; shipped plans are {', '.join(SHIPPED)}")


def read(name: str, seed: int | None = None) -> Plan:
    """The plan in that file, with this seed if there is one. Raises `BadPlan`."""
    plan = Plan.from_file(find(name))
    return plan if seed is None else Plan.from_json(plan.to_json() | {"seed": seed})
