"""GO, GO with limits, NO-GO or void, and why. Pure.

In this order:

1. An invariant is broken: NO-GO, whatever else. A lost order is a lost order, also when the
   generator was unwell or files are missing.
2. The server stopped answering and did not come back: NO-GO.
3. Files are missing or torn, or the run was cut short: void.
4. A promise was broken while every generator was well: NO-GO. The first limit is what broke first.
5. A generator was the bottleneck, in the spike or when a promise broke: void.
6. Fewer pressed the button than the plan says, or there is nothing by which a promise could be
   judged: void. (Where a drill took the time that would have shown it: GO with limits.)
7. All promises hold. With less than `HEADROOM` in hand, a server process at its limit, a drill
   that recovered late or was refused: GO with limits. Else GO.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.rehearsal.capacity import Busy, busiest, cores_of, knee, saturated
from loadtest.rehearsal.evidence import Evidence
from loadtest.rehearsal.findings import GeneratorHealth, Invariant, Promised, Say, Verdict
from loadtest.rehearsal.health_check import BEFORE_T0_S, sick_seconds
from loadtest.rehearsal.measured import Measured
from loadtest.rehearsal.people import People
from loadtest.rehearsal.targets import Breach, pressed

HEADROOM: Final = 0.25  # of a target that must be in hand for a GO
GENERATOR: Final = "generator"
UNREACHABLE: Final = "unreachable"
ASKED_SHARE_MIN: Final = 0.9  # of the plan's buyers that must have pressed in the rush
# A broken promise is the generator's doing if it was unwell for so many of the seconds around it.
SICK_SECONDS_MIN: Final = 2
SICK_BEFORE_S: Final = 5.0
SICK_AFTER_S: Final = 2.0
DONE_PHASES: Final = frozenset(("settle", "referee", "collect", "done"))
LOST_SHARE_MAX: Final = 0.02  # of all people may lose their connection once, without a drill
FULL_SHARE: Final = 0.9  # of all cores together: no process could have had more
# Rows of which less is better, and whose unused part is headroom.
_WITH_HEADROOM: Final = (
    *("order_p99_ms", "delivery_p99_ms", "connect_p99_ms", "ledger_lag_s", "errors_percent"),
)
_TIGHT_LIMITS: Final[Mapping[str, str]] = {
    "order_p99_ms": "order_latency",
    "delivery_p99_ms": "delivery_latency",
    "connect_p99_ms": "connect_latency",
    "ledger_lag_s": "ledger_lag",
    "errors_percent": "errors",
}


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict with its reasons, the first limit first."""

    verdict: Verdict
    reasons: tuple[Say, ...] = ()
    first_limit: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a ruling is made of."""

    evidence: Evidence
    measured: Measured | None  # None without a plan
    invariants: Sequence[Invariant]
    generators: Sequence[GeneratorHealth]
    rows: Sequence[Promised]
    breaches: Sequence[Breach]  # in the order in which they happened


def rule(facts: Facts) -> Ruling:
    """Decide. See the module for the order."""
    broken = [each for each in facts.invariants if not each.holds]
    breaches = [*facts.breaches, *_unsettled(facts.evidence)]
    faults = [fault for each in facts.generators for fault in each.faults]
    if broken:
        reasons = [_broken(each) for each in broken]
        reasons += [breach.say for breach in breaches] + faults + list(facts.evidence.gaps)
        return Ruling(Verdict.NO_GO, tuple(reasons), broken[0].name)
    if _is_gone(facts):  # all that failed around then failed because of it
        return _no_go(facts, sorted(breaches, key=lambda breach: breach.limit != UNREACHABLE))
    void = [*_told_to_stop(facts.evidence), *facts.evidence.gaps, *_ended_early(facts.evidence)]
    if void:
        return Ruling(Verdict.VOID, (*void, *faults), GENERATOR if faults else "")
    sick = sick_seconds(pulse for all_ in facts.evidence.pulses.values() for pulse in all_)
    sound = [breach for breach in breaches if not _is_doubtful(breach, sick)]
    if sound and (not faults or sound[0].at_us < _fault_began(facts, sick)):
        return _no_go(facts, sound, faults)
    if faults or breaches:
        doubts = [Say("void.doubtful", {"why": breach.say}) for breach in breaches[:1]]
        shared = _same_machine(facts.evidence)
        return Ruling(Verdict.VOID, (*faults, *doubts, *shared), GENERATOR)
    unproved = [*_asked_less(facts), *_unmeasured(facts)]
    if unproved:
        return Ruling(Verdict.VOID, tuple(unproved), GENERATOR)
    return _held(facts)


def _no_go(facts: Facts, breaches: Sequence[Breach], faults: Sequence[Say] = ()) -> Ruling:
    first = breaches[0]
    reasons = [first.say, *_at_its_limit(facts.evidence, first.at_us)]
    reasons += [breach.say for breach in breaches[1:]]
    return Ruling(Verdict.NO_GO, (*reasons, *faults, *facts.evidence.gaps), first.limit)


def _held(facts: Facts) -> Ruling:
    """Everything was right; how much was in hand?"""
    tight = [*_tight_rows(facts.rows), *_tight_processes(facts), *_tight_capacity(facts.evidence)]
    reasons = [say for _, say in tight] + _drills(facts) + _lost_to_drills(facts)
    reasons += _lost_lines(facts)
    if not reasons:
        return Ruling(Verdict.GO)
    first = tight[0][0] if tight else "recovery" if _drills(facts) else ""
    return Ruling(Verdict.GO_WITH_LIMITS, tuple(reasons), first)


# 1 to 3


def _broken(invariant: Invariant) -> Say:
    example = invariant.examples[0] if invariant.examples else ""
    values = {"count": invariant.broken, "checked": invariant.checked, "example": example}
    return Say(f"broken.{invariant.name}", values)


def _is_gone(facts: Facts) -> bool:
    """Whether the server did not answer any more at the end."""
    looks = facts.evidence.timeline
    is_silent = bool(looks) and looks[-1].unreachable
    return is_silent and any(breach.limit == UNREACHABLE for breach in facts.breaches)


def _told_to_stop(evidence: Evidence) -> list[Say]:
    """Why the director gave up: then files are missing because of it."""
    why = evidence.environment.get("cut_short")
    return [Say("void.cut_short", {"why": str(why)})] if why else []


def _ended_early(evidence: Evidence) -> list[Say]:
    if _told_to_stop(evidence):
        return []
    if not evidence.t0_us:
        return [Say("void.never_began")]
    phases = [look.phase for look in evidence.timeline]
    if DONE_PHASES.isdisjoint(phases):
        return [Say("void.cut_short", {"why": phases[-1] if phases else "-"})]
    return []


def _unsettled(evidence: Evidence) -> list[Breach]:
    """The books could not be closed: the ledger did not catch up, or the store was gone."""
    books = evidence.books
    if books is None or (books.get("agree") is not None and books.get("lag") == 0):
        return []
    at_us = evidence.timeline[-1].at_us if evidence.timeline else evidence.t0_us
    if books.get("redis") is None:
        return [Breach("redis", at_us, Say("limit.redis", {"why": str(books.get("why", ""))}))]
    lag = books.get("lag") or 0
    values = {"lag": lag, "why": str(books.get("why", ""))}
    return [Breach("ledger_lag", at_us, Say("limit.unsettled", values))]


# 4 and 5


def _is_doubtful(breach: Breach, sick: Sequence[int]) -> bool:
    begins = breach.at_us - round(SICK_BEFORE_S * 1e6)
    ends = breach.at_us + round(SICK_AFTER_S * 1e6)
    return sum(begins <= at_us <= ends for at_us in sick) >= SICK_SECONDS_MIN


def _fault_began(facts: Facts, sick: Sequence[int]) -> int:
    """When the generator's faults began. Those that no second shows count from before T0."""
    begins = facts.evidence.t0_us - round(BEFORE_T0_S * 1e6)
    shown = {"void.generator_cpu", "void.generator_lag"}
    if any(fault.key not in shown for each in facts.generators for fault in each.faults):
        return begins
    return next((at_us for at_us in sick if at_us >= begins), begins)


def _at_its_limit(evidence: Evidence, at_us: int) -> list[Say]:
    """What could do no more when it broke: a process, or the whole machine."""
    busy = busiest(evidence.timeline, at_us)
    if busy is not None:
        return [_busy("evidence.process", busy)]
    cores = cores_of(evidence.environment)
    if not cores or not _is_shared(evidence):
        return []
    second = range(at_us - 1_000_000, at_us + 1_000_000)
    server = max(
        (sum(one.cpu_share for one in look.processes) for look in evidence.timeline
         if look.at_us in second),
        default=0.0,
    )  # fmt: skip
    generator = sum(
        max((pulse.cpu_share for pulse in pulses if pulse.at_us in second), default=0.0)
        for pulses in evidence.pulses.values()
    )
    if server + generator < FULL_SHARE * cores:
        return []
    values = {"cores": cores, "server": round(server, 2), "generator": round(generator, 2)}
    return [Say("evidence.machine", values)]


def _is_shared(evidence: Evidence) -> bool:
    """Whether the generator took its CPU time from the server's machine."""
    return bool(evidence.environment.get("same_machine"))


def _same_machine(evidence: Evidence) -> list[Say]:
    if not _is_shared(evidence):
        return []
    return [Say("note.same_machine", {"cores": cores_of(evidence.environment)})]


# 6 and 7


def _asked_less(facts: Facts) -> list[Say]:
    if facts.measured is None:
        return []
    asked, promised = len(pressed(facts.measured)), facts.measured.plan.buyer_count
    if asked >= promised * ASKED_SHARE_MIN:
        return []
    return [Say("void.asked_less", {"asked": asked, "promised": promised})]


def _unmeasured(facts: Facts) -> list[Say]:
    """Promises of which nothing is known, though no drill took the time."""
    if facts.measured is None or facts.measured.drills:
        return []
    return [Say("void.not_measured", {"what": what}) for what in _unknown(facts)]


def _lost_to_drills(facts: Facts) -> list[Say]:
    if facts.measured is None or not facts.measured.drills:
        return []
    return [Say("tight.not_measured", {"what": what}) for what in _unknown(facts)]


def _lost_lines(facts: Facts) -> list[Say]:
    """People who were thrown out and came back: no target shows it."""
    if facts.measured is None:
        return []
    people = People.of(facts.measured.plan).all
    count = facts.measured.lost_lines
    if count <= people * LOST_SHARE_MAX:
        return []
    return [Say("tight.lost_lines", {"count": count, "people": people})]


def _unknown(facts: Facts) -> list[Say]:
    """That a rush with a drill in it is not judged by its answers is meant."""
    meant = facts.measured is not None and facts.measured.drills and "orders_per_s"
    unknown = [row.what for row in facts.rows if row.holds is None and row.what != meant]
    return [Say(f"promise.{what}") for what in unknown]


def _tight_rows(rows: Iterable[Promised]) -> list[tuple[str, Say]]:
    """Targets with little in hand, the tightest first."""
    found = []
    for row in rows:
        used = used_share(row)
        if used is not None and used > 1 - HEADROOM:
            values = {
                "promised": round(row.promised, 3),
                "proved": round(row.proved, 3),
                "percent": round((1 - used) * 100),
            }
            found.append((used, _TIGHT_LIMITS[row.what], Say(f"tight.{row.what}", values)))
    return [(limit, say) for _, limit, say in sorted(found, key=lambda each: -each[0])]


def used_share(row: Promised) -> float | None:
    """How much of a target was used; None where it has no headroom to speak of."""
    if row.what not in _WITH_HEADROOM or row.holds is not True or row.promised <= 0:
        return None
    return row.proved / row.promised


def _tight_processes(facts: Facts) -> list[tuple[str, Say]]:
    evidence, plan = facts.evidence, facts.evidence.plan
    spike_s = plan.phases.spike_s if plan else 0
    busy = saturated(evidence.timeline, evidence.t0_us, evidence.t0_us + spike_s * 1_000_000)
    return [] if busy is None else [(busy.limit, _busy("tight.process", busy))]


def _busy(key: str, busy: Busy) -> Say:
    return Say(key, {"process": busy.name, "percent": round(busy.cpu_share * 100)})


def _tight_capacity(evidence: Evidence) -> list[tuple[str, Say]]:
    """The finder broke it with little more than the plan."""
    steps, last = evidence.steps, knee(evidence.steps)
    if last + 1 >= len(steps) or not steps[last + 1].broken:
        return []
    factor = steps[last].factor if last >= 0 else 1.0
    if factor >= 1 + HEADROOM:
        return []
    name = steps[last + 1].broken[0].partition(":")[0].split(" ")[0]
    values = {"factor": round(factor, 2), "broke_at": round(steps[last + 1].factor, 2)}
    return [(name, Say("tight.capacity", values))]


def _drills(facts: Facts) -> list[Say]:
    """Those that recovered later than promised, and those that were not done."""
    found = []
    for drill in facts.evidence.drills:
        name = Say(f"drill.{drill.kind}")
        if drill.refused:
            found.append(Say("tight.drill_refused", {"drill": name, "why": drill.refused}))
        elif facts.evidence.plan is not None:
            promised = facts.evidence.plan.targets.recover_s
            if drill.recovered_after_s > promised:
                seconds = round(drill.recovered_after_s, 1)
                values = {"drill": name, "seconds": seconds, "promised": promised}
                found.append(Say("tight.drill_late", values))
    return found
