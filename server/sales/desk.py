"""The desk where buyers order and pay and staff steer: one per web worker.

Everything it raises is a `server.replies.Refused`. 503 means that nothing is known of what was
asked: asking again with the same ids is safe and gets the first answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from flash_sale.catalog import SkuId
from flash_sale.errors import SaleBusy
from flash_sale.model import (
    Act,
    Change,
    Changed,
    Line,
    Order,
    OrderId,
    OrderState,
    Paid,
    Payment,
    PaymentOutcome,
    SaleId,
    SaleView,
    Steering,
)
from flash_sale.store import Sales, Stock
from server.database.errors import UnknownSale
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import OrderRow
from server.replies import Refused, bad_field, conflict, unknown
from server.sale_json import order_json, sale_json
from server.sales.answers import (
    BUSY,
    ENDED,
    LOST,
    again,
    faults,
    sale_of_order,
)
from server.sales.arming import Arming
from server.sales.live_sale import Answer, LiveSale, answer_of
from server.sales.live_sales import LiveSales, SaleOver
from server.sales.purchases import answer_to, check_texts, purchase_of
from server.settings import Limits

T = TypeVar("T")
_OPEN = frozenset({OrderState.QUEUED, OrderState.RESERVED})
CHECKED_AT_ONCE = 8  # open orders of one person that are asked for at the same time


class SalesDesk:
    """Orders are JSON objects (`server.sale_json.order_json`), sales too (`sale_json`)."""

    def __init__(
        self,
        live: LiveSales,
        stock: Stock,
        sales: Sales,
        records: SaleRecords,
        orders: OrderRecords,
        limits: Limits,
    ) -> None:
        self.live = live
        self._stock = stock
        self._sales = sales
        self._records = records
        self._orders = orders
        self._limits = limits
        self._arming = Arming(sales, records)

    # buyers

    async def place(
        self,
        sale_id: str,
        *,
        user: str,
        name: str,
        lines: Sequence[Line],
        request_id: str,
        waitlist: bool = False,
        note: str = "",
    ) -> bytes:
        """Order; the answer is JSON: `{"outcome": ..., "order"?: {...}, "sku"?: ...}`.

        The same request gets the same bytes again, from every worker: `order` is as it was first
        answered. Business answers (sold out, too late, ...) are outcomes, not errors. 400 or 413
        for lines that make no sense, 404 for an unknown sale or sku, 409 when the request id
        belongs to another request, 503 when the store or a bound stands in the way.
        """
        sale = await self.open_to_buyers(sale_id)
        if isinstance(sale, bytes):
            return sale
        placing = self.placing(
            sale,
            user=user,
            name=name,
            lines=lines,
            request_id=request_id,
            waitlist=waitlist,
            note=note,
        )
        return placing if isinstance(placing, bytes) else await answer_to(placing)

    async def open_to_buyers(self, sale_id: str) -> LiveSale | bytes:
        """The sale, or the answer to every purchase in it. 404, 503."""
        try:
            return await self._open(sale_id)
        except SaleOver:
            return ENDED

    def placing(
        self,
        sale: LiveSale,
        *,
        user: str,
        name: str,
        lines: Sequence[Line],
        request_id: str,
        waitlist: bool,
        note: str = "",
    ) -> bytes | asyncio.Future[Answer]:
        """`place` in an open sale, without waiting: the answer, or what `answer_to` waits for."""
        purchase = purchase_of(
            sale,
            self._limits,
            user=user,
            name=name,
            lines=lines,
            request_id=request_id,
            waitlist=waitlist,
            note=note,
        )
        try:
            answer = sale.place(purchase)
        except SaleBusy:
            raise again(BUSY) from None
        return answer if isinstance(answer, asyncio.Future) else answer_of(answer)

    async def pay(self, payment: Payment) -> Paid:
        """Take a payment that a provider confirms; 404 when there is no such order.

        Every other outcome is recorded, and owed back unless it is ACCEPTED. The same payment
        gets the same answer again.
        """
        check_texts(payment=payment.id, provider=payment.provider)
        if payment.id in {"", "-"} or " " in payment.id + payment.currency + payment.provider:
            raise bad_field("payment", "must not be empty, - or contain spaces")
        sale = await self._open_of_order(payment.order_id, again(LOST))  # money is not sent away
        with faults():
            paid = await sale.pay(payment)
        if paid.outcome is PaymentOutcome.UNKNOWN_ORDER:
            raise unknown("order", payment.order_id)
        return paid

    async def cancel(self, order_id: str, *, user: str | None, reason: str = "") -> dict[str, Any]:
        """Give up a hold or a place in the waitlist; the order as it is then.

        `user` None: staff, for anybody. 404 for another's order, 409 if it is paid or over.
        """
        check_texts(reason=reason)
        sale = await self._open_of_order(order_id)
        changed = await self._apart(self._stock.cancel(OrderId(order_id), user, reason))
        return self._changed(sale, order_id, changed, for_staff=user is None)

    async def order(self, order_id: str, *, user: str | None) -> dict[str, Any]:
        """One order as it is now; with its user and payment for staff (`user` None). 404."""
        try:
            sale = await self._sale_of(order_id)
        except SaleOver:
            return await self._stored_order(order_id, user)
        order = await self._apart(self._sales.order(OrderId(order_id)))
        if order is None or (user is not None and order.user != user):
            raise unknown("order", order_id)
        return self._order_json(sale, order, for_staff=user is None)

    async def of_user(self, user: str) -> list[dict[str, Any]]:
        """A buyer's orders of all sales, newest first, at most `orders_listed_max`.

        The ledger's, open ones as the store has them now, and those of the last moment that only
        this worker has heard of.
        """
        with faults():
            rows = await self._orders.of_user(user, self._limits.orders_listed_max)
        listed = {row.order.id: row for row in rows}
        for sale in self.live:
            terms = sale.terms
            for order in sale.recent_of(user):
                if order.id not in listed:
                    listed[order.id] = OrderRow(order, terms.room, terms.currency, terms.epoch, 0)
        newest = sorted(listed.values(), key=lambda row: row.order.placed_at_ms, reverse=True)
        newest = newest[: self._limits.orders_listed_max]
        bound = asyncio.Semaphore(CHECKED_AT_ONCE)
        fresh = await asyncio.gather(*(self._fresh(row, bound) for row in newest))
        return [
            order_json(order, row.room, row.currency)
            for order, row in zip(fresh, newest, strict=True)
        ]

    # staff

    async def refund(self, order_id: str, act: Act, *, restock: bool) -> dict[str, Any]:
        """Pay a paid order back; its units return to stock or are written off. 404, 409."""
        check_texts(reason=act.reason)
        sale = await self._open_of_order(order_id)
        changed = await self._apart(self._refund(OrderId(order_id), act, restock))
        return self._changed(sale, order_id, changed, for_staff=True)

    async def _refund(self, order: OrderId, act: Act, restock: bool) -> Changed:
        """The ledger may have ceased to read a sale that is over: it is told to go on."""
        changed = await self._stock.refund(order, act, restock=restock)
        if changed.change in (Change.DONE, Change.ALREADY):
            await self.live.stirred(sale_of_order(order))
        return changed

    async def arm(
        self,
        sale_id: str,
        act: Act,
        *,
        on_sale: Mapping[SkuId, int] | None = None,
        starts_at_ms: int | None = None,
        countdown_seconds: int | None = None,
    ) -> dict[str, Any]:
        """Put a draft into the store; the sale's JSON.

        `on_sale` may hold back units of the allocation (absent skus: all of them). With
        `starts_at_ms` or a countdown it opens by itself. The same act again: the sale as it is.
        404, 409 when another act armed it or this one asked for another countdown, 422.
        """
        self._check_countdown(countdown_seconds or 0)
        check_texts(reason=act.reason)
        view = await self._apart(
            self._arming.arm(SaleId(sale_id), act, on_sale or {}, starts_at_ms)
        )
        await self.live.armed(SaleId(sale_id))
        if countdown_seconds is not None:  # done before, it has its answer from the store
            opening = replace(act, id=f"{act.id}.open")
            return await self.steer(
                sale_id, Steering.OPEN, opening, countdown_seconds=countdown_seconds
            )
        return await self._shown(sale_id, view)

    async def steer(
        self,
        sale_id: str,
        steering: Steering,
        act: Act,
        *,
        countdown_seconds: int = 0,
        units: Mapping[SkuId, int] | None = None,
        allocate: bool = False,
        ends_at_ms: int | None = None,
        cancel_holds: bool = False,
    ) -> dict[str, Any]:
        """Open, pause, resume, close or restock; the sale's JSON. 404, 409, 422.

        `allocate`: a merchant may restock beyond what was allocated. The same act again changes
        nothing: the sale as it is.
        """
        self._check_countdown(countdown_seconds)
        check_texts(reason=act.reason)
        sale = await self.open(sale_id)
        view = await self._apart(
            self._sales.steer(
                sale.id,
                steering,
                act,
                countdown_ms=countdown_seconds * 1000,
                units=units,
                allocate=allocate,
                ends_at_ms=ends_at_ms,
                cancel_holds=cancel_holds,
            )
        )
        sale.viewed(view)
        return sale_json(view, sale.terms.items)

    async def view(self, sale_id: str) -> SaleView:
        """The counters of a sale in the store at one instant. 404 for drafts, too."""
        await self.open(sale_id)
        return await self._apart(self._sales.view(SaleId(sale_id)))

    async def room_of(self, sale_id: str) -> str:
        """The room of a sale, also of a draft. 404."""
        sale = self.live.loaded(SaleId(sale_id))
        if sale is not None:
            return sale.terms.room
        with faults():
            record = await self._records.find(sale_id)
        if record is None:
            raise unknown("sale", sale_id)
        return record.terms.room

    # how it is done

    async def open(self, sale_id: str) -> LiveSale:
        """The sale on this worker. 404, 409 when it is over and gone, 503."""
        try:
            return await self._open(sale_id)
        except SaleOver:
            raise conflict("sale: it is over") from None

    async def _open_of_order(self, order_id: str, over: Refused | None = None) -> LiveSale:
        try:
            return await self._sale_of(order_id)
        except SaleOver:
            raise over or conflict("order: its sale is over") from None

    async def _sale_of(self, order_id: str) -> LiveSale:
        try:
            return await self._open(sale_of_order(order_id))
        except Refused as refused:
            raise unknown("order", order_id) if refused.code == 404 else refused from None

    async def _open(self, sale_id: str) -> LiveSale:
        sale = self.live.loaded(SaleId(sale_id))
        if sale is not None:
            return sale
        try:
            with faults():
                return await self.live.open(SaleId(sale_id))
        except UnknownSale:
            raise unknown("sale", sale_id) from None

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a call of the store that goes on if its asker goes away."""
        task = asyncio.get_running_loop().create_task(work)
        self.live.keep(task)
        with faults():
            return await asyncio.shield(task)

    async def _shown(self, sale_id: str, view: SaleView) -> dict[str, Any]:
        sale = await self.open(sale_id)
        return sale_json(view, sale.terms.items)

    def _changed(
        self, sale: LiveSale, order_id: str, changed: Changed, *, for_staff: bool
    ) -> dict[str, Any]:
        if changed.change is Change.UNKNOWN_ORDER:
            raise unknown("order", order_id)
        assert changed.order is not None
        if changed.change is Change.REFUSED:
            raise conflict(f"order: it is {changed.order.state}")
        sale.flags.doubt(line.sku for line in changed.order.lines)
        return self._order_json(sale, changed.order, for_staff=for_staff)

    def _order_json(self, sale: LiveSale, order: Order, *, for_staff: bool) -> dict[str, Any]:
        return order_json(order, sale.terms.room, sale.terms.currency, for_staff=for_staff)

    async def _stored_order(self, order_id: str, user: str | None) -> dict[str, Any]:
        with faults():
            row = await self._orders.find(order_id)
        if row is None or (user is not None and row.order.user != user):
            raise unknown("order", order_id)
        return order_json(row.order, row.room, row.currency, for_staff=user is None)

    async def _fresh(self, row: OrderRow, bound: asyncio.Semaphore) -> Order:
        """An order as the store has it now; as the ledger has it if that cannot be asked."""
        if row.order.state not in _OPEN:
            return row.order
        async with bound:
            try:
                return await self._apart(self._sales.order(row.order.id)) or row.order
            except Refused:
                return row.order

    def _check_countdown(self, seconds: int) -> None:
        if not 0 <= seconds <= self._limits.countdown_seconds_max:
            most = self._limits.countdown_seconds_max
            raise bad_field("countdown_seconds", f"must be 0 to {most}")
