"""What buyers and staff are answered: ready JSON for outcomes, `Refused` for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from flash_sale.catalog import SkuId, is_displayable
from flash_sale.errors import (
    NotOnSale,
    SaleBusy,
    SaleFrozen,
    SaleStoreUnavailable,
    SaleUnconfirmed,
    StaleEpoch,
    SteeringRefused,
)
from flash_sale.model import Decision, Order, OrderId, Outcome, Purchase, Refusal, SaleId, sale_of
from server.database.errors import DatabaseUnavailable
from server.replies import Refused, conflict, rejected, unknown
from server.sale_json import order_json

ASK_AGAIN = "ask again with the same request_id"
BUSY = Refused(503, f"the sale is at its bound of waiting orders; {ASK_AGAIN}")
AWAY = Refused(503, f"the sale's store cannot be reached; {ASK_AGAIN}")
UNCONFIRMED = Refused(
    503, f"no disk or replica has confirmed it, so nothing is promised; {ASK_AGAIN}"
)
FROZEN = Refused(503, f"the sale is frozen until its books are checked; {ASK_AGAIN}")
LOST = Refused(503, f"the sale is being restored from the ledger; {ASK_AGAIN}")
LEDGER_AWAY = Refused(503, f"the ledger cannot be reached; {ASK_AGAIN}")
ENDED = b'{"outcome":"ended"}'
REUSED = conflict("request_id: already used for another order")


@contextmanager
def faults() -> Iterator[None]:
    """Faults of the stores become what the client is told; 503 may always be asked again."""
    try:
        yield
    except SaleBusy:
        raise again(BUSY) from None
    except SaleUnconfirmed:
        raise again(UNCONFIRMED) from None
    except SaleStoreUnavailable:
        raise again(AWAY) from None
    except (SaleFrozen, StaleEpoch):
        raise again(FROZEN) from None
    except DatabaseUnavailable:
        raise again(LEDGER_AWAY) from None
    except NotOnSale:
        raise again(LOST) from None
    except SteeringRefused as refused:
        raise steering_refused(refused) from None


def again(refused: Refused) -> Refused:
    """A fresh copy: a raised exception keeps its traceback."""
    return Refused(refused.code, refused.message, temporary=refused.temporary)


def steering_refused(refused: SteeringRefused) -> Refused:
    """Why staff may not do this to the sale now."""
    word = Refusal(refused.refusal)
    match word:
        case Refusal.WRONG_STATE:
            return conflict(f"sale: it is {refused.detail}")
        case Refusal.ABOVE_ALLOCATION:
            return rejected(f"units: more than the merchant allocated: {refused.detail}")
        case Refusal.UNKNOWN_SKU:
            return unknown("sku", refused.detail)
        case Refusal.BAD_TIME:
            return rejected(f"times: {refused.detail}")
        case Refusal.REUSED:
            return conflict("request_id: already used for another act")


def placed(purchase: Purchase, decision: Decision, room: str, currency: str) -> bytes | Refused:
    """The answer to a purchase; equal decisions have equal bytes."""
    match decision.outcome:
        case Outcome.RESERVED | Outcome.QUEUED:
            assert decision.order is not None
            return b'{"outcome":"%s","order":%s}' % (
                decision.outcome.encode(),
                order_bytes(decision.order, room, currency),
            )
        case Outcome.SOLD_OUT if len(purchase.lines) == 1:
            return sold_out(purchase.lines[0].sku)
        case Outcome.REUSED:
            return REUSED
        case Outcome.UNKNOWN_SKU:
            return unknown("sku", ", ".join(line.sku for line in purchase.lines))
        case Outcome.BAD_PRICE:
            return rejected("coupons: they leave nothing to pay")
        case outcome:
            return b'{"outcome":"%s"}' % outcome.encode()


def sold_out(sku: SkuId) -> bytes:
    """The answer to a purchase of one sku of which nothing is left."""
    return b'{"outcome":"sold_out","sku":"%s"}' % sku.encode()


def order_bytes(order: Order, room: str, currency: str) -> bytes:
    """An order as buyers see it."""
    return orjson.dumps(order_json(order, room, currency))


def masked(name: str) -> str:
    """A name as strangers may see it: its first character, and that there is more."""
    first = name.lstrip()[:1]
    return f"{first}*" if is_displayable(first) else "*"


def sale_of_order(order_id: str) -> SaleId:
    """The sale that an order belongs to; error 404 when this is no order's id."""
    try:
        return sale_of(OrderId(order_id))
    except ValueError:
        raise unknown("order", order_id) from None
