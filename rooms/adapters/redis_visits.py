"""The log of visits on Redis: what workers have heard and SQL does not hold yet.

One stream for all rooms, one entry per piece. Its ids are the times of receiving, by Redis' clock.
There is one writer at a time: it reads from the beginning, and what it has committed is trimmed
away. So whatever lies in the log is not known to be in SQL, and everything else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from rooms.adapters.confirmed import Confirmed
from rooms.adapters.script import RedisClient, Script
from rooms.errors import Overloaded, VisitLogUnavailable

KEY = "{visits}:log"
MARK = "{visits}:mark"


@dataclass(frozen=True, slots=True)
class VisitEntry:
    """One piece as it was appended. Entries are ordered by `id`."""

    id: str
    received_at_ms: int
    piece: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """How far visits are written, by the clock that receives them. `oldest_ms` None: all are."""

    now_ms: int
    lag: int  # pieces that are not known to be in SQL
    oldest_ms: int | None

    @property
    def written_to_ms(self) -> int:
        """Every piece that was received before this moment is in SQL."""
        return self.now_ms if self.oldest_ms is None else min(self.now_ms, self.oldest_ms)


class RedisVisitLog:
    """All calls raise `VisitLogUnavailable`; all but `append` may be repeated as they like.

    `confirmed`: pieces are answered when replicas have them.
    """

    def __init__(
        self, client: RedisClient, *, entries_max: int, confirmed: Confirmed | None = None
    ) -> None:
        self._client = client
        self._confirmed = confirmed
        self._entries_max = entries_max
        self._append = Script("visits_append")
        self._standing = Script("visits_standing")

    async def append(self, pieces: Sequence[bytes]) -> None:
        """Store pieces behind the others; all or none. `Overloaded`: the log is full.

        After `VisitLogUnavailable` they may be stored or not: a piece that is stored twice counts
        once, by its key.
        """
        if not pieces:
            return
        try:
            args: list[str | bytes | int] = [self._entries_max, *pieces]
            if self._confirmed is None:
                answer = await self._append(self._client, [KEY], args)
            else:
                answer = await self._confirmed.script(self._client, MARK, self._append, [KEY], args)
        except (RedisError, OSError, TimeoutError) as error:
            raise VisitLogUnavailable(f"append {len(pieces)} pieces of visits: {error}") from error
        if answer == b"full":
            raise Overloaded("visit_backlog_entries_max")

    async def read(self, most: int) -> list[VisitEntry]:
        """The oldest entries, in order. The same ones again until they are committed."""
        rows = await self._command("XRANGE", KEY, "-", "+", "COUNT", most)
        return [_entry(row) for row in rows]

    async def committed(self, last_id: str) -> None:
        """Everything up to this entry is in SQL: forget it."""
        ms, _, number = last_id.partition("-")
        await self._command("XTRIM", KEY, "MINID", "=", f"{ms}-{int(number) + 1}")

    async def standing(self) -> Standing:
        """How far the writing has come, at one moment."""
        try:
            now_ms, lag, oldest = await self._standing(self._client, [KEY], [])
        except (RedisError, OSError, TimeoutError) as error:
            raise VisitLogUnavailable(f"look at the log of visits: {error}") from error
        return Standing(int(now_ms), int(lag), _ms_of(oldest.decode()) if oldest else None)

    async def lag(self) -> int:
        """How many pieces are not known to be in SQL."""
        return (await self.standing()).lag

    async def oldest_ms(self) -> int | None:
        """When the oldest of them was received; None: there is none."""
        return (await self.standing()).oldest_ms

    async def written_to_ms(self) -> int:
        """Every piece that was received before this moment is in SQL."""
        return (await self.standing()).written_to_ms

    async def _command(self, *command: str | int) -> Any:
        try:
            return await self._client.execute_command(*command)
        except (RedisError, OSError, TimeoutError) as error:
            raise VisitLogUnavailable(f"{command[0]} of the log of visits: {error}") from error


def _ms_of(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _entry(row: Any) -> VisitEntry:
    entry_id, fields = row[0].decode(), row[1]
    piece = fields[b"p"] if isinstance(fields, dict) else fields[1]
    return VisitEntry(entry_id, _ms_of(entry_id), piece)
