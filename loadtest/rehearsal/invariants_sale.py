"""What a sale owes to those who press: it is open from its start, and says "sold out" truly. Pure.

See `invariants`. A shop that turns everybody away quickly keeps every target; here it does not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from operator import add
from typing import Final

from loadtest.rehearsal.books import Span
from loadtest.rehearsal.findings import Invariant
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.invariants_money import made_of
from loadtest.rehearsal.outcomes import NOT_STARTED, SOLD_OUT
from loadtest.rehearsal.records import Attempt
from loadtest.rehearsal.schedule import held_back

OPENS_WITHIN_US: Final = 1_000_000  # after T0
CLOCKS_MS: Final = 50  # by which two clocks of one measurement may disagree
CLOSED: Final = frozenset((NOT_STARTED, "paused", "ended"))  # nobody steers a rehearsal's sale


def open_from_the_start(case: Case) -> Invariant | None:
    """Nobody who pressed a second after T0 or later was told that the sale was not open.

    What a drill was felt by does not count.
    """
    evidence = case.evidence
    if not evidence.t0_us or not case.places:
        return None
    since_us, closed, checked = evidence.t0_us + OPENS_WITHIN_US, [], 0
    for (user, request), attempts in case.places.items():
        first = min(attempts, key=lambda each: each.sent_us)
        if first.sent_us < since_us or _is_drilled(case, first):
            continue
        checked += 1
        told = sorted({each.outcome for each in attempts} & CLOSED)
        if told:
            after_ms = (first.sent_us - evidence.t0_us) // 1_000
            closed.append(f"{user} {request}: {', '.join(told)}, {after_ms} ms")
    return made_of("open_from_the_start", checked, closed)


def sold_out_is_true(case: Case) -> Invariant | None:
    """Nobody was told "sold out" of a sku of which, until then, not all that was on sale was taken.

    By the ledger's orders. What the host brings later is not asked for.
    """
    evidence = case.evidence
    if not case.is_settled or evidence.plan is None or evidence.brief is None:
        return None
    skew_ms, wrong, checked = evidence.brief.clock_skew_ms, [], 0
    for item in evidence.plan.items:
        spans = [span for (sku, _), of in case.ledger_spans.items() if sku == item.sku
                 for span in of]  # fmt: skip
        instants, heights = _most_until(spans)
        on_sale = item.stock - held_back(item.stock)
        for (user, request), attempts in case.places.items():
            told = [each.done_us for each in attempts if each.outcome == SOLD_OUT]
            if not told or attempts[0].sku != item.sku:
                continue
            checked += 1
            at_ms = min(told) / 1_000 + skew_ms + CLOCKS_MS
            place = bisect_right(instants, at_ms)
            taken = heights[place - 1] if place else 0
            if taken < on_sale:
                wrong.append(f"{user} {request}: {item.sku} {taken} / {on_sale}")
    return made_of("sold_out_is_true", checked, wrong)


def _most_until(spans: Iterable[Span]) -> tuple[list[int], list[int]]:
    """Instants, and the most units that had been taken at once until each of them."""
    steps = [(span.begins, span.units) for span in spans]
    steps += [(span.ends, -span.units) for span in spans if span.ends is not None]
    # of one instant what is taken comes first: whoever was told may have been told in between
    steps.sort(key=lambda step: (step[0], -step[1]))
    taken = accumulate((units for _, units in steps), add)
    return [at for at, _ in steps], list(accumulate(taken, max))


def _is_drilled(case: Case, attempt: Attempt) -> bool:
    evidence = case.evidence
    recover_s = evidence.plan.targets.recover_s if evidence.plan else 0
    sent_s = (attempt.sent_us - evidence.t0_us) / 1_000_000
    done = (drill for drill in evidence.drills if not drill.refused)
    return any(drill.began_s <= sent_s <= drill.ended_s + recover_s for drill in done)
