"""A rehearsal behind the API: one that is open, a real hall, the parts of two web workers.

Take the fixtures with `pytest_plugins = [..., "tests.support.rehearsal_fixtures"]`, behind those of
`tests.support.api_fixtures`, and let the module's own `services` be `rehearsing_services(...)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.api import Services
from server.settings import Settings
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient
from tests.support.rehearsal_api import RUN
from tests.support.rehearsal_hall import HallStage, open_hall
from tests.support.rehearsal_rows import opened_run
from tests.support.rehearsal_stage import Clock, StageWing


@pytest.fixture
def rehearsal_clock() -> Clock:
    return Clock()


@pytest.fixture
def rehearsing(settings: Settings, data_dir: Path) -> Settings:
    """The settings of the server that rehearses."""
    return replace(settings, data_dir=data_dir, rehearsal_drills=True)


@pytest.fixture
async def wing(rehearsing: Settings, rehearsal_clock: Clock) -> AsyncIterator[StageWing]:
    made = StageWing(rehearsing, rehearsal_clock)
    yield made
    await made.leave()


@pytest.fixture
async def hall(rehearsing: Settings, redis_url: str) -> AsyncIterator[HallStage]:
    async with open_hall(rehearsing, redis_url) as stage:
        yield stage


@pytest.fixture
async def run(services: Services) -> str:
    """The key of a rehearsal that takes visitors, as far as SQL knows."""
    await opened_run(services.database, RUN, NOW_MS)
    return services.rehearsals.key_of(RUN)


@pytest.fixture
def generator(key: AsgiClient, run: str) -> AsgiClient:
    """Whoever holds the key of the rehearsal."""
    return AsgiClient(key.app, {"x-api-key": run})
