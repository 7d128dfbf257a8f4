"""Prices with coupons, for any lines and coupons: never below the floor, every rule explained."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_sale.catalog import ProductId, SkuId
from flash_sale.pricing import (
    ALONE,
    BASIS_POINTS,
    Coupon,
    CouponKind,
    CouponTerms,
    Goods,
    Priced,
    Rule,
    Scope,
    Shop,
    WhyNot,
    price,
)

NOW_MS = 1_000
HERE = Shop("garden", "spring", "CNY")
SKUS = ("a", "b", "c")

skus = st.frozensets(st.sampled_from([*SKUS, "other"]), max_size=2)
scopes = st.builds(
    Scope,
    skus=skus,
    products=st.frozensets(st.sampled_from(["p-a", "p-other"]), max_size=1),
    sales=st.sampled_from([frozenset(), frozenset({"spring"}), frozenset({"autumn"})]),
    rooms=st.sampled_from([frozenset(), frozenset({"garden"}), frozenset({"attic"})]),
)
instants = st.none() | st.integers(NOW_MS - 2, NOW_MS + 2)
minors = st.integers(0, 5_000)
kinds = st.sampled_from(CouponKind)


@st.composite
def coupons(draw: st.DrawFn) -> list[Coupon]:
    batches = [
        CouponTerms(
            id=f"batch-{number}",
            title="",
            kind=draw(kinds),
            currency=draw(st.sampled_from(["CNY", "CNY", "CNY", "USD"])),
            amount_minor=draw(minors),
            percent_bp=draw(st.integers(0, BASIS_POINTS)),
            cap_minor=draw(st.sampled_from([0, 0, 100])),
            threshold_minor=draw(minors),
            scope=draw(st.just(Scope()) | scopes),
            starts_at_ms=draw(instants),
            ends_at_ms=draw(instants),
            stack=draw(st.sampled_from([ALONE, "one", "two", "three"])),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    chosen = draw(st.lists(st.sampled_from(batches), max_size=5))
    whys = st.sampled_from([None, None, None, WhyNot.HELD, WhyNot.UNKNOWN])
    return [
        Coupon(f"coupon-{number}", terms, draw(instants), draw(whys))
        for number, terms in enumerate(chosen)
    ]


@st.composite
def baskets(draw: st.DrawFn) -> list[Goods]:
    return [
        Goods(
            sku=SkuId(sku),
            product=ProductId(f"p-{sku}"),
            qty=draw(st.integers(1, 5)),
            price_minor=draw(minors),
            markup_minor=draw(st.sampled_from([0, 0, 70])),
            floor_minor=draw(st.integers(0, 6_000)),
        )
        for sku in draw(st.lists(st.sampled_from(SKUS), min_size=1, max_size=3, unique=True))
    ]


def floor_of(goods: list[Goods]) -> int:
    """The least that these lines may cost; what is below its floor already is not discounted."""
    return sum(
        one.qty * (min(one.price_minor, one.floor_minor) + one.markup_minor) for one in goods
    )


@given(baskets(), coupons(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_coupons_does_not_matter(
    goods: list[Goods], held: list[Coupon], chance: random.Random
) -> None:
    priced = price(HERE, goods, held, NOW_MS)
    chance.shuffle(goods)
    chance.shuffle(held)
    assert price(HERE, goods, held, NOW_MS) == priced


@given(baskets(), coupons())
def test_what_rules_take_off_adds_up_and_no_line_falls_below_its_floor(
    goods: list[Goods], held: list[Coupon]
) -> None:
    priced = price(HERE, goods, held, NOW_MS)
    assert priced.list_minor == sum(one.qty * (one.price_minor + one.markup_minor) for one in goods)
    assert priced.amount_minor == priced.list_minor - priced.discount_minor
    assert priced.discount_minor == sum(rule.minor for rule in priced.rules)
    assert priced.amount_minor >= floor_of(goods)


@given(baskets(), coupons())
def test_every_coupon_is_explained_once(goods: list[Goods], held: list[Coupon]) -> None:
    rules = price(HERE, goods, held, NOW_MS).rules
    assert sorted(rule.coupon for rule in rules) == sorted(coupon.id for coupon in held)
    assert all((rule.minor > 0) is (rule.why_not is None) for rule in rules)
    assert all(rule.minor >= 0 for rule in rules)


@given(baskets(), coupons())
def test_coupons_that_do_not_go_together_are_never_both_applied(
    goods: list[Goods], held: list[Coupon]
) -> None:
    rules = price(HERE, goods, held, NOW_MS).rules
    by_id = {coupon.id: coupon for coupon in held}
    stacks = [by_id[rule.coupon].terms.stack for rule in rules if rule.minor]
    assert len(set(stacks)) == len(stacks)
    assert ALONE not in stacks or len(stacks) == 1


@given(baskets(), coupons())
def test_what_applies_still_applies_without_the_coupons_that_did_not(
    goods: list[Goods], held: list[Coupon]
) -> None:
    """So that an order may be made of exactly the coupons that a quote has applied."""
    priced = price(HERE, goods, held, NOW_MS)
    applied = {rule.coupon for rule in priced.rules if rule.minor}
    alone = price(HERE, goods, [one for one in held if one.id in applied], NOW_MS)
    assert alone.discount_minor == priced.discount_minor
    assert all(rule.why_not is None for rule in alone.rules)


def one_line(price_minor: int = 1_000, qty: int = 1, floor_minor: int = 1) -> Goods:
    return Goods(SkuId("a"), ProductId("p-a"), qty, price_minor, floor_minor=floor_minor)


def terms(kind: CouponKind, name: str = "b", **more: object) -> CouponTerms:
    return CouponTerms(name, "", kind, "CNY", **more)  # type: ignore[arg-type]


def priced(goods: Goods, *held: CouponTerms) -> Priced:
    return price(HERE, [goods], [Coupon(one.id, one) for one in held], NOW_MS)


def test_percent_is_rounded_down_and_capped() -> None:
    third = terms(CouponKind.PERCENT, percent_bp=3_333)
    assert priced(one_line(999), third).discount_minor == 332
    capped = terms(CouponKind.PERCENT, percent_bp=3_333, cap_minor=100)
    assert priced(one_line(999), capped).discount_minor == 100


def test_percent_comes_before_threshold_and_amount() -> None:
    held = (
        terms(CouponKind.AMOUNT, "a", amount_minor=100, stack="x"),
        terms(CouponKind.THRESHOLD, "b", amount_minor=50, threshold_minor=1_000, stack="y"),
        terms(CouponKind.PERCENT, "c", percent_bp=1_000, stack="z"),
    )
    assert [(rule.coupon, rule.minor) for rule in priced(one_line(), *held).rules] == [
        ("c", 100),
        ("b", 50),
        ("a", 100),
    ]


def test_the_threshold_is_met_by_what_the_lines_cost_before_any_discount() -> None:
    half = terms(CouponKind.PERCENT, "a", percent_bp=5_000, stack="x")
    full = terms(CouponKind.THRESHOLD, "b", amount_minor=50, threshold_minor=1_000, stack="y")
    assert priced(one_line(), half, full).discount_minor == 550
    assert priced(one_line(999), full).rules == (Rule("b", "b", "", 0, WhyNot.BELOW_THRESHOLD),)


def test_no_coupon_makes_an_order_cost_nothing() -> None:
    found = priced(
        one_line(price_minor=500, qty=2, floor_minor=0),
        terms(CouponKind.AMOUNT, amount_minor=5_000),
    )
    assert found.amount_minor == 2


def test_a_discount_stops_at_the_floor_and_the_next_one_finds_nothing_left() -> None:
    much = terms(CouponKind.AMOUNT, "a", amount_minor=900, stack="x")
    more = terms(CouponKind.AMOUNT, "b", amount_minor=1, stack="y")
    found = priced(one_line(floor_minor=300), much, more)
    assert found.amount_minor == 300
    assert found.rules == (
        Rule("a", "a", "", 700),
        Rule("b", "b", "", 0, WhyNot.FLOOR_REACHED),
    )


@pytest.mark.parametrize(
    ("changes", "why_not"),
    [
        ({"starts_at_ms": NOW_MS + 1}, WhyNot.NOT_YET),
        ({"ends_at_ms": NOW_MS}, WhyNot.EXPIRED),
        ({"scope": Scope(skus=frozenset({"z"}))}, WhyNot.OTHER_SCOPE),
        ({"scope": Scope(rooms=frozenset({"attic"}))}, WhyNot.OTHER_SCOPE),
        ({"scope": Scope(sales=frozenset({"autumn"}))}, WhyNot.OTHER_SCOPE),
        ({"starts_at_ms": NOW_MS, "ends_at_ms": NOW_MS + 1}, None),
        ({"scope": Scope(products=frozenset({"p-a"}), skus=frozenset({"z"}))}, None),
    ],
)
def test_a_coupon_says_why_it_does_not_apply(
    changes: dict[str, Any], why_not: WhyNot | None
) -> None:
    (rule,) = priced(one_line(), terms(CouponKind.AMOUNT, amount_minor=10, **changes)).rules
    assert rule.why_not is why_not


def test_a_coupon_of_another_currency_or_over_its_own_time_does_not_apply() -> None:
    other = CouponTerms("b", "", CouponKind.AMOUNT, "USD", amount_minor=10)
    assert priced(one_line(), other).rules[0].why_not is WhyNot.OTHER_CURRENCY
    over = Coupon("c", terms(CouponKind.AMOUNT, amount_minor=10), expires_at_ms=NOW_MS)
    assert price(HERE, [one_line()], [over], NOW_MS).rules[0].why_not is WhyNot.EXPIRED
