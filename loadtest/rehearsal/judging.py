"""From the files of a rehearsal to what they prove: `judge(directory)`. Reads, and changes nothing.

`python -m loadtest.rehearsal.judging DIR [zh-CN|en]` prints the sentence and the reasons, and exits
with the verdict's code: 0, 1 or 2.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtest.rehearsal import advice, capacity, delivery, fairness, health_check, latency, spike
from loadtest.rehearsal.evidence import Evidence, read
from loadtest.rehearsal.findings import Advice, Findings, Promised, Say, Verdict
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.invariants import check_all
from loadtest.rehearsal.measured import Measured
from loadtest.rehearsal.plan import LANGUAGES, Plan
from loadtest.rehearsal.report.words import full
from loadtest.rehearsal.targets import breaches, table
from loadtest.rehearsal.verdict import Facts, Ruling, rule, used_share

DEFAULT_SPIKE_S: Final = 20  # where there is no plan to say it
DEFAULT_RUSH_S: Final = 3.0


def judge(directory: Path) -> Findings:
    """What a rehearsal found. Never raises for what lies in the directory, or does not."""
    evidence = read(directory)
    case, plan = Case(evidence), evidence.plan
    measured = None if plan is None else Measured(evidence, plan)
    samples = [each for of_one in evidence.samples.values() for each in of_one]
    heard = delivery.heard(
        evidence.testimonies.values(),
        (each for each in samples if each.kind == "push"),
        plan.generator.witnesses if plan else 0,
    )
    rows = table(measured, heard) if measured is not None and evidence.t0_us else ()
    facts = Facts(
        evidence=evidence,
        measured=measured,
        invariants=check_all(case),
        generators=health_check.check(
            evidence.pulses,
            evidence.samples,
            evidence.t0_us,
            plan.phases.spike_s if plan else DEFAULT_SPIKE_S,
            plan.targets.order_p99_ms if plan else 0.0,
        ),
        rows=rows,
        breaches=breaches(measured, rows) if measured is not None else (),
    )
    ruling = rule(facts)
    sentence = _sentence(ruling, facts, case)
    rush_s = plan.promise.rush_s if plan else DEFAULT_RUSH_S
    return Findings(
        run=evidence.brief.run if evidence.brief else directory.name,
        title=plan.title if plan else directory.name,
        seed=plan.seed if plan else 0,
        language=plan.language if plan else LANGUAGES[0],
        began_at_ms=_instant(evidence, "began_at_ms", 0),
        ended_at_ms=_instant(evidence, "ended_at_ms", -1),
        verdict=ruling.verdict,
        sentence=sentence,
        sentences={language: full(sentence, language) for language in LANGUAGES},
        reasons=ruling.reasons,
        first_limit=ruling.first_limit,
        plan=plan.to_json() if plan else {},
        promised=rows,
        environment=dict(evidence.environment),
        generators=tuple(facts.generators),
        timeline=evidence.timeline,
        capacity=evidence.steps,
        knee=capacity.knee(evidence.steps),
        spike=spike.around(evidence.attempts, evidence.t0_us, rush_s),
        invariants=tuple(facts.invariants),
        books=dict(evidence.books or {}),
        delivery=heard,
        fairness=fairness.among(evidence.attempts, evidence.t0_us),
        latency=latency.by_name(samples),
        errors=latency.errors(samples),
        drills=evidence.drills,
        referee=evidence.referee,
        advice=_advice(ruling, case, plan, rows),
    )


def main(arguments: Sequence[str]) -> int:
    """Print what a directory proves; returns the exit code."""
    if not 1 <= len(arguments) <= 2 or arguments[-1].startswith("-"):
        print("usage: python -m loadtest.rehearsal.judging DIR [zh-CN|en]", file=sys.stderr)
        return 2
    findings = judge(Path(arguments[0]))
    language = arguments[1] if len(arguments) == 2 else "en"
    print(full(findings.sentence, language))
    for reason in findings.reasons:
        print(f"- {full(reason, language)}")
    return findings.verdict.exit_code


def _sentence(ruling: Ruling, facts: Facts, case: Case) -> Say:
    """The verdict in one sentence."""
    if ruling.verdict in (Verdict.NO_GO, Verdict.VOID):
        return Say(ruling.verdict.value, {"why": ruling.reasons[0]})
    proved = {row.what: row.proved for row in facts.rows}
    values: dict[str, object] = {
        "viewers": round(proved.get("viewers", 0)),
        "orders_per_s": round(proved.get("orders_per_s", 0)),
    }
    if ruling.verdict is Verdict.GO_WITH_LIMITS:
        return Say("go_with_limits", {**values, "why": ruling.reasons[0]})
    steps = case.evidence.steps
    last = capacity.knee(steps)
    if last >= 0:
        return Say("go_searched", {**values, "factor": round(steps[last].factor, 2)})
    used = [share for row in facts.rows if (share := used_share(row)) is not None]
    return Say("go", {**values, "percent": int((1 - max(used, default=0)) * 100)})


def _advice(
    ruling: Ruling, case: Case, plan: Plan | None, rows: Sequence[Promised]
) -> tuple[Advice, ...]:
    """Nothing was proved by a void run."""
    if plan is None or ruling.verdict is Verdict.VOID:
        return ()
    return advice.given(case, plan, rows)


def _instant(evidence: Evidence, name: str, look: int) -> int:
    """As the director wrote it; else by the first or last look at the server; else 0."""
    value = evidence.environment.get(name)
    if isinstance(value, int):
        return value
    return evidence.timeline[look].at_us // 1_000 if evidence.timeline else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
