"""The store of running sales on Redis: protocols `Stock` and `Sales`, one script per transition.

Remembers how far it has seen each sale, so that a store which lost moves is noticed by the next
call and freezes instead of selling twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from flash_sale.adapters.confirmed import Argument, Durable, RedisClient
from flash_sale.adapters.script import Script, key_of
from flash_sale.adapters.wire import (
    FIELD,
    ROW,
    TAIL_CHARS,
    asked_by,
    check_purchase,
    checked,
    parse_available,
    parse_order,
    parse_view,
    tail_of,
)
from flash_sale.catalog import SkuId
from flash_sale.errors import (
    NotOnSale,
    SaleFrozen,
    SaleStoreUnavailable,
    StaleEpoch,
    SteeringRefused,
)
from flash_sale.model import (
    UNITS_MAX,
    Act,
    Change,
    Changed,
    Decided,
    Decision,
    Order,
    OrderId,
    Outcome,
    Paid,
    Payment,
    PaymentOutcome,
    Position,
    Purchase,
    SaleId,
    SaleView,
    Steering,
    Swept,
    Terms,
    sale_of,
)

_SALES_SEEN_MAX = 10_000
_OUTCOMES = {outcome.encode(): outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of what the store keeps of one sale, and the grace between deadline and release."""

    waitlist_max: int = 10_000
    refusals_kept_ms: int = 3_600_000
    refusals_kept_max: int = 200_000
    orders_per_buyer_max: int = 1_000  # of any state: who cancels and orders again is bounded too
    grace_ms: int = 3_000


class RedisSales:
    """Implements `flash_sale.store.Stock` and `Sales`. The client is the caller's to close."""

    def __init__(self, client: RedisClient, limits: StoreLimits, durable: Durable) -> None:
        self._client = client
        self._limits = limits
        self._durable = durable
        self._seen: OrderedDict[SaleId, tuple[int, int]] = OrderedDict()
        self._reserve = Script("reserve")
        self._remember = Script("remember")
        self._pay = Script("pay")
        self._cancel = Script("cancel")
        self._refund = Script("refund")
        self._sweep = Script("sweep")
        self._arm = Script("arm")
        self._steer = Script("steer")
        self._view = Script("view", flags="no-writes")

    # what happens to units

    def expect(self, sale: SaleId, epoch: int, seq: int, *, confirmed: bool = True) -> None:
        """A store that stands before this has lost moves, and freezes with the next call.

        Where answers wait for a replica, a promoted one may lack what nobody was answered.
        """
        if confirmed or not self._durable.replicas:
            self._note(sale, Position(epoch, seq, 0, 0))

    async def reserve(self, sale: SaleId, purchases: Sequence[Purchase]) -> Decided:
        """Decide a batch of purchases in order; decision i answers purchase i."""
        limits = self._limits
        args: list[Argument] = [
            limits.refusals_kept_ms,
            limits.refusals_kept_max,
            limits.waitlist_max,
            self._durable.mode,
        ]
        # One argument for the whole batch: redis-py encodes each by itself, in Python.
        rows_asked = [
            f"{one.order_id[-TAIL_CHARS:]}{FIELD}{one.user}{FIELD}{one.request_id}{FIELD}"
            f"{asked_by(one)}{FIELD}{one.name}{FIELD + one.note if one.note else ''}{ROW}"
            for one in purchases
        ]
        args += ("".join(rows_asked), limits.orders_per_buyer_max)
        _check_buyers(purchases)
        at, rows = await self._call(self._reserve, sale, args)
        words, texts = rows[1::2], rows[2::2]
        decisions = [
            Decision(
                _OUTCOMES[word],
                parse_order(sale, one.order_id[-TAIL_CHARS:], text.decode()) if text else None,
            )
            for one, word, text in zip(purchases, words, texts, strict=True)
        ]
        return Decided(at, decisions, parse_available(rows[0].decode()))

    async def remember_sold_out(self, sale: SaleId, purchases: Sequence[Purchase]) -> None:
        """Keep answers `sold_out` that were given without the store, unless it knows better."""
        args: list[Argument] = [self._limits.refusals_kept_ms, self._limits.refusals_kept_max]
        _check_buyers(purchases)
        answers = [f"{tail_of(one.order_id)}{FIELD}{asked_by(one)}{ROW}" for one in purchases]
        args.append("".join(answers))
        await self._call(self._remember, sale, args)

    async def pay(self, sale: SaleId, payments: Sequence[Payment]) -> list[Paid]:
        """Take payments. A payment id takes effect once; an order is paid at most once."""
        args: list[Argument] = []
        for one in payments:
            checked(payment=one.id, currency=one.currency, provider=one.provider)
            if one.id in {"", "-"} or " " in one.id + one.currency + one.provider:
                raise ValueError("payment: must not be empty, - (none) or contain spaces")
            tail = tail_of(one.order_id)
            args += (tail, one.id, str(one.amount_minor), one.currency, one.provider)
        _, rows = await self._call(self._pay, sale, args)
        return [
            Paid(
                PaymentOutcome(rows[3 * number].decode()),
                _order(payment.order_id, rows[3 * number + 1], rows[3 * number + 2]),
            )
            for number, payment in enumerate(payments)
        ]

    async def cancel(self, order: OrderId, user: str | None, reason: str) -> Changed:
        """Give up a hold or a place in the waitlist. `user` None: staff, for anybody."""
        checked(user=user or "", reason=reason)
        args = [tail_of(order), user or "", user or "staff", reason]
        _, rows = await self._call(self._cancel, sale_of(order), args)
        return Changed(Change(rows[0].decode()), _order(order, rows[1], rows[2]))

    async def refund(self, order: OrderId, act: Act, *, restock: bool) -> Changed:
        """A paid order's money goes back; its units return to stock or are written off."""
        _check_act(act)
        restocked = int(restock)
        args: list[Argument] = [tail_of(order), act.id, act.actor, act.role, act.reason, restocked]
        _, rows = await self._call(self._refund, sale_of(order), args)
        return Changed(Change(rows[0].decode()), _order(order, rows[1], rows[2]))

    async def sweep(self, sale: SaleId, most: int) -> Swept:
        """Open and close by the clock, end up to `most` overdue holds, serve the waitlist."""
        assert most > 0
        at, rows = await self._call(self._sweep, sale, [most])
        return Swept(at, int(rows[0]), bool(int(rows[1])))

    # what staff do, and what anybody may read

    async def arm(self, terms: Terms, act: Act, on_sale: Mapping[SkuId, int]) -> SaleView:
        """Put a draft into the store. Raises `SteeringRefused`."""
        _check_act(act)
        for sku in on_sale.keys() - {item.sku for item in terms.items}:
            raise SteeringRefused("unknown_sku", sku)
        args: list[Argument] = [
            *(act.id, act.actor, act.role, act.reason),
            *(terms.epoch, terms.room, terms.currency, terms.hold_ms, terms.offer_ms),
            *(self._limits.grace_ms, terms.starts_at_ms or 0, terms.ends_at_ms or 0),
        ]
        for item in terms.items:
            units = on_sale.get(item.sku, item.stock)
            if not 0 <= units <= item.stock:
                detail = f"{item.sku} {item.stock}"
                raise SteeringRefused("above_allocation", detail)
            args += (item.sku, item.stock, units, item.price_minor, item.per_user_max)
        return await self._steered(self._arm, terms.id, args)

    async def steer(
        self,
        sale: SaleId,
        steering: Steering,
        act: Act,
        *,
        countdown_ms: int = 0,
        units: Mapping[SkuId, int] | None = None,
        allocate: bool = False,
        ends_at_ms: int | None = None,
        cancel_holds: bool = False,
    ) -> SaleView:
        """Open, pause, resume, close, restock or freeze. Raises `SteeringRefused`."""
        _check_act(act)
        args: list[Argument] = [
            *(act.id, act.actor, act.role, act.reason, steering),
            *(countdown_ms, ends_at_ms or 0, int(cancel_holds), int(allocate)),
        ]
        for sku, count in sorted((units or {}).items()):
            if not 0 < count <= UNITS_MAX:
                raise ValueError("units: must be at least 1")
            args += (sku, count)
        return await self._steered(self._steer, sale, args)

    async def view(self, sale: SaleId) -> SaleView:
        """The sale and all its counters at one instant."""
        at, rows = await self._call(self._view, sale, [])
        return parse_view(sale, at, _texts(rows))

    async def order(self, order: OrderId) -> Order | None:
        """One order as it is now."""
        sale, tail = sale_of(order), tail_of(order)
        text = await self._read("HGET", key_of(sale, "orders"), tail)
        if text is None:
            return None
        state = await self._read("HGET", key_of(sale, "states"), tail)
        return parse_order(sale, tail, text.decode(), None if state is None else state.decode())

    async def orders(self, sale: SaleId, cursor: int, most: int) -> tuple[list[Order], int]:
        """All orders of a sale in pieces; cursor 0 starts and, returned, ends. For audits.

        An order may come twice; one that is made meanwhile may come or not.
        """
        reply = await self._read("HSCAN", key_of(sale, "orders"), cursor, "COUNT", most)
        found = reply[1]
        flat = list(found.items()) if isinstance(found, dict) else list(_pairs(found))
        states: list[bytes | None] = []
        if flat:
            tails = [tail for tail, _ in flat]
            states = await self._read("HMGET", key_of(sale, "states"), *tails)
        orders = [
            parse_order(sale, tail.decode(), text.decode(), state.decode() if state else None)
            for (tail, text), state in zip(flat, states, strict=True)
        ]
        return orders, int(reply[0])

    async def decided_ids(self, sale: SaleId, cursor: int, most: int) -> tuple[list[OrderId], int]:
        """Ids of all orders, and of refusals other than sold_out that are kept, in pieces."""
        hashes = ("orders", "refused:0", "refused:1")
        place, which = divmod(cursor, len(hashes))
        key = key_of(sale, hashes[which])
        reply = await self._read("HSCAN", key, place, "COUNT", most)
        flat = reply[1].items() if isinstance(reply[1], dict) else _pairs(reply[1])
        ids = [
            OrderId(f"{sale}.{tail.decode()}")
            for tail, value in flat
            if which == 0 or not value.startswith(b"sold_out ")
        ]
        place = int(reply[0])
        if place:
            return ids, place * len(hashes) + which
        return ids, (which + 1) % len(hashes)

    # how it is done

    async def _steered(self, script: Script, sale: SaleId, args: Sequence[Argument]) -> SaleView:
        at, rows = await self._call(script, sale, args)
        return parse_view(sale, at, _texts(rows))

    async def _call(
        self, script: Script, sale: SaleId, args: Sequence[Argument]
    ) -> tuple[Position, list[Any]]:
        epoch, seq = self._seen.get(sale, ("", 0))
        fenced = "!" if self._durable.may_lose else ""
        # To look is no write: there is nothing to wait for, and so nothing is confirmed.
        durable = None if script is self._view else self._durable
        rows = await script(self._client, sale, [epoch, f"{seq}{fenced}", *args], durable)
        if rows[0] == b"stale":  # rebuilt since: what was seen of the old epoch counts no more
            epoch = int(rows[1])
            self._seen[sale] = (epoch, 0)
            rows = await script(self._client, sale, [epoch, f"0{fenced}", *args], durable)
        match rows[0]:
            case b"ok":
                at = Position(int(rows[2]), int(rows[3]), int(rows[4]), int(rows[1]))
                self.expect(sale, at.epoch, at.seq, confirmed=durable is not None)
                return at, rows[5:]
            case b"missing":
                raise NotOnSale(f"sale {sale} is not in the store")
            case b"frozen":
                gap = self._gap(sale, int(rows[2]), int(rows[3]))
                raise SaleFrozen(f"sale {sale} is frozen: {rows[1].decode()}{gap}")
            case b"stale":
                raise StaleEpoch(f"sale {sale} was rebuilt again")
            case b"refused":
                raise SteeringRefused(rows[1].decode(), rows[2].decode())
            case word:
                raise AssertionError(f"{script.name} answered {word!r}")

    def _gap(self, sale: SaleId, epoch: int, seq: int) -> str:
        """Which moves were seen here that the store has no more; empty if none were."""
        seen_epoch, seen = self._seen.get(sale, (0, 0))
        if seen_epoch != epoch or seen <= seq:
            return ""
        return f" ({seen - seq} of epoch {epoch} were seen here: {seq + 1} to {seen})"

    def _note(self, sale: SaleId, at: Position) -> None:
        """The sale stands at least here."""
        if (at.epoch, at.seq) > self._seen.get(sale, (0, -1)):
            self._seen[sale] = (at.epoch, at.seq)
        self._seen.move_to_end(sale)
        if len(self._seen) > _SALES_SEEN_MAX:
            self._seen.popitem(last=False)

    async def _read(self, *command: Argument) -> Any:
        try:
            return await self._client.execute_command(*command)
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"read {command[1]!r}: {error}") from error


def _check_buyers(purchases: Sequence[Purchase]) -> None:
    """Raise `ValueError` naming the field if a buyer's text would break the scripts' fields.

    All texts at once: a look at each would cost more than the rest of what is done for it here.
    """
    try:
        checked(all="".join([one.user + one.request_id + one.name + one.note for one in purchases]))
        noted = [one for one in purchases if one.note]
    except ValueError:
        noted = list(purchases)
    for one in noted:
        check_purchase(one)


def _check_act(act: Act) -> None:
    checked(act=act.id, actor=act.actor, role=act.role, reason=act.reason)


def _order(order_id: OrderId, text: bytes, state: bytes) -> Order | None:
    if not text:
        return None
    return parse_order(sale_of(order_id), tail_of(order_id), text.decode(), state.decode())


def _texts(rows: Sequence[Any]) -> list[str]:
    return [row.decode() if isinstance(row, bytes) else str(row) for row in rows]


def _pairs(flat: Sequence[bytes]) -> zip[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
