"""The till: purchases with coupons, or by a reseller's link, and what they would cost.

Coupons are claimed in SQL before the store decides, so that no coupon is held by two orders. What
the store then refuses gives its claim back. Whoever comes again with a claim that was given back
meanwhile is fenced first: the store may answer with a decision that exists, but make no new one.
If this worker dies in between, `server.ledger.claims` finds the claim.
"""

from __future__ import annotations

import contextlib
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flash_sale.adapters.wire import check_purchase
from flash_sale.batcher import Batcher, BatchLimits
from flash_sale.errors import SaleBusy, SaleStoreUnavailable
from flash_sale.model import COUPONS_MAX, Item, Line, OrderId, Purchase
from flash_sale.pricing import Goods, Priced, Shop, price
from flash_sale.store import Stock
from rooms.sharing.sources import ShareLink
from server.database.claim_records import Asked, Claim, ClaimRecords, ClaimState, Declined
from server.database.coupon_records import CouponRecords
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.replies import bad_field, rejected, sign_in_first
from server.sales.answers import REUSED, again, faults
from server.sales.desk import SalesDesk
from server.sales.live_sale import LiveSale, answer_of
from server.sales.purchases import answer_to, purchase_of
from server.settings import Limits
from server.sharing.notes import note_of, rules_json
from server.sharing.open_visit import OpenVisit

_TAKEN = (b'{"outcome":"reserved"', b'{"outcome":"queued"')
FindLink = Callable[[str], Awaitable[ShareLink | None]]


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody wants to buy, and by what they want it cheaper or dearer."""

    sale: str
    lines: tuple[Line, ...]
    coupons: tuple[str, ...] = ()  # ids
    share: str = ""  # the code of a reseller's link


class Till:
    """Raises what the desk raises; 422 for coupons that take nothing off and links that cannot
    be used here. Prices, and what is held, never differ between two answers to one request.
    """

    def __init__(
        self,
        desk: SalesDesk,
        stock: Stock,
        claims: ClaimRecords,
        coupons: CouponRecords,
        find_link: FindLink,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._stock = stock
        self._records = claims
        self._coupons = coupons
        self._find_link = find_link
        self._limits = limits
        self._now_ms = now_ms
        bounds = BatchLimits(
            waiting_max=limits.coupon_claims_waiting_max,
            batch_max=limits.batch_orders_max,
            within_s=limits.decide_within_s,
        )
        self._claims: Batcher[Asked, Claim | Declined] = Batcher(self._claim, bounds)
        self._returns: Batcher[OrderId, None] = Batcher(self._give_back, bounds)

    async def place(
        self,
        basket: Basket,
        *,
        user: str,
        name: str,
        request_id: str,
        waitlist: bool = False,
        visit: OpenVisit | None = None,
    ) -> bytes:
        """Order, as `SalesDesk.place`."""
        sale = await self._desk.open_to_buyers(basket.sale)
        if isinstance(sale, bytes):
            return sale
        coupons = self._checked(basket.coupons)
        lines, link = await self._marked_up(sale, basket, user)
        purchase = purchase_of(
            sale,
            self._limits,
            user=user,
            name=name,
            lines=lines,
            request_id=request_id,
            waitlist=waitlist,
            note=note_of(visit, link),
        )
        if coupons:
            return await self._with_coupons(sale, purchase, coupons, visit, link)
        with faults():
            answer = sale.place(purchase)
        return await answer_to(answer) if isinstance(answer, Future) else answer_of(answer)

    async def quote(self, basket: Basket, *, user: str) -> dict[str, Any]:
        """What it would cost now, and why. Changes nothing; `user` is empty for nobody known."""
        sale = await self._desk.open(basket.sale)
        coupons = self._checked(basket.coupons)
        if coupons and not user:
            raise sign_in_first("use coupons")
        lines, _link = await self._marked_up(sale, basket, user)
        purchase_of(  # the same checks as of an order
            sale, self._limits, user="-", name="-", lines=lines, request_id="-", waitlist=False
        )
        with faults():
            mine = await self._coupons.chosen(user, coupons) if coupons else []
        goods = _goods(sale, lines)
        return _quote_json(sale, goods, price(_shop(sale), goods, mine, self._now_ms()))

    async def close(self) -> None:
        """Claim nothing more; who still waits is told to ask again."""
        await self._claims.close()
        await self._returns.close()

    # how it is done

    async def _with_coupons(
        self,
        sale: LiveSale,
        bare: Purchase,
        coupons: tuple[str, ...],
        visit: OpenVisit | None,
        link: ShareLink | None,
    ) -> bytes:
        asked = Asked(bare, _shop(sale), _goods(sale, bare.lines), coupons)
        with faults():
            claim = await self._claims.put(asked)
        if isinstance(claim, Declined):
            raise _declined(claim)
        purchase = replace(
            bare,
            discount_minor=claim.discount_minor,
            coupons=coupons,
            note=note_of(visit, link, claim.rules),
        )
        check_purchase(purchase)  # what cannot be decided must not spoil a batch: that is a bug
        with faults():
            if claim.state is not ClaimState.HELD:
                await self._stock.remember_sold_out(sale.id, [purchase])
            answer = await sale.ask(purchase)
        if not (isinstance(answer, bytes) and answer.startswith(_TAKEN)):
            # If this cannot be stored now, the claim is found and given back later.
            with contextlib.suppress(SaleBusy, SaleStoreUnavailable, DatabaseUnavailable):
                await self._returns.put(purchase.order_id)
        return answer_of(answer)

    async def _claim(self, asked: Sequence[Asked]) -> list[Claim | Declined]:
        return await self._records.claim(asked, self._now_ms())

    async def _give_back(self, orders: Sequence[OrderId]) -> list[None]:
        await self._records.give_back(orders, self._now_ms())
        return [None] * len(orders)

    def _checked(self, coupons: Sequence[str]) -> tuple[str, ...]:
        most = min(self._limits.coupons_per_order_max, COUPONS_MAX)
        if len(coupons) > most:
            raise bad_field("coupons", f"at most {most} for one order")
        if len(set(coupons)) < len(coupons):
            raise bad_field("coupons", "one is given twice")
        return tuple(sorted(coupons))

    async def _marked_up(
        self, sale: LiveSale, basket: Basket, user: str
    ) -> tuple[tuple[Line, ...], ShareLink | None]:
        """The lines at the reseller's prices. A reseller who buys for himself pays the shop's."""
        if not basket.share:
            return basket.lines, None
        with faults():
            link = await self._find_link(basket.share)
        if link is None:
            raise rejected("share: is no link of this shop")
        if link.room != sale.terms.room:
            raise rejected("share: is a link of another room")
        if not link.markups or link.source.inviter == user:
            return basket.lines, None
        caps: Mapping[str, Item] = {item.sku: item for item in sale.terms.items}
        marked = tuple(
            replace(line, markup_minor=min(link.markups.get(line.sku, 0), cap.markup_max_minor))
            if (cap := caps.get(line.sku)) is not None
            else line
            for line in basket.lines
        )
        return marked, link if any(line.markup_minor for line in marked) else None


def open_till(
    desk: SalesDesk,
    stock: Stock,
    database: Database,
    find_link: FindLink,
    limits: Limits,
    now_ms: Callable[[], int],
) -> Till:
    """A till on these stores; close it before them."""
    claims, coupons = ClaimRecords(database), CouponRecords(database)
    return Till(desk, stock, claims, coupons, find_link, limits, now_ms)


def _shop(sale: LiveSale) -> Shop:
    return Shop(sale.terms.room, sale.id, sale.terms.currency)


def _goods(sale: LiveSale, lines: Sequence[Line]) -> tuple[Goods, ...]:
    items = {item.sku: item for item in sale.terms.items}
    return tuple(
        Goods(
            sku=line.sku,
            product=items[line.sku].product_id,
            qty=line.qty,
            price_minor=items[line.sku].price_minor,
            markup_minor=line.markup_minor,
            floor_minor=items[line.sku].floor_minor,
        )
        for line in lines
    )


def _quote_json(sale: LiveSale, goods: Sequence[Goods], priced: Priced) -> dict[str, Any]:
    return {
        "list_minor": priced.list_minor,
        "discount_minor": priced.discount_minor,
        "amount_minor": priced.amount_minor,
        "currency": sale.terms.currency,
        "items": [
            {"sku": one.sku, "qty": one.qty, "price_minor": one.price_minor + one.markup_minor}
            for one in goods
        ],
        "price": rules_json(priced.rules),
    }


def _declined(declined: Declined) -> Exception:
    if declined.reused:
        return again(REUSED)
    why = [f"{rule.coupon} {rule.why_not}" for rule in declined.rules if rule.why_not]
    return rejected(f"coupons: {', '.join(why)}")
