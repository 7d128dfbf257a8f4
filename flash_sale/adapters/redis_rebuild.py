"""Making a sale anew on Redis from what the ledger holds, under a new epoch."""

from __future__ import annotations

from collections.abc import Sequence

from flash_sale.adapters.confirmed import Argument, RedisClient
from flash_sale.adapters.script import Script
from flash_sale.adapters.wire import (
    EPOCH_MAX,
    EPOCH_STEP,
    INDEX_STEP,
    order_texts,
    parse_view,
    tail_of,
)
from flash_sale.errors import SaleStoreUnavailable, StaleEpoch
from flash_sale.model import Order, OrderState, Position, SaleState, SaleView, SkuBooks, Terms

_ORDERS_PER_CALL = 200


class RedisRebuild:
    """Implements `flash_sale.store.Rebuild`. `grace_ms` as in `StoreLimits`."""

    def __init__(self, client: RedisClient, grace_ms: int) -> None:
        self._client = client
        self._grace_ms = grace_ms
        self._begin = Script("rebuild_begin")
        self._load = Script("rebuild_load")
        self._finish = Script("rebuild_finish")
        self._places = 0

    async def begin(self, terms: Terms) -> None:
        """Throw away what the store has of the sale; it is frozen under `terms.epoch`.

        At most EPOCH_MAX: beyond it the waitlists of two skus would be one.
        """
        assert terms.epoch <= EPOCH_MAX, terms
        skus = ",".join(item.sku for item in terms.items)
        times = (terms.hold_ms, terms.offer_ms, self._grace_ms)
        await self._call(
            self._begin, terms, [terms.epoch, terms.room, terms.currency, *times, skus]
        )

    async def load(self, terms: Terms, orders: Sequence[Order]) -> None:
        """Add orders in any number of pieces. Repeating a piece changes nothing.

        Queued orders keep their places if they come in the order in which they queued.
        """
        index = {item.sku: number for number, item in enumerate(terms.items, start=1)}
        for first in range(0, len(orders), _ORDERS_PER_CALL):
            args: list[Argument] = [terms.epoch]
            for order in orders[first : first + _ORDERS_PER_CALL]:
                deadline, place = "", ""
                if order.state is OrderState.RESERVED:
                    assert order.expires_at_ms is not None
                    deadline = str(order.expires_at_ms + self._grace_ms)
                elif order.state is OrderState.QUEUED:
                    place = str(index[order.lines[0].sku] * INDEX_STEP + self._next_place(terms))
                args += (tail_of(order.id), *order_texts(order), deadline, place)
            await self._call(self._load, terms, args)

    def _next_place(self, terms: Terms) -> int:
        """Places of the epoch before, so that whoever queues from now on comes later."""
        self._places += 1
        return (terms.epoch - 1) * EPOCH_STEP + self._places

    async def finish(self, terms: Terms, state: SaleView) -> SaleView:
        """Put counters, state and times in place. From here on purchases are decided again."""
        shown = SaleState.OPEN if state.state is SaleState.SOLD_OUT else state.state
        args: list[Argument] = [
            *(terms.epoch, shown, state.reason),
            *(state.starts_at_ms or 0, state.ends_at_ms or 0),
        ]
        for number, item in enumerate(state.items, start=1):
            args += (item.sku, _counters(item, number))
        rows = await self._call(self._finish, terms, args)
        at = Position(int(rows[2]), int(rows[3]), int(rows[4]), int(rows[1]))
        texts = [row.decode() if isinstance(row, bytes) else str(row) for row in rows[5:]]
        return parse_view(terms.id, at, texts)

    async def _call(self, script: Script, terms: Terms, args: Sequence[Argument]) -> list[bytes]:
        answer = await script(self._client, terms.id, ["", 0, *args])
        if answer[0] == b"stale":
            raise StaleEpoch(f"sale {terms.id}: another rebuild has begun")
        if answer[0] != b"ok":
            raise SaleStoreUnavailable(f"{script.name} of sale {terms.id}: {answer!r}")
        return answer


def _counters(item: SkuBooks, index: int) -> str:
    counts = (item.initial, item.available, item.reserved, item.sold, item.refunded)
    rest = (item.written_off, item.allocated, item.price_minor, item.per_user_max, index)
    return " ".join(str(count) for count in (*counts, *rest))
