"""A right shop never breaks an invariant, however unlucky its buyers; a wrong one does.

A model of a sale decides purchases, payments and expiries at random instants, restocks once, and
loses answers on their way. Its history and its ledger are then judged as those of a rehearsal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from loadtest.rehearsal.evidence import Evidence, LedgerOrder
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.invariants import check_all
from loadtest.rehearsal.plan import Item
from loadtest.rehearsal.records import OK, UNKNOWN, Attempt, Brief, Second
from tests.support.rehearsal_runs import (
    HOLD_MS,
    PRICE_MINOR,
    SALE,
    SKU,
    T0_MS,
    T0_US,
    books_answer,
    counters,
    order_of,
    request_of,
    small_plan,
    user_of,
)

GRACE_MS = 3_000
ENDS_MS = 60_000
SKEW_MS = 1_250  # the server's clock is ahead by this


@dataclass
class Shop:
    """One sku, decided in the order of the server's instants (milliseconds after T0)."""

    rng: random.Random
    stock: int
    restock: int
    restock_ms: int
    rows: dict[int, LedgerOrder] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)

    def initial(self, at_ms: int) -> int:
        return self.stock + (self.restock if at_ms >= self.restock_ms else 0)

    def taken(self, at_ms: int) -> int:
        return sum(self.holds(row, at_ms) for row in self.rows.values())

    @staticmethod
    def holds(row: LedgerOrder, at_ms: int) -> bool:
        now_ms = T0_MS + at_ms
        assert row.reserved_ms is not None
        ended = row.changed_ms if row.state in ("expired", "cancelled") else None
        return row.reserved_ms <= now_ms and (ended is None or now_ms < ended)

    def place(self, number: int, at_ms: int) -> str:
        """Decide once; the same request gets the same answer for ever."""
        if number in self.outcomes:
            return self.outcomes[number]
        outcome = "not_started" if at_ms < 0 else "sold_out"
        if at_ms >= 0 and self.taken(at_ms) < self.initial(at_ms):
            outcome = "reserved"
            self.rows[number] = self._row(number, T0_MS + at_ms)
        self.outcomes[number] = outcome
        return outcome

    def _row(self, number: int, now_ms: int) -> LedgerOrder:
        """As if nobody paid: it ends by itself."""
        ends_ms = now_ms + HOLD_MS + GRACE_MS + self.rng.randint(1, 400)
        return LedgerOrder(
            id=order_of(number),
            line=1,
            sale=SALE,
            user=user_of(number),
            state="expired",
            sku=SKU,
            qty=1,
            amount_minor=PRICE_MINOR,
            payment="",
            request_id=request_of(number),
            placed_ms=now_ms,
            reserved_ms=now_ms,
            expires_ms=now_ms + HOLD_MS,
            paid_ms=None,
            changed_ms=ends_ms,
        )

    def pay(self, number: int, at_ms: int) -> str:
        row, now_ms = self.rows[number], T0_MS + at_ms
        if row.state == "paid":
            return OK
        if not self.holds(row, at_ms):
            return "error 409"
        paid = {"state": "paid", "payment": f"demo:{row.id}", "paid_ms": now_ms}
        self.rows[number] = replace(row, changed_ms=now_ms, **paid)  # type: ignore[arg-type]
        return OK

    def counters(self, at_ms: int) -> dict[str, object]:
        held = [row for row in self.rows.values() if self.holds(row, at_ms)]
        sold = sum(row.paid_ms is not None and row.paid_ms <= T0_MS + at_ms for row in held)
        initial = self.initial(at_ms)
        return counters(initial - len(held), len(held) - sold, sold, initial)


def story(seed: int) -> Evidence:
    """A whole run of a right shop, with every kind of bad luck."""
    rng = random.Random(seed)
    shop = Shop(rng, rng.randint(1, 6), rng.randint(0, 3), rng.randint(0, 20_000))
    asked = [
        (rng.choice([rng.randint(-2_000, 0), rng.randint(0, 500), rng.randint(0, 30_000)]), number)
        for number in range(1, 25)
    ]
    attempts: list[Attempt] = []
    paying: list[tuple[int, int]] = []
    steps = sorted((at_ms, number, "place") for at_ms, number in asked)
    while steps or paying:
        steps += [(at_ms, number, "pay") for at_ms, number in paying]
        paying.clear()
        steps.sort()
        at_ms, number, op = steps.pop(0)
        outcome = shop.place(number, at_ms) if op == "place" else shop.pay(number, at_ms)
        attempt = told(rng, op, number, at_ms, outcome)
        attempts.append(attempt)
        unsure = attempt.outcome != outcome
        if op == "place" and (unsure or rng.random() < 0.2):
            steps.append((at_ms + rng.randint(1, 4_000), number, "place"))
        elif op == "pay" and unsure and rng.random() < 0.7:
            steps.append((at_ms + rng.randint(1, 4_000), number, "pay"))
        elif op == "place" and outcome == "reserved" and rng.random() < 0.8:
            paying.append((at_ms + rng.randint(1, HOLD_MS + 6_000), number))
    return evidence(shop, attempts)


def told(rng: random.Random, op: str, number: int, at_ms: int, outcome: str) -> Attempt:
    """What the buyer saw of it, by a clock that is behind; some answers are lost."""
    decided_us = T0_US + (at_ms - SKEW_MS) * 1_000
    seen = rng.choice([UNKNOWN, "error 503"]) if rng.random() < 0.15 else outcome
    is_order = seen == "reserved" or op == "pay"
    sent_us = decided_us - rng.randint(0, 200_000)
    return Attempt(
        op=op,
        user=user_of(number),
        sku=SKU,
        request_id=request_of(number),
        intended_us=sent_us,
        sent_us=sent_us,
        done_us=0 if seen == UNKNOWN else decided_us + rng.randint(1_000, 900_000),
        outcome=seen,
        order=order_of(number) if is_order else "",
        amount_minor=PRICE_MINOR if is_order else 0,
        answer_digest=f"{number} {seen}" if seen == outcome else "",
    )


def evidence(shop: Shop, attempts: list[Attempt]) -> Evidence:
    looks = tuple(
        Second(
            at_us=T0_US + (at_ms - SKEW_MS) * 1_000,
            phase="spike",
            viewers=25,
            books={"items": [shop.counters(at_ms)]},
        )
        for at_ms in range(-3_000, ENDS_MS, 1_000)
    )
    return Evidence(
        plan=small_plan(items=(Item(SKU, "A lamp", shop.stock, PRICE_MINOR),)),
        brief=Brief("rh-1", "http://a", "ws://a", "key", "room", SALE, (SKU,), T0_MS, SKEW_MS),
        attempts=tuple(attempts),
        history_whole=True,
        timeline=looks,
        orders=tuple(shop.rows.values()),
        books=books_answer(shop.counters(ENDS_MS), at_ms=T0_MS + ENDS_MS),
    )


def broken(found: Evidence) -> set[str]:
    return {each.name for each in check_all(Case(found)) if not each.holds}


@given(seed=st.integers(0, 2**32))
def test_a_right_shop_breaks_nothing(seed: int) -> None:
    assert broken(story(seed)) == set()


@given(seed=st.integers(0, 2**32))
def test_an_order_that_the_ledger_lost_is_missed_by_whoever_was_told_of_it(seed: int) -> None:
    found = story(seed)
    assert found.orders is not None
    known = {each.order for each in found.attempts if each.outcome in ("reserved", OK)}
    for row in found.orders:
        without = replace(found, orders=tuple(each for each in found.orders if each is not row))
        assert ("nothing_acknowledged_lost" in broken(without)) == (row.id in known)


@given(seed=st.integers(0, 2**32))
def test_a_unit_more_than_there_is_shows_at_once(seed: int) -> None:
    """Somebody else gets a unit while all of them are taken."""
    found = story(seed)
    assert found.orders is not None
    last = found.timeline[-1].books["items"][0]
    full = [
        look.at_us
        for look in found.timeline
        if (look.books["items"][0]["available"], look.books["items"][0]["initial"])
        == (0, last["initial"])
    ]
    if not full:
        return
    at_ms = full[-1] // 1_000 + SKEW_MS
    extra = replace(
        found.orders[0],
        id=order_of(99),
        request_id=request_of(99),
        user=user_of(99),
        state="reserved",
        reserved_ms=at_ms,
        placed_ms=at_ms,
        expires_ms=at_ms + HOLD_MS,
        changed_ms=at_ms,
        payment="",
        paid_ms=None,
    )
    wrong = broken(replace(found, orders=(*found.orders, extra)))
    assert {"never_oversold", "no_foreign_orders"} <= wrong
