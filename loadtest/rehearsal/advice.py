"""Settings for the big day, from what was proved. Pure.

Only what was measured speaks: where a rehearsal says nothing of a setting, there is no advice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from loadtest.rehearsal.capacity import cores_of, knee, names_of, usual_share
from loadtest.rehearsal.findings import Advice, Promised, Say
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.spike import most_decided_in_a_second

ADMITTED_SHARE: Final = 0.8  # of what was proved: the rest is for what a rehearsal does not know
BUSY_SHARE: Final = 0.7  # of one core that a worker should use at its busiest
ORDERS_WAITING_MIN: Final = 100
HOLD_FACTOR: Final = 3  # a hold lasts so many times the longest that a payment took
HOLD_S_MIN: Final = 60


def given(case: Case, plan: Plan, rows: Sequence[Promised]) -> tuple[Advice, ...]:
    """The advice of a run that proved something."""
    held = {row.what: row.holds for row in rows}
    proved = proved_per_s(case)
    found = [
        *_admission(proved, plan),
        *_workers(case, plan),
        *_hold(case, plan),
        *_chat(plan, held.get("delivery_p99_ms"), _chat_budget(case)),
    ]
    return tuple(found)


def proved_per_s(case: Case) -> float:
    """Orders a second: of the finder's last step that held, else the busiest second of the run."""
    steps = case.evidence.steps
    last = knee(steps)
    if last >= 0:
        return steps[last].answered_per_s
    return float(most_decided_in_a_second(case.evidence.attempts, case.evidence.t0_us))


def _admission(proved: float, plan: Plan) -> list[Advice]:
    """How many are let in, and how many of them may wait for an answer at once."""
    if proved <= 0:
        return []
    admitted = math.floor(proved * ADMITTED_SHARE) or 1
    waiting = max(ORDERS_WAITING_MIN, math.ceil(admitted * plan.targets.order_p99_ms / 1_000))
    values = {"proved": round(proved, 1), "percent": round(ADMITTED_SHARE * 100)}
    return [
        Advice("orders_per_s", str(admitted), Say("advice.admission", values)),
        Advice(
            "ONAIR_ORDERS_WAITING_MAX",
            str(waiting),
            Say("advice.waiting", {"admitted": admitted, "ms": plan.targets.order_p99_ms}),
        ),
    ]


def _workers(case: Case, plan: Plan) -> list[Advice]:
    evidence = case.evidence
    begins = evidence.t0_us
    ends = begins + plan.phases.spike_s * 1_000_000
    found = []
    for setting, part in (("ONAIR_WORKERS", "web worker"), ("ONAIR_LEDGER_WORKERS", "ledger")):
        share = usual_share(evidence.timeline, part, begins, ends)
        now = len(names_of(evidence.timeline, part))
        if not now:
            continue
        wanted = max(1, math.ceil(share / BUSY_SHARE))
        key = "advice.workers_more" if wanted > now else "advice.workers_enough"
        values = {
            "percent": round(share * 100),
            "now": now,
            "cores": cores_of(evidence.environment),
            "busy": round(BUSY_SHARE * 100),
        }
        found.append(Advice(setting, str(max(wanted, now)), Say(key, values)))
    return found


def _hold(case: Case, plan: Plan) -> list[Advice]:
    """From the longest time between being told of an order and having paid it, late ones apart."""
    took_us = []
    for order, answers in case.told.items():
        told_us = min(each.done_us for each in answers)
        paid = [each for each in case.pays.get(order, ()) if each.outcome == "ok"]
        took_us += [each.done_us - told_us for each in paid if each.kind != "late"]
    if not took_us:
        return []
    longest_s = max(took_us) / 1_000_000
    hold_s = max(HOLD_S_MIN, math.ceil(longest_s * HOLD_FACTOR))
    values = {"longest_s": round(longest_s, 1), "rehearsed_s": plan.phases.hold_s}
    return [Advice("hold_seconds", str(hold_s), Say("advice.hold", values))]


def _chat(plan: Plan, delivered: bool | None, budget: float) -> list[Advice]:
    """What was delivered in time may stand, what was not is cut.

    Nothing is said of a budget that is larger than what was delivered: it was not tried.
    """
    per_s = plan.promise.comments_per_s
    if delivered is None or per_s <= 0 or (delivered and budget > per_s):
        return []
    kept = per_s if delivered else min(per_s, budget or per_s) * ADMITTED_SHARE
    key = "advice.chat_held" if delivered else "advice.chat_less"
    values = {"comments_per_s": round(per_s, 1), "viewers": plan.promise.viewers}
    return [Advice("ONAIR_CHAT_PER_S", str(max(1, math.ceil(kept))), Say(key, values))]


def _chat_budget(case: Case) -> float:
    """Comments a second that the server passes on in a room; 0 where nobody said it."""
    server = case.evidence.environment.get("server")
    limits = server.get("limits") if isinstance(server, Mapping) else None
    budget = limits.get("chat_per_s") if isinstance(limits, Mapping) else None
    return float(budget) if isinstance(budget, int | float) else 0.0
