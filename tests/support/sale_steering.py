"""What staff may do to a sale, by the twin of the sale store: who may when, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping

from flash_sale.catalog import SkuId
from flash_sale.errors import SteeringRefused
from flash_sale.model import Act, MoveKind, Refusal, SaleState, Steering, Terms
from tests.support.sale_shelf import ALIVE, Goods, StoredSale


def armed(terms: Terms, act: Act, on_sale: Mapping[SkuId, int], now_ms: int) -> StoredSale:
    """A draft as it comes into the store."""
    allocated = {item.sku: item.stock for item in terms.items}
    for sku, units in on_sale.items():
        if sku not in allocated:
            raise SteeringRefused(Refusal.UNKNOWN_SKU, sku)
        if units > allocated[sku]:
            raise SteeringRefused(Refusal.ABOVE_ALLOCATION, sku)
    _demand_time(max(now_ms, terms.starts_at_ms or 0), terms.ends_at_ms)
    sale = StoredSale(
        terms=terms,
        goods={
            item.sku: Goods(item, on_sale.get(item.sku, item.stock), item.stock)
            for item in terms.items
        },
        starts_at_ms=terms.starts_at_ms,
        ends_at_ms=terms.ends_at_ms,
        now_ms=now_ms,
        acts={act.id: _arming(terms, act, on_sale)},
    )
    starts = SaleState.ARMED if terms.starts_at_ms is None else SaleState.COUNTDOWN
    sale.become(starts, act.actor, act.reason)
    for sku, goods in sale.goods.items():
        _stock_move(sale, sku, "put_on_sale", goods.initial, act)
    sale.turn()
    sale.told = 1
    return sale


def _arming(terms: Terms, act: Act, on_sale: Mapping[SkuId, int]) -> object:
    units = {item.sku: on_sale.get(item.sku, item.stock) for item in terms.items}
    return ("arm", act.reason, units, terms.starts_at_ms)


def arm_again(sale: StoredSale, terms: Terms, act: Act, on_sale: Mapping[SkuId, int]) -> None:
    """Nothing is done; `SteeringRefused` unless it is the act that armed the sale."""
    demand(act.id in sale.acts, sale)
    demand_same(sale, act, _arming(terms, act, on_sale))


def demand_same(sale: StoredSale, act: Act, what: object) -> None:
    """An act that was done before must have been this one."""
    if sale.acts[act.id] != what:
        raise SteeringRefused(Refusal.REUSED, "")


def steer(
    sale: StoredSale,
    steering: Steering,
    act: Act,
    *,
    countdown_ms: int,
    units: Mapping[SkuId, int],
    allocate: bool,
    ends_at_ms: int | None,
    cancel_holds: bool,
) -> None:
    """Do it, or raise `SteeringRefused` having changed nothing."""
    match steering:
        case Steering.OPEN:
            _open(sale, act, countdown_ms, ends_at_ms)
        case Steering.PAUSE:
            demand(sale.state in {SaleState.OPEN, SaleState.COUNTDOWN}, sale)
            sale.become(SaleState.PAUSED, act.actor, act.reason)
        case Steering.RESUME:
            _resume(sale, act)
        case Steering.CLOSE:
            demand(sale.state in ALIVE, sale)
            sale.cancels_holds = cancel_holds
            sale.become(SaleState.CLOSED, act.actor, act.reason)
        case Steering.RESTOCK:
            _restock(sale, act, units, allocate=allocate)
        case Steering.FREEZE:
            raise AssertionError("a frozen sale is not steered")


def demand(holds: bool, sale: StoredSale) -> None:
    if not holds:
        raise SteeringRefused(Refusal.WRONG_STATE, sale.state)


def _demand_time(starts_at_ms: int, ends_at_ms: int | None) -> None:
    if ends_at_ms is not None and ends_at_ms <= starts_at_ms:
        raise SteeringRefused(Refusal.BAD_TIME, "it would end before it starts")


def _open(sale: StoredSale, act: Act, countdown_ms: int, ends_at_ms: int | None) -> None:
    demand(sale.state in {SaleState.ARMED, SaleState.COUNTDOWN}, sale)
    starts_at_ms = sale.now_ms + countdown_ms
    ends_at_ms = sale.ends_at_ms if ends_at_ms is None else ends_at_ms
    _demand_time(starts_at_ms, ends_at_ms)
    sale.starts_at_ms, sale.ends_at_ms = starts_at_ms, ends_at_ms
    state = SaleState.COUNTDOWN if countdown_ms else SaleState.OPEN
    sale.become(state, act.actor, act.reason)


def _resume(sale: StoredSale, act: Act) -> None:
    demand(sale.state is SaleState.PAUSED, sale)
    starts_later = (sale.starts_at_ms or 0) > sale.now_ms
    sale.become(SaleState.COUNTDOWN if starts_later else SaleState.OPEN, act.actor, act.reason)
    sale.serve(*sale.goods)


def _restock(sale: StoredSale, act: Act, units: Mapping[SkuId, int], *, allocate: bool) -> None:
    demand(sale.state in ALIVE, sale)
    for sku, count in units.items():
        if sku not in sale.goods:
            raise SteeringRefused(Refusal.UNKNOWN_SKU, sku)
        goods = sale.goods[sku]
        if not allocate and goods.initial + goods.written_off + count > goods.allocated:
            raise SteeringRefused(Refusal.ABOVE_ALLOCATION, sku)
    for sku, count in sorted(units.items()):
        goods = sale.goods[sku]
        beyond = goods.initial + goods.written_off + count - goods.allocated
        if beyond > 0:
            goods.allocated += beyond
            _stock_move(sale, sku, "allocate", beyond, act)
        goods.initial += count
        _stock_move(sale, sku, "restock", count, act)
        sale.serve(sku)


def _stock_move(sale: StoredSale, sku: SkuId, kind: str, delta: int, act: Act) -> None:
    facts = {"kind": kind, "reason": act.reason, "role": act.role, "units": f"{sku}={delta}"}
    sale.move(MoveKind.STOCK, actor=act.actor, facts=facts)
