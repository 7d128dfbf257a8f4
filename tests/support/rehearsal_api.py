"""What the tests of the routes of rehearsals share: one that is open, and who holds its key.

Take the fixtures with `pytest_plugins`, behind those of `tests.support.rehearsal_fixtures`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.api import Services
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient
from tests.support.rehearsal_rows import opened_run

Bearer = Callable[..., AsgiClient]
RUN = "rh-00000001"
OTHER = "rh-00000002"
ALL = "/api/v1/rehearsals"
HERE = f"{ALL}/{RUN}"
PROGRESS: dict[str, Any] = {"phase": "spike", "at_ms": NOW_MS, "viewers": 900, "sold": {"tea": 3}}
FINDINGS: dict[str, Any] = {
    "verdict": "no_go",
    "sentence": {"key": "no_go_books", "values": {"units": 2}},
    "sentences": {"en": "NO-GO: 2 too many.", "zh-CN": "NO-GO：超卖 2 件。"},
    "spike": {"seconds": [1, 2, 3]},
}


@pytest.fixture
async def run(services: Services) -> str:
    """The key of a rehearsal that takes visitors, as far as SQL knows."""
    await opened_run(services.database, RUN, NOW_MS)
    return services.rehearsals.key_of(RUN)


@pytest.fixture
def generator(key: AsgiClient, run: str) -> AsgiClient:
    """Whoever holds the key of the rehearsal."""
    return AsgiClient(key.app, {"x-api-key": run})
