"""What payment providers told, read and stored for many events at a time.

Every event of a provider is looked up before it takes effect and stored after it. With a
transaction for each, payments of a rush would wait for each other's disk; so the events that come
while one transaction is under way share the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from flash_sale.batcher import Batcher, BatchLimits
from flash_sale.errors import SaleBusy, SaleStoreUnavailable
from server.database.errors import DatabaseUnavailable
from server.database.ledger_records import Ledger
from server.database.sale_words import WebhookEvent

Key = tuple[str, str]  # provider, and its id of the event
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class EventLog:
    """The events of one worker. `DatabaseUnavailable`, also when `waiting_max` of them wait."""

    def __init__(self, ledger: Ledger, limits: BatchLimits) -> None:
        self._ledger = ledger
        self._looking: Batcher[Key, WebhookEvent | None] = Batcher(self._look, limits)
        self._storing: Batcher[WebhookEvent, WebhookEvent] = Batcher(ledger.store_events, limits)

    async def seen(self, provider: str, event_id: str) -> WebhookEvent | None:
        """What is stored of an event, or None if it is new."""
        return await _answer(self._looking, (provider, event_id), "look for a payment event")

    async def store(self, event: WebhookEvent) -> WebhookEvent:
        """Keep an event and what came of it; returns what stands: the first that was kept."""
        return await _answer(self._storing, event, "store a payment event")

    async def close(self) -> None:
        """Nothing is asked any more; who waits is told that the server stops."""
        await self._looking.close()
        await self._storing.close()

    async def _look(self, keys: Sequence[Key]) -> list[WebhookEvent | None]:
        found = await self._ledger.events_seen(keys)
        return [found.get(key) for key in keys]


async def _answer(batcher: Batcher[Asked, Answer], asked: Asked, attempt: str) -> Answer:
    try:
        return await batcher.put(asked)
    except (SaleBusy, SaleStoreUnavailable) as error:
        raise DatabaseUnavailable(attempt, str(error)) from error
