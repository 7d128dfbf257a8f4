"""A hall as the supervisor has it, in the test's own process, with a ledger worker of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.rehearsal.hall import Hall, House
from server.rehearsal.hall_client import HallClient
from server.settings import Settings

TOKEN_SECRET = "a token secret of the shop in these tests 0123456789"
API_KEY = "an API key of the shop in these tests 9876543210"


class HallStage:
    """`ended` are the runs that the hall has called over, None for any; `given_up` those whose
    generator ended, and why."""

    def __init__(self, settings: Settings, redis_url: str, base_url: str, **environ: str) -> None:
        self.settings = settings
        self.ended: list[str | None] = []
        self.given_up: list[tuple[str, str]] = []
        self.client = HallClient(settings.data_dir)
        self._life_read_fd, self._life_write_fd = os.pipe()
        house = House(
            environ={
                **os.environ,
                "PYTHONWARNINGS": "error",
                "ONAIR_TOKEN_SECRET": settings.token_secret,
                "ONAIR_API_KEY": settings.api_key,
                "ONAIR_DATA_DIR": str(settings.data_dir),
                **environ,
            },
            life_fd=self._life_read_fd,
            redis_url=redis_url,
            base_url=base_url,
            web_workers=list,
            ledger_workers=list,
            redis_pid=lambda: 0,
            abandon=self._abandon,
            give_up=self._give_up,
        )
        self.hall = Hall(settings, house)

    async def ask(self, verb: str, **values: Any) -> dict[str, Any]:
        return await self.client.ask(verb, within_s=60, **values)

    async def _abandon(self, run: str | None) -> None:
        self.ended.append(run)

    async def _give_up(self, run: str, why: str) -> None:
        self.given_up.append((run, why))

    async def close(self) -> None:
        await self.hall.stop()
        os.close(self._life_read_fd)
        os.close(self._life_write_fd)


def settings_in(data_dir: Path, **changes: Any) -> Settings:
    """Settings of a shop whose stores are embedded."""
    values = {"token_secret": TOKEN_SECRET, "api_key": API_KEY, **changes}
    return Settings(data_dir=data_dir, **values)


@asynccontextmanager
async def open_hall(
    settings: Settings, redis_url: str, base_url: str = "http://127.0.0.1:1", **environ: str
) -> AsyncIterator[HallStage]:
    stage = HallStage(settings, redis_url, base_url, **environ)
    try:
        await stage.hall.start()
        yield stage
    finally:
        await stage.close()
