"""What stands behind the API of rehearsals in its tests: a clock, and the shadow shop's parts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flash_sale.model import Outcome
from server.api import Services
from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.endings import end_tasks
from server.redis_client import Client, connect
from server.rehearsal import observe
from server.rehearsal.hall_client import HallClient
from server.rehearsal.runs import Rehearsals
from server.rehearsal.shadow import shadow_settings, stores_of
from server.settings import Settings
from tests.support.api_stage import NOW_MS


@dataclass
class Clock:
    now_ms: int = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class StageWorker:
    """`server.rehearsal.ports.ShadowParts` without visitors: a test says how many there are."""

    name: str
    settings: Settings
    redis: Client
    database: Database
    viewers: int = 0
    counted: Counter[Outcome] = field(default_factory=Counter)

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        return self.counted


@dataclass
class StageWing:
    """`server.rehearsal.ports.Wing`; the first of its workers is the one that is asked."""

    settings: Settings
    clock: Clock
    workers: list[StageWorker] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def parts(self, run: str) -> StageWorker:
        if not self.workers:
            shadow = shadow_settings(self.settings, run)
            stores = stores_of(shadow)
            for name in ("one", "two"):
                redis = connect(stores.redis_url, shadow.limits)
                database = Database(stores.database_url, threads_max=1, within_s=5)
                self.workers.append(StageWorker(name, shadow, redis, database))
        return self.workers[0]

    def tell(self) -> None:
        """Let every worker tell of itself, as the wing does."""
        for worker in self.workers:
            self.tasks.append(asyncio.create_task(observe.tell(worker, self.clock)))

    async def leave(self) -> None:
        await end_tasks(self.tasks)
        for worker in self.workers:
            await worker.redis.aclose()
            await worker.database.close()
        self.workers.clear()


def rehearsing_services(services: Services, wing: StageWing) -> Services:
    """Those of the API, with the hall of the wing's server; a test need not start it."""
    settings = wing.settings
    records, hall = RehearsalRecords(services.database), HallClient(settings.data_dir)
    rehearsals = Rehearsals(settings, records, hall, wing.clock)
    rehearsals.wing = wing
    return replace(services, rehearsals=rehearsals)
