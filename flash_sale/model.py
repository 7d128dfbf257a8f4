"""The words of a flash sale: terms, orders, outcomes, books and the moves of the ledger.

Frozen data without behaviour that could fail; refuses to know storage, JSON and the network.
Money is whole minor units, instants are Unix milliseconds by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NewType

from flash_sale.catalog import ProductId, SkuId

SaleId = NewType("SaleId", str)
OrderId = NewType("OrderId", str)  # "<sale>.<tail>": it says by itself where its books are

# Amounts travel through JavaScript and Lua, which count exactly up to 2**53.
AMOUNT_MINOR_MAX = 2**53 - 1
UNITS_MAX = 1_000_000_000
COUPONS_MAX = 8  # of one order
NOTE_BYTES_MAX = 1_800  # of one order; it travels with every move of it


class SaleState(StrEnum):
    """Where a sale is in its life. SOLD_OUT is how OPEN is shown when no unit is available."""

    DRAFT = "draft"  # in the ledger only; everything may change
    ARMED = "armed"  # in the store; waits for the host's word
    COUNTDOWN = "countdown"  # opens by itself at `starts_at_ms`
    OPEN = "open"
    SOLD_OUT = "sold_out"
    PAUSED = "paused"  # takes no orders; holds can be paid
    CLOSED = "closed"  # the end; holds that are left can be paid until their deadline
    FROZEN = "frozen"  # the store lost something; nothing is decided until it is rebuilt


class OrderState(StrEnum):
    """queued → reserved → paid → refunded; queued and reserved may be cancelled or expire."""

    QUEUED = "queued"
    RESERVED = "reserved"
    PAID = "paid"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"


class Outcome(StrEnum):
    """The answer to one purchase, in the order they are checked. Words of reserve.lua.

    Up to REUSED they are business answers and are kept: the same request gets the same one.
    """

    RESERVED = "reserved"
    QUEUED = "queued"
    NOT_STARTED = "not_started"
    PAUSED = "paused"
    ENDED = "ended"
    SOLD_OUT = "sold_out"
    LIMIT_REACHED = "limit_reached"
    REUSED = "reused"  # the request id belongs to another request
    UNKNOWN_SKU = "unknown_sku"
    BAD_PRICE = "bad_price"  # the discount leaves nothing to pay: whoever made it has erred


class PaymentOutcome(StrEnum):
    """What one payment came to. All but ACCEPTED are owed back. Words of pay.lua."""

    ACCEPTED = "accepted"
    LATE = "late"  # the hold had ended
    SURPLUS = "surplus"  # another payment had paid the order
    MISMATCH = "mismatch"  # amount or currency differ from the order's
    UNKNOWN_ORDER = "unknown_order"  # nothing was recorded


class Change(StrEnum):
    """What came of cancelling or refunding. Words of cancel.lua and refund.lua."""

    DONE = "done"
    ALREADY = "already"  # it was so before: asking again changes nothing
    REFUSED = "refused"  # the order's state does not allow it
    UNKNOWN_ORDER = "unknown_order"


class MoveKind(StrEnum):
    """The kinds of moves in the ledger."""

    RESERVED = "reserved"
    QUEUED = "queued"
    OFFERED = "offered"  # a queued order got a released unit: it is reserved now
    PAID = "paid"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    PAYMENT = "payment"  # a payment that is owed back; the order did not change
    SALE = "sale"  # the sale changed: state, times
    STOCK = "stock"  # units were added to or taken out of the sale


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of one sku. `markup_minor` is what a reseller adds to the price of a unit."""

    sku: SkuId
    qty: int
    markup_minor: int = 0


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line at the price of one unit when it was ordered, as the buyer sees it: `markup_minor`
    of it is a reseller's.
    """

    sku: SkuId
    qty: int
    price_minor: int
    markup_minor: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One sku of a sale. `stock` is what the merchant allocates; a host may put on sale less.

    No discount brings the price of a unit below `floor_minor`; a reseller may add at most
    `markup_max_minor`. Whoever makes a `Purchase` sees to both: the store knows neither.
    """

    sku: SkuId
    product_id: ProductId
    title: str
    stock: int
    price_minor: int
    per_user_max: int
    floor_minor: int = 1
    markup_max_minor: int = 0  # 0: not for resale


@dataclass(frozen=True, slots=True)
class Terms:
    """A sale as the merchant prepared it."""

    id: SaleId
    room: str
    currency: str
    items: tuple[Item, ...]
    hold_ms: int
    offer_ms: int  # how long an offer to somebody in the waitlist stands
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    epoch: int = 1


@dataclass(frozen=True, slots=True)
class Purchase:
    """What one buyer asks of a sale: all lines or nothing. `order_id` comes from `order_id_of`.

    With `waitlist` (one line, one unit) a sold-out sku is waited for instead of refused.
    `discount_minor` is taken off the sum of the lines, by `coupons`: ids, sorted, each once, at
    most COUPONS_MAX. Both belong to the request as its lines do. `note` does not: a retry with
    another one gets the first answer, and with it the first note.
    """

    order_id: OrderId
    user: str
    request_id: str
    lines: tuple[Line, ...]
    waitlist: bool = False
    name: str = ""  # as others may see it, masked
    discount_minor: int = 0
    coupons: tuple[str, ...] = ()
    note: str = ""  # JSON that the store carries and does not read, at most NOTE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the store knows it. Which instants are set follows from its state.

    `amount_minor` is the sum of its lines less `discount_minor`.
    """

    id: OrderId
    sale: SaleId
    user: str
    request_id: str
    lines: tuple[PricedLine, ...]
    amount_minor: int
    state: OrderState
    placed_at_ms: int  # when it was reserved or queued
    reserved_at_ms: int | None  # None: it never left the waitlist
    expires_at_ms: int | None
    paid_at_ms: int | None
    changed_at_ms: int
    position: int  # in the waitlist when it was queued, from 1; 0: was never queued
    durability: str  # the mode that held when it was answered
    payment_id: str = ""
    name: str = ""
    discount_minor: int = 0
    coupons: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one purchase. `order` is as first answered, also on a replay."""

    outcome: Outcome
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sale's history stands: every move grows `seq` by 1; `told` counts announcements."""

    epoch: int
    seq: int
    told: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Decided:
    """Decision i answers purchase i. `available` holds the skus that were asked for."""

    at: Position
    decisions: list[Decision]
    available: Mapping[SkuId, int]


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a provider says it has received for an order. `id` is the provider's, unique."""

    id: str
    order_id: OrderId
    amount_minor: int
    currency: str
    provider: str


@dataclass(frozen=True, slots=True)
class Paid:
    outcome: PaymentOutcome
    order: Order | None  # as it is now; None: unknown


@dataclass(frozen=True, slots=True)
class Changed:
    change: Change
    order: Order | None


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: the moves it made, and whether more is due already."""

    at: Position
    moves: int
    more: bool


@dataclass(frozen=True, slots=True)
class SkuBooks:
    """Units of one sku: `initial == available + reserved + sold`, at every instant.

    `initial` is what is on sale now: put on sale + restocked - written off. `refunded` counts
    units whose money went back; those that returned to stock are no longer in `sold`, those that
    did not were written off.
    """

    sku: SkuId
    initial: int
    available: int
    reserved: int
    sold: int
    refunded: int
    written_off: int
    allocated: int
    waiting: int
    price_minor: int
    per_user_max: int

    @property
    def balanced(self) -> bool:
        counts = (self.available, self.reserved, self.sold)
        return min(counts) >= 0 and sum(counts) == self.initial


@dataclass(frozen=True, slots=True)
class SaleView:
    """A sale as the store has it at one instant."""

    id: SaleId
    room: str
    currency: str
    state: SaleState  # as shown: SOLD_OUT when open with nothing available
    starts_at_ms: int | None
    ends_at_ms: int | None
    hold_ms: int
    version: int  # `seq` of the last change of state, times or availability from or to zero
    at: Position
    items: tuple[SkuBooks, ...]
    reason: str = ""  # why it is paused, closed or frozen

    def item(self, sku: SkuId) -> SkuBooks | None:
        return next((item for item in self.items if item.sku == sku), None)


class Steering(StrEnum):
    """What staff do to a sale that is in the store. Words of steer.lua."""

    OPEN = "open"  # at once, or after a countdown
    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"
    RESTOCK = "restock"
    FREEZE = "freeze"


class Refusal(StrEnum):
    """Why a steering was refused. Words of arm.lua and steer.lua."""

    WRONG_STATE = "wrong_state"
    ABOVE_ALLOCATION = "above_allocation"
    UNKNOWN_SKU = "unknown_sku"
    BAD_TIME = "bad_time"
    REUSED = "reused"  # the act's id belongs to another act


@dataclass(frozen=True, slots=True)
class Act:
    """Who steers, and why. The same `id` takes effect once; asked again it gets its answer.

    Asked again for something else it is refused (`Refusal.REUSED`).
    """

    id: str
    actor: str
    role: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the ledger: what happened, in whole. Applying it twice changes nothing.

    `order` is as it was after the move. For SALE and STOCK moves `facts` says what changed.
    """

    epoch: int
    seq: int
    at_ms: int
    kind: MoveKind
    order: Order | None = None
    payment: Payment | None = None
    payment_outcome: PaymentOutcome | None = None
    actor: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def order_id_of(sale: SaleId, user: str, request_id: str) -> OrderId:
    """The id that a request's order will have, on every worker and after every retry."""
    text = f"{user}\x1f{request_id}".encode()
    return OrderId(f"{sale}.{blake2b(text, digest_size=12, person=b'onair order').hexdigest()}")


def sale_of(order_id: OrderId) -> SaleId:
    """The sale of an order. Raises `ValueError` if this cannot be an order's id."""
    sale, dot, tail = order_id.rpartition(".")
    if not dot or not sale or len(tail) != 24:
        raise ValueError("order: not the id of an order")
    return SaleId(sale)
