"""Pages that tell of their visits: batches of events, each sent at its intended time.

A page is one connection of somebody who never signs in. Every answer is counted, and timed from
the instant at which its batch was meant to go out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field

from loadtest.buyers import Answers, Asker, Party
from loadtest.dialects import Centrifuge

RECORDED = "recorded"
BATCH_EVENTS = 8
CARDS_SEEN = 5  # of the events of a batch


class Page(Asker):
    """One visit; `seq` counts its batches."""

    __slots__ = ("seq", "visit")
    DONE = RECORDED

    def begin(self) -> None:
        self.visit = secrets.token_urlsafe(16)
        self.seq = 0


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
        pages = self.pages

        def send(turn: int, due_s: float) -> None:
            self._tell(pages[turn % len(pages)], due_s)

        return await self.open_loop(send, batches, per_s, within_s)

    def _tell(self, page: Page, due_s: float) -> None:
        number = self.next_id()
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
