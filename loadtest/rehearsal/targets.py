"""The plan's promises beside what was proved, and each that was broken with the instant. Pure.

See `measured` for what drills do to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.rehearsal.findings import Delivery, Promised, Quantiles, Say
from loadtest.rehearsal.latency import quantiles
from loadtest.rehearsal.measured import BOTS, FELT_BY_REQUESTS, Measured, watching
from loadtest.rehearsal.outcomes import DECISIONS, is_error
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.records import Attempt, Sample, Second
from loadtest.samples import percentile

VIEWERS_SHARE_MIN: Final = 0.98  # of the promised ones: some are on their way back at any instant
VIEWERS_STAY_SHARE: Final = 0.1  # of the looks of the spike may see fewer: hiccups of the counting
ORDERS_SHARE_MIN: Final = 0.95  # of the buyers of the rush, answered within the target
TOO_LATE: Final = "error 409"  # the answer to a payment that came after its hold
CLOCKS_US: Final = 50_000  # a payment sent so shortly before the deadline may well be too late
RUSH_ENDS_S: Final = 1.0  # after its end somebody may still press
UNREACHABLE_LOOKS: Final = 3  # in a row: the server is gone, not slow once


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken: the limit's name, and when, by the generator's clock."""

    limit: str
    at_us: int
    say: Say


def table(measured: Measured, delivery: Delivery) -> tuple[Promised, ...]:
    """Promised against proved. What was not measured holds neither nor fails."""
    targets = measured.plan.targets
    lag_ms = max((look.lag_ms for look in measured.looks), default=0)
    rows = [
        _viewers(measured),
        _orders(measured),
        _within("order_p99_ms", targets.order_p99_ms, measured.orders),
        _within("delivery_p99_ms", targets.delivery_p99_ms, measured.pushes),
        _within("connect_p99_ms", targets.connect_p99_ms, measured.connects),
        Promised(
            "ledger_lag_s",
            targets.ledger_lag_s,
            lag_ms / 1_000,
            "s",
            lag_ms <= targets.ledger_lag_s * 1_000 if measured.looks else None,
        ),
        _errors(measured),
        _delivered(delivery),
    ]
    if any(each.op == "pay" for each in measured.evidence.attempts):
        lost = len(_paid_in_vain(measured))
        rows.append(Promised("payments_refused", 0, lost, "", not lost))
    if measured.drills:
        rows.append(_recovery(measured))
    return tuple(rows)


def breaches(measured: Measured, rows: Sequence[Promised]) -> list[Breach]:
    """Every promise of the table that does not hold, in the order in which they were broken."""
    found = [_FINDERS[row.what](measured, row) for row in rows if row.holds is False]
    gone = unreachable(measured)
    if gone is not None:
        found.append(gone)
    return sorted(found, key=lambda breach: breach.at_us)


def unreachable(measured: Measured) -> Breach | None:
    """Whether the server did not answer for a while, without a drill."""
    silent: list[Second] = []
    for look in measured.looks:
        silent = [*silent, look] if look.unreachable else []
        if len(silent) >= UNREACHABLE_LOOKS:
            after_s = (silent[0].at_us - measured.evidence.t0_us) / 1_000_000
            say = Say("limit.unreachable", {"at_s": round(after_s, 1), "looks": len(silent)})
            return Breach("unreachable", silent[0].at_us, say)
    return None


def pressed(measured: Measured) -> set[str]:
    """Buyers who pressed the button in the rush."""
    t0_us, rush_s = measured.evidence.t0_us, measured.plan.promise.rush_s
    until_us = t0_us + round((rush_s + RUSH_ENDS_S) * 1_000_000)
    return {
        each.user
        for each in measured.evidence.attempts
        if each.op == "place" and t0_us <= each.intended_us <= until_us
    }


# the rows


def _viewers(measured: Measured) -> Promised:
    """How many stayed through the spike: who came before and fell away in it was not held."""
    promised = measured.plan.promise.viewers
    counts = sorted(viewers for _, viewers in watching(measured))
    stayed = percentile(counts, VIEWERS_STAY_SHARE) if counts else 0
    holds = stayed >= promised * VIEWERS_SHARE_MIN if counts else None
    return Promised("viewers", promised, stayed, "", holds, at_most=False)


def _orders(measured: Measured) -> Promised:
    """Of those who pressed, nearly all are answered in time; how many press is not the server's.

    Not judged when a drill was felt in the rush.
    """
    plan, t0_us = measured.plan, measured.evidence.t0_us
    rush_ends = t0_us + _answered_within_us(plan)
    drilled = any(
        begins < rush_ends and ends > t0_us for begins, ends in measured.windows(FELT_BY_REQUESTS)
    )
    asked, answered = len(pressed(measured)), len(_answered(measured))
    holds = None if drilled or not asked else answered >= asked * ORDERS_SHARE_MIN
    rush_s = plan.promise.rush_s
    promised = plan.buyer_count / rush_s
    return Promised("orders_per_s", promised, answered / rush_s, "1/s", holds, at_most=False)


def _delivered(delivery: Delivery) -> Promised:
    wrong = delivery.gaps + delivery.repeats + delivery.disorder
    is_known = delivery.witnesses > 0 and (delivery.events > 0 or wrong > 0)
    return Promised("delivery_gaps", 0, wrong, "", not wrong if is_known else None)


def _within(what: str, target_ms: int, samples: Sequence[Sample]) -> Promised:
    found: Quantiles = quantiles(each.took_us for each in samples)
    holds = found.p99 <= target_ms if found.count else None
    return Promised(what, target_ms, found.p99, "ms", holds)


def _errors(measured: Measured) -> Promised:
    requests = measured.requests
    failed = sum(is_error(each.outcome) for each in requests)
    percent = 100 * failed / len(requests) if requests else 0.0
    target = measured.plan.targets.errors_percent
    return Promised("errors_percent", target, percent, "%", percent <= target if requests else None)


def _recovery(measured: Measured) -> Promised:
    """The worst drill. One that never recovered is told as -1 and does not hold."""
    worst = max(drill.recovered_after_s for drill in measured.drills)
    never = min(drill.recovered_after_s for drill in measured.drills) < 0
    target = measured.plan.targets.recover_s
    return Promised("recover_s", target, -1.0 if never else worst, "s", not never)


def _answered(measured: Measured) -> set[str]:
    """Those who pressed in the rush and were answered within the target, each once.

    Being told to come back more slowly is an answer for bots only.
    """
    until_us = measured.evidence.t0_us + _answered_within_us(measured.plan)
    in_time = {
        each.user
        for each in measured.evidence.attempts
        if each.op == "place"
        and each.intended_us >= measured.evidence.t0_us
        and (each.outcome in DECISIONS or (each.kind == BOTS and not is_error(each.outcome)))
        and 0 < each.done_us <= until_us
    }
    return in_time & pressed(measured)


def _paid_in_vain(measured: Measured) -> list[Attempt]:
    """Payments that were sent while the unit was held, and refused: they lay too long.

    By the deadline that the ledger has; without one, nothing is said.
    """
    evidence = measured.evidence
    windows = measured.windows(FELT_BY_REQUESTS)
    expires_ms = {row.id: row.expires_ms for row in evidence.orders or ()}
    skew_us = round(evidence.brief.clock_skew_ms * 1_000) if evidence.brief else 0
    found = []
    for each in evidence.attempts:
        if each.op != "pay" or each.outcome != TOO_LATE:
            continue
        deadline_ms = expires_ms.get(each.order)
        if deadline_ms is None or each.sent_us + skew_us >= deadline_ms * 1_000 - CLOCKS_US:
            continue
        if not any(begins <= each.done_us and each.sent_us <= ends for begins, ends in windows):
            found.append(each)
    return found


def _answered_within_us(plan: Plan) -> int:
    """By when, after T0, who pressed last in the rush has an answer."""
    return round((plan.promise.rush_s * 1_000 + plan.targets.order_p99_ms) * 1_000)


# when they broke


def _slow(limit: str, samples: Sequence[Sample], row: Promised) -> Breach:
    """From the first second whose own p99 is beyond the target: its first late answer was due."""
    target_us = round(row.promised * 1_000)
    for _, of_second in _seconds(samples):
        if percentile(sorted(each.took_us for each in of_second), 0.99) > target_us:
            first = min(each.intended_us for each in of_second if each.took_us > target_us)
            return Breach(limit, first + target_us, _say(limit, row))
    raise AssertionError("a p99 beyond the target has a second that is")


def _failing(measured: Measured, row: Promised) -> Breach:
    """From the first second with more failures than may be; what failed most is named."""
    counts: dict[str, int] = defaultdict(int)
    first_us: int | None = None
    for _, of_second in _seconds(measured.requests):
        failed = [each for each in of_second if is_error(each.outcome)]
        for each in failed:
            counts[f"{each.name}: {each.outcome}"] += 1
        if first_us is None and 100 * len(failed) / len(of_second) > row.promised:
            first_us = min(each.intended_us + each.took_us for each in failed)
    assert first_us is not None
    most = max(counts, key=lambda name: counts[name])
    return Breach("errors", first_us, _say("errors", row, most=most, count=sum(counts.values())))


def _slow_order(measured: Measured, row: Promised) -> Breach:
    return _slow("order_latency", measured.orders, row)


def _slow_delivery(measured: Measured, row: Promised) -> Breach:
    return _slow("delivery_latency", measured.pushes, row)


def _slow_connect(measured: Measured, row: Promised) -> Breach:
    return _slow("connect_latency", measured.connects, row)


def _lagging(measured: Measured, row: Promised) -> Breach:
    first = next(look for look in measured.looks if look.lag_ms > row.promised * 1_000)
    return Breach("ledger_lag", first.at_us, _say("ledger_lag", row))


def _viewers_missing(measured: Measured, row: Promised) -> Breach:
    """From the first one who was not let in, or the first look that missed somebody."""
    turned_away = [
        each.intended_us + each.took_us for each in measured.connects if is_error(each.outcome)
    ]
    least = row.promised * VIEWERS_SHARE_MIN
    missed = [at_us for at_us, viewers in watching(measured) if viewers < least]
    at_us = min([*turned_away, *missed], default=measured.evidence.t0_us)
    return Breach("viewers", at_us, _say("viewers", row))


def _orders_missing(measured: Measured, row: Promised) -> Breach:
    at_us = measured.evidence.t0_us + _answered_within_us(measured.plan)
    return Breach("orders", at_us, _say("orders", row))


def _not_recovering(measured: Measured, row: Promised) -> Breach:
    drill = next(each for each in measured.drills if each.recovered_after_s < 0)
    at_us = measured.evidence.t0_us + round((drill.ended_s + row.promised) * 1_000_000)
    return Breach("recovery", at_us, _say("recovery", row, drill=drill.kind))


def _not_delivered(measured: Measured, row: Promised) -> Breach:
    """Witnesses speak at the end; when it happened they do not say."""
    looks = measured.evidence.timeline
    at_us = looks[-1].at_us if looks else measured.evidence.t0_us
    return Breach("delivery_gaps", at_us, _say("delivery_gaps", row))


def _refused_payments(measured: Measured, row: Promised) -> Breach:
    first = min(each.done_us for each in _paid_in_vain(measured))
    return Breach("payments", first, _say("payments", row))


_FINDERS: Final[dict[str, Callable[[Measured, Promised], Breach]]] = {
    "viewers": _viewers_missing,
    "orders_per_s": _orders_missing,
    "order_p99_ms": _slow_order,
    "delivery_p99_ms": _slow_delivery,
    "connect_p99_ms": _slow_connect,
    "ledger_lag_s": _lagging,
    "errors_percent": _failing,
    "delivery_gaps": _not_delivered,
    "payments_refused": _refused_payments,
    "recover_s": _not_recovering,
}


def _say(limit: str, row: Promised, **values: object) -> Say:
    return Say(
        f"limit.{limit}",
        {"promised": round(row.promised, 3), "proved": round(row.proved, 3), **values},
    )


def _seconds(samples: Iterable[Sample]) -> list[tuple[int, list[Sample]]]:
    """By the second of the intended instant, in order."""
    found: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.intended_us // 1_000_000].append(sample)
    return sorted(found.items())
