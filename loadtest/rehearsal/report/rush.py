"""How much it holds, and what the rush was like: capacity, the spike, latencies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from loadtest.rehearsal.findings import Findings, Quantiles, Spike, SpikeSecond
from loadtest.rehearsal.outcomes import BY_THE_RULES, DECISIONS, RESERVED, is_error
from loadtest.rehearsal.records import OK, UNKNOWN, Step
from loadtest.rehearsal.report import plots
from loadtest.rehearsal.report.blocks import (
    Block,
    Cell,
    Fact,
    Facts,
    Figure,
    Figures,
    Heading,
    Note,
    Section,
    Table,
)
from loadtest.rehearsal.report.tongue import DASH, Tongue

BEFORE_S_MAX: Final = 5  # seconds before T0 in the picture
SECONDS_MAX: Final = 60  # in the picture; the table has all up to its own bound
ROWS_MAX: Final = 300
# From below. What is none of these is a failure.
KINDS: Final = (
    *("reserved", "queued", "sold_out", "limit_reached", "not_started", "paused", "ended"),
    *("refused", "unknown", "failed"),
)
# The colour's class, and what is shown.
_WAITS: Final = (
    ("c-reserved", "winners_p99"),
    ("c-reserved soft", "winners_p50"),
    ("c-losers", "losers_p99"),
    ("c-losers soft", "losers_p50"),
)
_BROKEN: Final = re.compile(r"(\w+): ([\d.e+-]+)( \S+)?, promised ([\d.e+-]+)( \S+)?")


def kind_of(outcome: str) -> str:
    """What an outcome is counted as."""
    if outcome in DECISIONS:
        return outcome
    if outcome == UNKNOWN:
        return UNKNOWN
    if outcome == OK or outcome in BY_THE_RULES or not is_error(outcome):
        return "refused"
    return "failed"


def by_kind(outcomes: Mapping[str, int]) -> dict[str, int]:
    """Of those that happened, in the order of the picture."""
    found = dict.fromkeys(KINDS, 0)
    for outcome, count in outcomes.items():
        found[kind_of(outcome)] += count
    return {kind: count for kind, count in found.items() if count}


# capacity


def capacity(findings: Findings, tongue: Tongue) -> Section:
    steps = findings.capacity
    if not steps:
        blocks: list[Block] = [Note(tongue.text("capacity_none"))]
    else:
        blocks = [*_knee(findings, tongue), _curves(findings, tongue), _steps(findings, tongue)]
    lead = tongue.text("capacity_lead") if steps else ""
    return Section("capacity", tongue.text("capacity"), lead, blocks)


def _knee(findings: Findings, tongue: Tongue) -> list[Block]:
    steps, knee = findings.capacity, findings.knee
    found: list[Block] = []
    if 0 <= knee < len(steps):
        step = steps[knee]
        text = tongue.text(
            "capacity_knee",
            factor=tongue.number(step.factor),
            viewers=tongue.number(step.viewers),
            orders=tongue.number(step.answered_per_s),
        )
        found.append(Note(text, "good"))
    else:
        found.append(Note(tongue.text("capacity_no_knee"), "bad"))
    if knee + 1 < len(steps):
        why = tongue.listed(_result(steps[knee + 1], tongue))
        found.append(Note(tongue.text("capacity_first", broken=why), "unsure"))
    else:
        found.append(Note(tongue.text("capacity_open")))
    return found


def _curves(findings: Findings, tongue: Tongue) -> Figures:
    steps, knee = findings.capacity, findings.knee
    marks = []
    if 0 <= knee < len(steps):
        marks.append(plots.Mark(steps[knee].factor, tongue.text("knee_mark"), "mark knee"))
    made = []
    for name, lines in (
        (
            "capacity_orders",
            [
                ("c-asked", "asked", [(s.factor, s.orders_per_s) for s in steps]),
                ("c-1", "answered", [(s.factor, s.answered_per_s) for s in steps]),
            ],
        ),
        (
            "capacity_latency",
            [
                ("c-1", "order_p99", [(s.factor, s.order_p99_ms) for s in steps]),
                ("c-2", "delivery_p99", [(s.factor, s.delivery_p99_ms) for s in steps]),
            ],
        ),
    ):
        figure = f"{tongue.language}-{name}"
        series = [plots.Line(css, points) for css, _, points in lines]
        made.append(
            Figure(
                figure,
                tongue.text(name),
                tongue.text("across_factor"),
                plots.lines(f"{figure}-name", series, marks=marks, dots=True),
                [(css, tongue.text(key)) for css, key, _ in lines],
            )
        )
    return Figures(made)


def _steps(findings: Findings, tongue: Tongue) -> Table:
    names = (
        *("factor", "viewers", "asked", "answered", "order_p99", "delivered", "delivery_p99"),
        *("ledger_ms", "busiest", "result"),
    )
    rows: list[list[Cell | str]] = []
    for step in findings.capacity:
        broken = _result(step, tongue)
        busiest = max(step.processes, key=lambda one: one.cpu_share, default=None)
        figures = (
            *(step.factor, step.viewers, step.orders_per_s, step.answered_per_s),
            *(step.order_p99_ms, step.delivered_per_s, step.delivery_p99_ms, step.lag_ms),
        )
        busy = (
            f"{tongue.process(busiest.name)} {tongue.share(busiest.cpu_share)}" if busiest else DASH
        )
        result = Cell(tongue.listed(broken), "bad") if broken else Cell(
            tongue.text("step_holds"), "good")  # fmt: skip
        times, *others = (tongue.number(figure) for figure in figures)
        rows.append([f"{times} ×", *others, busy, result])
    heads = [tongue.text(f"head_{name}") for name in names]
    return Table(tongue.text("capacity"), heads, rows, words=frozenset({8, 9}), stacked=True)


def _result(step: Step, tongue: Tongue) -> list[str]:
    """What broke in a step, in words; nothing if it held."""
    return [_broken(text, tongue) for text in (*step.void, *step.broken)]


def _broken(text: str, tongue: Tongue) -> str:
    """`order_latency: 812 ms, promised 500 ms`; anything else as it is."""
    found = _BROKEN.fullmatch(text)
    if found is None:
        return text
    name, proved, unit, promised, _ = found.groups()
    unit = (unit or "").strip()
    bound = tongue.text("promised_level", value=tongue.number(float(promised), unit))
    return f"{tongue.name('limit', name)} {tongue.number(float(proved), unit)} ({bound})"


# the spike


def spike(findings: Findings, tongue: Tongue) -> Section:
    found = findings.spike
    if not found.seconds:
        blocks: list[Block] = [Note(tongue.text("spike_none"))]
    else:
        blocks = [_moments(found, tongue)]
        if found.outcomes.get(RESERVED, 0) > _units(findings) > 0:
            blocks.append(Note(tongue.text("spike_again")))
        shown = _shown(found)
        if len(shown) < len(found.seconds):
            text = tongue.text("spike_cut", first=shown[0].second, last=shown[-1].second)
            blocks.append(Note(text))
        blocks.append(Figures([_outcomes(found, shown, tongue), _waits(found, shown, tongue)]))
        blocks += _who_waited(found, tongue)
    return Section("spike", tongue.text("spike"), tongue.text("spike_lead"), blocks)


def _units(findings: Findings) -> int:
    """That the plan sells; 0 if it does not say."""
    items = findings.plan.get("items")
    listed = items if isinstance(items, list | tuple) else ()
    return sum(item["stock"] for item in listed)


def _moments(spike: Spike, tongue: Tongue) -> Facts:
    def after(value: float | None, otherwise: str) -> str:
        if value is None:
            return tongue.text(otherwise)
        return tongue.number(value / 1_000, "s")

    attempts = sum(second.attempts for second in spike.seconds)
    silence = tongue.number(spike.longest_silence_ms, "ms")
    return Facts(
        [
            Fact(tongue.text("attempts"), tongue.number(attempts)),
            Fact(tongue.text("first_sold"), after(spike.first_sold_ms, "nothing_sold")),
            Fact(tongue.text("sold_out"), after(spike.sold_out_ms, "not_sold_out")),
            Fact(tongue.text("silence"), silence),
            *(
                Fact(tongue.name("outcome", kind), tongue.number(count), f"swatch c-{kind}")
                for kind, count in by_kind(spike.outcomes).items()
            ),
        ],
        css="big",
    )


def _shown(spike: Spike) -> list[SpikeSecond]:
    """The seconds of the pictures."""
    later = [second for second in spike.seconds if second.second >= -BEFORE_S_MAX]
    return (later or list(spike.seconds))[:SECONDS_MAX]


def _marks(spike: Spike, tongue: Tongue, shift: float = 0.0) -> list[plots.Mark]:
    """`shift`: where in its place a second begins."""
    found = [plots.Mark(shift, tongue.text("t0_mark"), "mark start", is_left=True)]
    for value, key in (
        (spike.first_sold_ms, "first_sold_mark"),
        (spike.sold_out_ms, "sold_out_mark"),
    ):
        if value is not None:
            text = tongue.text(key, seconds=tongue.number(value / 1_000))
            found.append(plots.Mark(value / 1_000 + shift, text))
    return found


def _outcomes(spike: Spike, shown: list[SpikeSecond], tongue: Tongue) -> Figure:
    kinds = [
        kind
        for kind in KINDS
        if any(kind_of(outcome) == kind for second in shown for outcome in second.outcomes)
    ]
    bars = []
    for second in shown:
        counted = by_kind(second.outcomes)
        parts = {f"c-{kind}": float(counted.get(kind, 0)) for kind in kinds}
        bars.append(plots.Bar(second.second, parts))
    figure = f"{tongue.language}-spike-outcomes"
    heads = [tongue.text("head_second"), *(tongue.name("outcome", kind) for kind in kinds)]
    rows = [
        [str(second.second), *(tongue.number(by_kind(second.outcomes).get(kind, 0))
                               for kind in kinds)]
        for second in spike.seconds[:ROWS_MAX]
    ]  # fmt: skip
    return Figure(
        figure,
        tongue.text("spike_outcomes"),
        tongue.text("seconds_from_t0"),
        plots.stacked(f"{figure}-name", bars, marks=_marks(spike, tongue, -0.5)),
        [(f"c-{kind}", tongue.name("outcome", kind)) for kind in kinds],
        Table(tongue.text("spike_outcomes"), heads, rows),
    )


def _waits(spike: Spike, shown: list[SpikeSecond], tongue: Tongue) -> Figure:
    series = [
        plots.Line(css, [(one.second, _wait(one, key)) for one in shown]) for css, key in _WAITS
    ]
    figure = f"{tongue.language}-spike-latency"
    rows = [
        [str(one.second), *(tongue.number(_wait(one, key)) for _, key in _WAITS)]
        for one in spike.seconds[:ROWS_MAX]
    ]
    heads = [tongue.text("head_second"), *(tongue.text(key) for _, key in _WAITS)]
    return Figure(
        figure,
        tongue.text("spike_latency"),
        tongue.text("seconds_from_t0"),
        plots.lines(f"{figure}-name", series, marks=_marks(spike, tongue)[:1], dots=True),
        [(css, tongue.text(key)) for css, key in _WAITS],
        Table(tongue.text("spike_latency"), heads, rows),
    )


def _wait(second: SpikeSecond, key: str) -> float | None:
    """Of `winners_p99` and the like; None if there was nobody."""
    who, _, share = key.partition("_")
    of = second.winners if who == "winners" else second.losers
    return (of.p99 if share == "p99" else of.p50) if of.count else None


def _who_waited(spike: Spike, tongue: Tongue) -> list[Block]:
    rows: list[tuple[str, Quantiles]] = [
        (tongue.text("winners"), spike.winners),
        (tongue.text("losers"), spike.losers),
    ]
    return [_quantiles(tongue.text("spike_latency"), "", rows, tongue)]


# latencies


def latency(findings: Findings, tongue: Tongue) -> Section:
    blocks: list[Block] = []
    if findings.latency:
        rows = []
        for name, of in findings.latency.items():
            kind, _, what = name.partition(" ")
            rows.append((f"{tongue.name('kind', kind)} {what}", of))
        name = tongue.text("latency")
        blocks.append(_quantiles(name, tongue.text("head_request"), rows, tongue))
    else:
        blocks.append(Note(tongue.text("nothing")))
    blocks.append(Heading(tongue.text("errors")))
    if findings.errors:
        heads = [tongue.text("head_error"), tongue.text("head_count")]
        failed = [[name, tongue.number(count)] for name, count in findings.errors.items()]
        blocks.append(Table(tongue.text("errors"), heads, failed[:ROWS_MAX]))
    else:
        blocks.append(Note(tongue.text("errors_none"), "good"))
    return Section("latency", tongue.text("latency"), tongue.text("latency_lead"), blocks)


def _quantiles(name: str, head: str, rows: list[tuple[str, Quantiles]], tongue: Tongue) -> Table:
    heads = [
        *(head, tongue.text("head_count"), "p50", "p90", "p99", "p99.9"),
        tongue.text("head_most"),
    ]
    return Table(name, heads, [[what, *tongue.quantiles(of)] for what, of in rows])
