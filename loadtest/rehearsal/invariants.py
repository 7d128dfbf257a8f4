"""What must never be otherwise, checked: the stock, the orders and who got them. Pure.

Each check looks at one `Case` and says what it found, or None where the files that it needs were
not there: what was not looked at is not claimed. The order of `CHECKS` is that of their weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from loadtest.rehearsal.books import Span, most_at_once
from loadtest.rehearsal.findings import Invariant
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.invariants_money import (
    made_of,
    money_is_balanced,
    paid_equals_ledger,
    redis_equals_ledger,
)
from loadtest.rehearsal.invariants_sale import open_from_the_start, sold_out_is_true
from loadtest.rehearsal.outcomes import DECISIONS, REFUSALS, RESERVED, is_unsure
from loadtest.rehearsal.records import OK

# An order's hold is over this long after its deadline at the latest: the server's time of grace for
# payments, its sweep, and a slow machine.
HOLD_OVER_WITHIN_MS: Final = 10_000
# By how much two clocks of one measurement may disagree.
CLOCKS_DIFFER_MS: Final = 50
REHEARSAL_USER: Final = "rh-"


def check_all(case: Case) -> tuple[Invariant, ...]:
    """Every invariant that can be checked with these files, the gravest first."""
    return tuple(found for check in CHECKS if (found := check(case)) is not None)


def never_oversold(case: Case) -> Invariant | None:
    """No sku had more units taken at once than were on sale.

    By the ledger's orders, by what buyers were told, and by the counters. `broken` counts units
    too many.
    """
    if not case.told and not case.rows:
        return None
    over: dict[str, int] = {}
    examples = []
    for clock, spans in (("ledger", case.ledger_spans), ("buyers", case.buyers_spans)):
        for sku, stock in case.stock.items():
            held_back = [_moved(case, span, clock) for span in case.held_back.get(sku, ())]
            height = most_at_once([*_of_sku(spans, sku), *held_back])
            if height.units > stock:
                over[sku] = max(over.get(sku, 0), height.units - stock)
                at_ms = height.at if clock == "ledger" else height.at // 1_000
                examples.append(
                    f"{sku}: +{height.units - stock} / {stock}, {clock}, {_clock(at_ms)}"
                )
    for at, counters in [*case.looks, *((None, each) for each in case.last_books.values())]:
        for each in counters:
            if each.available < 0 or each.reserved + each.sold > case.stock.get(each.sku, 0):
                units = each.reserved + each.sold - case.stock.get(each.sku, 0)
                over[each.sku] = max(over.get(each.sku, 0), units, -each.available)
                examples.append(f"{each}{_when(at)}")
    checked = max(len(case.orders), len(case.told))
    return made_of("never_oversold", checked, examples, sum(over.values()))


def nothing_acknowledged_lost(case: Case) -> Invariant | None:
    """Whatever a buyer was told, reserved or paid or cancelled, stands in the ledger."""
    if not case.is_settled:
        return None
    lost = []
    checked = 0
    for (user, request), attempts in case.places.items():
        if any(each.outcome == RESERVED for each in attempts):
            checked += 1
            ids = case.orders_of.get((user, request), set())
            told = {each.order for each in attempts if each.outcome == RESERVED and each.order}
            if not ids or not told <= ids:
                lost.append(f"{user} {request}: {', '.join(sorted(told))}")
    for acts, states in ((case.pays, ("paid", "refunded")), (case.cancels, ("cancelled",))):
        for order, attempts in acts.items():
            if any(each.outcome == OK for each in attempts):
                checked += 1
                state = case.orders[order].state if order in case.orders else "-"
                if state not in states:
                    lost.append(f"{attempts[0].user} {attempts[0].op} {order}: {state}")
    return made_of("nothing_acknowledged_lost", checked, lost)


def nothing_sold_twice(case: Case) -> Invariant | None:
    """One request made one order at most, by the ledger and by what its buyer was told."""
    if case.evidence.orders is None and not case.places:
        return None
    twice = [
        f"{user} {request}: {', '.join(sorted(ids))}"
        for (user, request), ids in case.orders_of.items()
        if len(ids) > 1
    ]
    for (user, request), attempts in case.places.items():
        told = {each.order for each in attempts if each.outcome == RESERVED and each.order}
        if len(told) > 1:
            twice.append(f"{user} {request}: {', '.join(sorted(told))}")
    seen: set[tuple[str, int]] = set()
    for row in case.rows:
        if (row.id, row.line) in seen:
            twice.append(f"{row.user} {row.id}: line {row.line}")
        seen.add((row.id, row.line))
    return made_of("nothing_sold_twice", max(len(case.places), len(seen)), twice)


def same_request_same_answer(case: Case) -> Invariant | None:
    """A request that was told again got the same answer, byte for byte. Faults do not count."""
    if not case.places:
        return None
    other = []
    checked = 0
    for (user, request), attempts in case.places.items():
        decided = [each for each in attempts if each.outcome in DECISIONS]
        checked += len(decided)
        outcomes = {each.outcome for each in decided}
        digests = {each.answer_digest for each in decided if each.answer_digest}
        if len(outcomes) > 1 or len(digests) > 1:
            other.append(f"{user} {request}: {', '.join(sorted(outcomes))}")
    return made_of("same_request_same_answer", checked, other)


def per_user_limit(case: Case) -> Invariant | None:
    """Nobody had more units of a sku at once than one person may."""
    plan = case.evidence.plan
    if plan is None or (not case.told and not case.rows):
        return None
    limits = {item.sku: item.per_user_max for item in plan.items}
    beyond = {}
    for spans in (case.ledger_spans, case.buyers_spans):
        for (sku, user), of_user in spans.items():
            height = most_at_once(of_user)
            if sku in limits and height.units > limits[sku]:
                beyond[sku, user] = f"{user} {sku}: {height.units} / {limits[sku]}"
    checked = len(case.ledger_spans.keys() | case.buyers_spans.keys())
    return made_of("per_user_limit", checked, beyond.values())


def not_before_start(case: Case) -> Invariant | None:
    """Nothing was sold before T0."""
    evidence = case.evidence
    if evidence.brief is None or not evidence.t0_us or (not case.told and not case.rows):
        return None
    t0_ms = evidence.brief.t0_ms
    early = {
        row.id: f"{row.user} {row.id}: {row.placed_ms - t0_ms} ms"
        for row in case.rows
        if row.placed_ms < t0_ms
    }
    for order, answers in case.told.items():
        first_us = min(each.done_us for each in answers) - evidence.t0_us
        if first_us < -CLOCKS_DIFFER_MS * 1_000:
            early.setdefault(order, f"{answers[0].user} {order}: {first_us // 1_000} ms")
    return made_of("not_before_start", max(len(case.orders), len(case.told)), early.values())


def holds_return(case: Case) -> Invariant | None:
    """What was not paid came back: not before its hold was over, and not long after."""
    books = case.evidence.books
    at_ms = books.get("at_ms") if books is not None else None
    if not case.is_settled or not isinstance(at_ms, int):
        return None
    wrong = []
    checked = 0
    for row in case.rows:
        if row.expires_ms is None or row.state not in ("reserved", "expired"):
            continue
        checked += 1
        if row.state == "reserved" and row.expires_ms + HOLD_OVER_WITHIN_MS < at_ms:
            wrong.append(f"{row.user} {row.id}: reserved, {at_ms - row.expires_ms} ms")
        if row.state == "expired" and row.changed_ms is not None:
            early_ms = row.expires_ms - row.changed_ms
            if early_ms > 0:
                wrong.append(f"{row.user} {row.id}: expired, -{early_ms} ms")
    return made_of("holds_return", checked, wrong)


def stock_adds_up(case: Case) -> Invariant | None:
    """At every look, what is available, reserved and sold is what was put on sale."""
    looks = [*case.looks, *((None, each) for each in case.last_books.values())]
    if not looks:
        return None
    wrong = [
        f"{each}{_when(at)}" for at, counters in looks for each in counters if not each.adds_up
    ]
    return made_of("stock_adds_up", sum(len(counters) for _, counters in looks), wrong)


def unknown_answers_resolved(case: Case) -> Invariant | None:
    """A purchase whose answer did not come happened once or not at all, and stayed so."""
    if not case.is_settled:
        return None
    wrong = []
    checked = 0
    for (user, request), attempts in case.places.items():
        if not any(is_unsure(each.outcome) for each in attempts):
            continue
        checked += 1
        count = len(case.orders_of.get((user, request), ()))
        answers = {each.outcome for each in attempts if each.outcome in DECISIONS}
        least, most = (1, 1) if RESERVED in answers else (0, 0 if answers & REFUSALS else 1)
        if not least <= count <= most:
            wrong.append(f"{user} {request}: {count}")
    return made_of("unknown_answers_resolved", checked, wrong)


def no_foreign_orders(case: Case) -> Invariant | None:
    """Every order of the ledger is of this rehearsal, and somebody asked for it."""
    evidence = case.evidence
    if evidence.orders is None or evidence.brief is None:
        return None
    foreign = []
    for order, row in case.orders.items():
        answers = {each.outcome for each in case.places.get((row.user, row.request_id), ())}
        refused = bool(answers) and not any(
            each not in REFUSALS and (each in DECISIONS or is_unsure(each)) for each in answers
        )
        unasked = evidence.history_whole and not answers
        if refused or unasked or row.sale != evidence.brief.sale:
            foreign.append(f"{row.user} {row.request_id}: {order}")
        elif not row.user.startswith(REHEARSAL_USER):
            foreign.append(f"{row.user}: {order}")
    return made_of("no_foreign_orders", len(case.orders), foreign)


def drills_leave_the_books(case: Case) -> Invariant | None:
    """After each drill nothing was missing in the books, and nothing was sold twice."""
    done = [drill for drill in case.evidence.drills if not drill.refused]
    if not done:
        return None
    wrong = [f"{drill.kind}: {drill.books_note}" for drill in done if not drill.books_ok]
    return made_of("drills_leave_the_books", len(done), wrong)


Check = Callable[[Case], Invariant | None]

CHECKS: Final[tuple[Check, ...]] = (
    never_oversold,
    nothing_acknowledged_lost,
    nothing_sold_twice,
    paid_equals_ledger,
    money_is_balanced,
    redis_equals_ledger,
    stock_adds_up,
    same_request_same_answer,
    unknown_answers_resolved,
    per_user_limit,
    not_before_start,
    open_from_the_start,
    sold_out_is_true,
    holds_return,
    drills_leave_the_books,
    no_foreign_orders,
)


def _of_sku(spans: Mapping[tuple[str, str], list[Span]], sku: str) -> list[Span]:
    return [span for (of, _), found in spans.items() if of == sku for span in found]


def _moved(case: Case, span: Span, clock: str) -> Span:
    """A span of milliseconds after T0, by the ledger's clock or in microseconds of the buyers'."""
    brief = case.evidence.brief
    if clock == "ledger":
        t0, unit = (brief.t0_ms if brief else 0), 1
    else:
        t0, unit = case.evidence.t0_us, 1_000
    ends = None if span.ends is None else t0 + span.ends * unit
    return Span(t0 + span.begins * unit, ends, span.units)


def _when(at_us: int | None) -> str:
    return "" if at_us is None else f" (T0 {at_us / 1e6:+.1f} s)"


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"
