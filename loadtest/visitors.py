"""Pages that tell of their visits: batches of events, each sent at its intended time.

A page is one connection of somebody who never signs in. Every answer is counted, and timed from
the instant at which its batch was meant to go out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from array import array
from dataclasses import dataclass, field

import orjson

from loadtest.buyers import Answers, Buyer, Party
from loadtest.dialects import Centrifuge
from loadtest.samples import Spread
from loadtest.waiting import until

RECORDED = "recorded"
BATCH_EVENTS = 8
CARDS_SEEN = 5  # of the events of a batch
_TICK_S = 0.001
_ALREADY_S = 0.01


class Page(Buyer):
    """One visit; `seq` counts its batches."""

    __slots__ = ("seq", "visit")

    def begin(self) -> None:
        self.visit = secrets.token_urlsafe(16)
        self.seq = 0

    def _answered(self, line: bytes) -> None:
        due_s = self.due_s.pop(int(line[6 : line.index(b",")]), None)
        if due_s is None:
            return
        self.samples_ms.append((time.perf_counter() - due_s) * 1000)
        error = orjson.loads(line).get("error") if b'"error"' in line else None
        self.outcomes[RECORDED if error is None else f"error {error.get('code')}"] += 1


@dataclass(slots=True)
class Pages(Party):
    """Pages in one room of one server."""

    pages: list[Page] = field(default_factory=list)

    async def enter(self, count: int) -> None:
        """Bring in so many more. Raises `OSError` if one does not get in."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            page = Page("", Centrifuge(self.room), self.shared)
            page.begin()
            await loop.create_connection(lambda page=page: page, "127.0.0.1", self.port)  # type: ignore[misc]
            self.pages.append(page)
            self.buyers.append(page)
            assert page.opened is not None
            await page.opened

    async def tell(self, batches: int, per_s: float, *, within_s: float = 30) -> Answers:
        """Send so many batches, `per_s` a second from all pages in turn, and hear the answers."""
        self.shared.outcomes.clear()
        del self.shared.samples_ms[:]
        behind_ms = array("d")
        began, sent, pages = time.perf_counter() + _ALREADY_S, 0, self.pages
        while sent < batches:
            now = time.perf_counter()
            due = min(batches, int((now - began) * per_s) + 1) if now >= began else 0
            while sent < due:
                due_s = began + sent / per_s
                behind_ms.append(max(0.0, time.perf_counter() - due_s) * 1000)
                self._tell(pages[sent % len(pages)], due_s)
                sent += 1
            await asyncio.sleep(_TICK_S)
        await until(lambda: len(self.shared.samples_ms) >= batches, within_s)
        return Answers(
            sent=batches,
            outcomes=dict(self.shared.outcomes),
            unanswered=batches - len(self.shared.samples_ms),
            seconds=time.perf_counter() - began,
            late_ms=Spread.of(self.shared.samples_ms),
            behind_ms=Spread.of(behind_ms),
        )

    def _tell(self, page: Page, due_s: float) -> None:
        number = self._next_id
        self._next_id += 1
        page.seq += 1
        page.due_s[number] = due_s
        at_ms = time.time_ns() // 1_000_000
        page.say(
            b'{"rpc":{"method":"visit.track","data":{"room":"%s","visit":"%s","seq":%d,"events":[%s]}}'
            b',"id":%d}'
            % (self.room.encode(), page.visit.encode(), page.seq, _events(page.seq, at_ms), number)
        )


def _events(seq: int, at_ms: int) -> bytes:
    """One batch: five cards in view, one opened, a variant picked, and a sign of life."""
    life = b"enter" if seq == 1 else b"beat"
    parts = [b'{"t":"%s","at_ms":%d}' % (life, at_ms)]
    parts += [b'{"t":"card_seen","at_ms":%d,"product":"mug-%d"}' % (at_ms, n) for n in range(5)]
    parts.append(b'{"t":"card_open","at_ms":%d,"product":"mug-1"}' % at_ms)
    parts.append(b'{"t":"sku_pick","at_ms":%d,"sku":"mug-1-blue"}' % at_ms)
    return b",".join(parts)
