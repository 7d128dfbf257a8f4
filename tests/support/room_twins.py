"""The real room log and its in-memory twin side by side: every call goes to both."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rooms.adapters.redis_log import LogLimits, RedisRoomLog
from rooms.log import Append, Appended, Attendance, Batch, Entry, Loaded, Seed, Verdict, Vitals
from rooms.model import RoomId
from server.redis_client import Client
from tests.support.oracle_store import OracleStore
from tests.support.room_oracle import OracleLog


class Twins:
    """Any number of workers on one real store and on its twin. Answers must be equal.

    The twin gets the instant and the epoch of the real store, which goes first.
    """

    def __init__(self, client: Client, limits: LogLimits) -> None:
        self.announced: list[Batch] = []  # what the twin says that everybody is told
        self.verdicts: Counter[Verdict] = Counter()
        self._client = client
        self._limits = limits
        self._now_ms = 0
        self._epoch = ""
        self._store = OracleStore(
            lambda: self._now_ms, announce=lambda channel, batch: self.announced.append(batch)
        )
        self._store.new_epoch = lambda: self._epoch
        self._workers: dict[str, tuple[RedisRoomLog, OracleLog]] = {}

    def worker(self, name: str) -> tuple[RedisRoomLog, OracleLog]:
        if name not in self._workers:
            self._workers[name] = (
                RedisRoomLog(self._client, name, self._limits),
                OracleLog(self._store, name, self._limits),
            )
        return self._workers[name]

    async def append(
        self, room: RoomId, seq: int, *entries: Append, likes: int = 0, worker: str = "one"
    ) -> Appended:
        real, twin = self.worker(worker)
        answer = await real.append(room, seq, entries, likes)
        self._now_ms, self._epoch = answer.now_ms, answer.epoch
        assert answer == await twin.append(room, seq, entries, likes)
        self.verdicts.update(outcome.verdict for outcome in answer.outcomes)
        return answer

    async def load(self, room: RoomId, seed: Seed, worker: str = "one") -> Loaded:
        real, twin = self.worker(worker)
        answer = await real.load(room, seed)
        self._epoch = answer.epoch
        assert answer == await twin.load(room, seed)
        return answer

    async def read_after(self, room: RoomId, offset: int, worker: str = "one") -> list[Entry]:
        real, twin = self.worker(worker)
        answer = await real.read_after(room, offset)
        assert answer == await twin.read_after(room, offset)
        return answer

    async def sanction(self, room: RoomId, seed: Seed, worker: str = "one") -> None:
        real, twin = self.worker(worker)
        await real.sanction(room, seed)
        await twin.sanction(room, seed)

    async def report(self, room: RoomId, part: Attendance, worker: str = "one") -> Vitals:
        real, twin = self.worker(worker)
        answer = await real.report(room, part)
        seconds, microseconds = await self._time()
        self._now_ms = seconds * 1000 + microseconds // 1000
        assert answer == await twin.report(room, part)
        return answer

    async def members(self, room: RoomId, worker: str = "one") -> list[bytes]:
        real, twin = self.worker(worker)
        answer = await real.members(room)
        assert sorted(answer) == sorted(await twin.members(room))
        return answer

    async def same_state(self, room: RoomId, seed: Seed) -> None:
        """Both hold the same, as far as anybody can ask."""
        loaded = await self.load(room, seed)
        for offset in {0, loaded.top // 2, loaded.top}:
            await self.read_after(room, offset)

    async def _time(self) -> Any:
        return await self._client.time()
