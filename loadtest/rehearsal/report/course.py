"""The run as it went, what follows from it, and how to do it again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from loadtest.rehearsal.findings import Findings, Verdict
from loadtest.rehearsal.report import plots
from loadtest.rehearsal.report.blocks import (
    Block,
    Cell,
    Code,
    Figure,
    Figures,
    Note,
    Section,
    Table,
)
from loadtest.rehearsal.report.compare import Compared, Comparison, Tolerance
from loadtest.rehearsal.report.looks import Look, looks, rush
from loadtest.rehearsal.report.tongue import DASH, Tongue

ROWS_MAX: Final = 200  # of the table; a longer run has a row for every few seconds
COLOURS: Final = 8
FIELDS_MAX: Final = 12  # of a changed plan that are named

Row = TypeVar("Row")


def timeline(findings: Findings, tongue: Tongue) -> Section:
    found = looks(findings)
    if not any(look.viewers is not None for look in found):
        blocks: list[Block] = [Note(tongue.text("timeline_none"), "unsure")]
        return Section("timeline", tongue.text("timeline"), "", blocks)
    blocks = []
    silent = sum(look.viewers is None for look in found)
    if silent:
        text = tongue.text("timeline_unreachable", count=tongue.number(silent))
        blocks.append(Note(text, "bad"))
    bands = _bands(findings, found)
    blocks.append(
        Figures(
            [
                _one("viewers", [(look.at_s, look.viewers) for look in found], bands, tongue),
                _one("orders", [(look.at_s, look.orders_per_s) for look in found], bands, tongue),
                _one("lag", [(look.at_s, look.lag_ms) for look in found], bands, tongue),
                _processes(found, bands, tongue),
            ]
        )
    )
    every = max(1, math.ceil(len(found) / ROWS_MAX))
    if every > 1:
        blocks.append(Note(tongue.text("table_thinned", every=every)))
    return Section("timeline", tongue.text("timeline"), tongue.text("timeline_lead"), blocks)


def _bands(findings: Findings, found: Sequence[Look]) -> list[plots.Band]:
    around = rush(found)
    bands = [plots.Band(*around)] if around else []
    return bands + [
        plots.Band(drill.began_s, drill.ended_s, "band drill")
        for drill in findings.drills
        if not drill.refused
    ]


def _one(
    name: str, points: Sequence[plots.Point], bands: Sequence[plots.Band], tongue: Tongue
) -> Figure:
    """A picture with one line."""
    caption = tongue.text(f"timeline_{name}")
    heads = [tongue.text("head_second"), caption]
    rows = [
        [tongue.number(round(x)), tongue.number(None if y is None else round(y, 1))]
        for x, y in _thinned(points)
    ]
    return _figure(
        name, [plots.Line("c-1", points)], bands, [], Table(caption, heads, rows), tongue
    )


def _processes(found: Sequence[Look], bands: Sequence[plots.Band], tongue: Tongue) -> Figure:
    """What each process used; the table has the same."""
    names = list(dict.fromkeys(one.name for look in found for one in look.processes))
    shares = [
        (look.at_s, {one.name: 100 * one.cpu_share for one in look.processes}) for look in found
    ]
    colours = [
        f"c-{place % COLOURS + 1}{' soft' if place >= COLOURS else ''}"
        for place in range(len(names))
    ]
    series = [
        plots.Line(css, [(at_s, of.get(name)) for at_s, of in shares])
        for name, css in zip(names, colours, strict=True)
    ]
    called = [tongue.process(name) for name in names]
    rows = [
        [tongue.number(round(at_s)), *(tongue.number(of.get(name)) for name in names)]
        for at_s, of in _thinned(shares)
    ]
    table = Table(tongue.text("timeline_cpu"), [tongue.text("head_second"), *called], rows)
    legend = list(zip(colours, called, strict=True))
    return _figure("cpu", series, bands, legend, table, tongue)


def _figure(
    name: str,
    series: Sequence[plots.Line],
    bands: Sequence[plots.Band],
    legend: Sequence[tuple[str, str]],
    table: Table,
    tongue: Tongue,
) -> Figure:
    figure = f"{tongue.language}-timeline-{name}"
    start = plots.Mark(0.0, tongue.text("t0_mark"), "mark start")
    has_start = any(x <= 0 for line in series for x, _ in line.points)
    svg = plots.lines(f"{figure}-name", series, marks=[start] if has_start else [], bands=bands)
    caption, note = tongue.text(f"timeline_{name}"), tongue.text("seconds_from_t0")
    return Figure(figure, caption, note, svg, legend, table)


def _thinned(rows: Sequence[Row]) -> Sequence[Row]:
    return rows[:: max(1, math.ceil(len(rows) / ROWS_MAX))]


# what follows from it


def advice(findings: Findings, tongue: Tongue) -> Section:
    if not findings.advice:
        none = Note(tongue.text("advice_none"))
        return Section("advice", tongue.text("advice"), "", [none])
    rows: list[list[Cell | str]] = []
    for each in findings.advice:
        title = tongue.name("setting", each.setting)
        small = (each.setting,) if title != each.setting else ()
        rows.append([Cell(title, small=small), Cell(each.value, "value"), tongue.full(each.why)])
    heads = [tongue.text(f"head_{name}") for name in ("setting", "value", "why")]
    table = Table(tongue.text("advice"), heads, rows, words=frozenset({2}), stacked=True)
    return Section("advice", tongue.text("advice"), tongue.text("advice_lead"), [table])


def comparison(findings: Findings, found: Comparison | None, tongue: Tongue) -> Section:
    heading = tongue.text("comparison")
    if found is None:
        return Section("comparison", heading, "", [Note(tongue.text("comparison_none"))])
    lead = tongue.text(
        "comparison_lead",
        run=found.run,
        at=tongue.instant(found.ended_at_ms),
        verdict=tongue.name("verdict", found.verdict),
    )
    if Verdict.VOID in (findings.verdict, found.verdict):
        void = Note(tongue.text("comparison_void"), "unsure")
        return Section("comparison", heading, lead, [void])
    blocks: list[Block] = []
    if found.plan_differs:
        fields = list(found.plan_differs[:FIELDS_MAX])
        fields += ["…"] if len(found.plan_differs) > FIELDS_MAX else []
        text = tongue.text("comparison_plan", fields=tongue.listed(fields))
        blocks.append(Note(text, "unsure"))
    for what, before, now in found.machine_differs:
        name = tongue.name("place", what)
        text = tongue.text("comparison_machine", what=name, before=before, now=now)
        blocks.append(Note(text))
    names = ("what", "before", "now", "change", "tolerance")
    heads = [tongue.text(f"head_{name}") for name in names]
    rows = [_compared(row, tongue) for row in found.rows]
    table = Table(heading, heads, rows, words=frozenset({3}))
    return Section("comparison", heading, lead, [*blocks, table])


def _compared(row: Compared, tongue: Tongue) -> list[Cell | str]:
    title = tongue.name("promise", row.what)
    css = {"better": "good", "worse": "bad"}.get(row.change, "")
    return [
        tongue.text(row.what) if title == row.what else title,
        *(_figure_of(row, value, tongue) for value in (row.before, row.now)),
        Cell(tongue.text(row.change.value), css),
        _tolerance(row.tolerance, row.unit, tongue),
    ]


def _figure_of(row: Compared, value: float, tongue: Tongue) -> str:
    is_never = row.what == "recover_s" and value < 0
    return tongue.text("never") if is_never else tongue.number(value, row.unit)


def _tolerance(tolerance: Tolerance, unit: str, tongue: Tongue) -> str:
    share = tongue.number(round(tolerance.share * 100))
    least = tongue.number(tolerance.least, unit)
    if tolerance.share and tolerance.least:
        return tongue.text("tolerance_both", share=share, least=least)
    if tolerance.share:
        return tongue.text("tolerance_share", share=share)
    if tolerance.least:
        return tongue.text("tolerance_least", least=least)
    return tongue.text("tolerance_none")


# how to do it again


def repeat(findings: Findings, tongue: Tongue) -> Section:
    command = f"onair rehearse --plan plan.toml --seed {findings.seed}"
    command += " --find" if findings.capacity else ""
    blocks: list[Block] = [
        Code(command),
        Note(tongue.text("repeat_note")),
    ]
    if findings.plan:
        blocks.append(Code(toml_of(findings.plan), tongue.text("plan_file")))
    return Section("repeat", tongue.text("repeat"), tongue.text("repeat_lead"), blocks)


def toml_of(plan: Mapping[str, Any]) -> str:
    """The plan as its file: tables of one level, lists of them, and texts that are anybody's."""
    plain = [(name, value) for name, value in plan.items() if not _is_table(value)]
    lines = [f"{name} = {_toml(value)}" for name, value in plain]
    for name, value in plan.items():
        for table in value if isinstance(value, list | tuple) else [value]:
            if isinstance(table, Mapping):
                brackets = f"[[{name}]]" if isinstance(value, list | tuple) else f"[{name}]"
                lines += ["", brackets]
                lines += [f"{key} = {_toml(each)}" for key, each in table.items()]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _toml(value: object) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f") or DASH
