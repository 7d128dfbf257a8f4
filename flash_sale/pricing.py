"""What an order costs: the sum of its lines, what coupons take off, and why.

Every rule is explained: what it took off, or why it did not. Neither the order of the lines nor
that of the coupons matters. Coupons are the shop's: they count on the shop's own price of a unit,
and what a reseller adds to it is never discounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flash_sale.catalog import ProductId, SkuId

BASIS_POINTS = 10_000
ALONE = "alone"  # a coupon that goes with no other one


class CouponKind(StrEnum):
    """In the order in which they are applied."""

    PERCENT = "percent"
    THRESHOLD = "threshold"  # so much off when the lines come to so much
    AMOUNT = "amount"


class CouponState(StrEnum):
    """granted → held by an order → spent; back to granted when the order comes to nothing."""

    GRANTED = "granted"
    HELD = "held"
    SPENT = "spent"
    EXPIRED = "expired"  # as shown: granted, and its time is over


class WhyNot(StrEnum):
    """Why a coupon takes nothing off; the first that applies, in this order."""

    UNKNOWN = "unknown"  # there is no such coupon of this user
    SPENT = "spent"
    HELD = "held"  # another order holds it
    OTHER_CURRENCY = "other_currency"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    OTHER_SCOPE = "other_scope"  # not for this room, sale or any line
    NOT_STACKABLE = "not_stackable"  # not beside one that was applied before
    BELOW_THRESHOLD = "below_threshold"
    FLOOR_REACHED = "floor_reached"  # the lines are at the lowest price they may have


@dataclass(frozen=True, slots=True)
class Scope:
    """What a coupon is for. Empty: no bound of that kind. `skus` and `products` add up."""

    skus: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    sales: frozenset[str] = frozenset()
    rooms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """What every coupon of a batch says. `id` is the batch's.

    AMOUNT and THRESHOLD take `amount_minor` off; THRESHOLD only if the lines in scope come to
    `threshold_minor` before any discount. PERCENT takes `percent_bp` hundredths of a percent of
    what is left of the lines in scope, rounded down, at most `cap_minor` (0: no cap). Of one
    `stack` group one coupon is applied; one whose group is ALONE goes with no other at all.
    """

    id: str
    title: str
    kind: CouponKind
    currency: str
    amount_minor: int = 0
    percent_bp: int = 0
    cap_minor: int = 0
    threshold_minor: int = 0
    scope: Scope = Scope()
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    stack: str = ALONE


@dataclass(frozen=True, slots=True)
class Coupon:
    """One coupon in somebody's hands. `why_not` says at once that it takes nothing off."""

    id: str
    terms: CouponTerms
    expires_at_ms: int | None = None
    why_not: WhyNot | None = None


@dataclass(frozen=True, slots=True)
class Goods:
    """A line to be priced; each sku once. `price_minor` is the shop's price of one unit.

    No discount brings it below `floor_minor`. `markup_minor` is what a reseller adds to it.
    """

    sku: SkuId
    product: ProductId
    qty: int
    price_minor: int
    markup_minor: int = 0
    floor_minor: int = 1


@dataclass(frozen=True, slots=True)
class Shop:
    """Where it is bought."""

    room: str
    sale: str
    currency: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What one coupon did: took `minor` off, or nothing because of `why_not`."""

    coupon: str
    batch: str
    title: str
    minor: int
    why_not: WhyNot | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """`amount_minor == list_minor - discount_minor`, and the rules' `minor` add up to the discount.

    `rules` has every coupon, in the order in which they were looked at.
    """

    list_minor: int
    discount_minor: int
    amount_minor: int
    rules: tuple[Rule, ...]


def price(shop: Shop, goods: Iterable[Goods], coupons: Iterable[Coupon], now_ms: int) -> Priced:
    """The price of these lines with these coupons at that instant."""
    lines = [_Line(one) for one in sorted(goods, key=lambda one: one.sku)]
    list_minor = sum(line.goods.qty * (line.own_minor + line.goods.markup_minor) for line in lines)
    applied: list[CouponTerms] = []
    rules = []
    for coupon in sorted(coupons, key=_place):
        given, why_not = _apply(shop, lines, coupon, applied, now_ms)
        if given:
            applied.append(coupon.terms)
        terms = coupon.terms
        rules.append(Rule(coupon.id, terms.id, terms.title, given, why_not))
    discount_minor = sum(rule.minor for rule in rules)
    return Priced(list_minor, discount_minor, list_minor - discount_minor, tuple(rules))


_KINDS = {kind: place for place, kind in enumerate(CouponKind)}


def _place(coupon: Coupon) -> tuple[int, str, str]:
    return _KINDS[coupon.terms.kind], coupon.terms.id, coupon.id


class _Line:
    """A line while it is priced; `taken_minor` of its amount is taken off already."""

    __slots__ = ("floor_minor", "goods", "own_minor", "taken_minor")

    def __init__(self, goods: Goods) -> None:
        self.goods = goods
        self.own_minor = goods.price_minor
        self.floor_minor = max(1, goods.floor_minor)  # an order of nothing cannot be paid
        self.taken_minor = 0

    @property
    def list_minor(self) -> int:
        return self.goods.qty * self.own_minor

    @property
    def left_minor(self) -> int:
        return self.list_minor - self.taken_minor

    @property
    def may_take_minor(self) -> int:
        return max(0, self.left_minor - self.goods.qty * self.floor_minor)


def _apply(
    shop: Shop, lines: Sequence[_Line], coupon: Coupon, applied: Sequence[CouponTerms], now_ms: int
) -> tuple[int, WhyNot | None]:
    terms = coupon.terms
    within = [line for line in lines if _is_for(terms.scope, shop, line.goods)]
    why_not = coupon.why_not or _refusal(shop, coupon, within, applied, now_ms)
    if why_not is not None:
        return 0, why_not
    wanted = terms.amount_minor
    if terms.kind is CouponKind.PERCENT:
        wanted = sum(line.left_minor for line in within) * terms.percent_bp // BASIS_POINTS
        wanted = min(wanted, terms.cap_minor) if terms.cap_minor else wanted
    given = min(wanted, sum(line.may_take_minor for line in within))
    if given <= 0:
        return 0, WhyNot.FLOOR_REACHED
    _take(within, given)
    return given, None


def _refusal(
    shop: Shop,
    coupon: Coupon,
    within: Sequence[_Line],
    applied: Sequence[CouponTerms],
    now_ms: int,
) -> WhyNot | None:
    terms = coupon.terms
    ends = [at for at in (terms.ends_at_ms, coupon.expires_at_ms) if at is not None]
    if terms.currency != shop.currency:
        return WhyNot.OTHER_CURRENCY
    if terms.starts_at_ms is not None and now_ms < terms.starts_at_ms:
        return WhyNot.NOT_YET
    if ends and now_ms >= min(ends):
        return WhyNot.EXPIRED
    if not within:
        return WhyNot.OTHER_SCOPE
    if not all(_stack(terms, other) for other in applied):
        return WhyNot.NOT_STACKABLE
    reached = sum(line.list_minor for line in within) >= terms.threshold_minor
    if terms.kind is CouponKind.THRESHOLD and not reached:
        return WhyNot.BELOW_THRESHOLD
    return None


def _stack(one: CouponTerms, other: CouponTerms) -> bool:
    return ALONE not in (one.stack, other.stack) and one.stack != other.stack


def _is_for(scope: Scope, shop: Shop, goods: Goods) -> bool:
    if scope.rooms and shop.room not in scope.rooms:
        return False
    if scope.sales and shop.sale not in scope.sales:
        return False
    if not (scope.skus or scope.products):
        return True
    return goods.sku in scope.skus or goods.product in scope.products


def _take(lines: Sequence[_Line], minor: int) -> None:
    """Spread a discount over lines by what each may still lose; together they may lose so much."""
    whole = sum(line.may_take_minor for line in lines)
    rooms = [line.may_take_minor for line in lines]
    shares = [minor * room // whole for room in rooms]
    rest = minor - sum(shares)
    for number, room in enumerate(rooms):
        if rest and shares[number] < room:
            shares[number] += 1
            rest -= 1
    assert rest == 0
    for line, share in zip(lines, shares, strict=True):
        line.taken_minor += share
