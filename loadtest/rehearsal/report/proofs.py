"""The proof: the books, every invariant, what viewers got, who won, and what faults did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from loadtest.rehearsal.books import Counters, sides
from loadtest.rehearsal.findings import Fairness, Findings, Invariant
from loadtest.rehearsal.records import DrillReport
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
from loadtest.rehearsal.report.looks import books_after
from loadtest.rehearsal.report.tongue import DASH, Tongue

ITEMS_MAX: Final = 10  # of a sale, in the line of a drill


def books(findings: Findings, tongue: Tongue) -> Section:
    return Section(
        "books",
        tongue.text("books"),
        tongue.text("books_lead"),
        [
            *_books(findings, tongue),
            Heading(tongue.text("invariants")),
            *_invariants(findings, tongue),
        ],
    )


def _books(findings: Findings, tongue: Tongue) -> list[Block]:
    """Both sides of each item, one below the other."""
    try:
        found = sides(findings.books)
    except ValueError:
        found = {}
    counters = [(each, side) for side, of_side in found.items() for each in of_side]
    if not counters:
        return [Note(tongue.text("books_none"), "unsure")]
    counters.sort(key=lambda pair: pair[0].sku)
    names = (
        *("sku", "side", "initial", "available", "reserved", "sold", "refunded"),
        "adds_up",
    )
    table = Table(
        tongue.text("books"),
        [tongue.text(f"head_{name}") for name in names],
        [_item(each, side, findings, tongue) for each, side in counters],
        left=2,
        words=frozenset({7}),
    )
    return [_agreement(findings, tongue), table]


def _agreement(findings: Findings, tongue: Tongue) -> Note:
    agree, why = findings.books.get("agree"), str(findings.books.get("why") or "")
    if agree is True:
        return Note(tongue.text("books_agree"), "good")
    if agree is False:
        return Note(tongue.text("books_differ", why=why), "bad")
    lag = findings.books.get("lag")
    text = tongue.text("books_unknown", lag=lag if isinstance(lag, int) else DASH, why=why)
    return Note(text, "unsure")


def _item(each: Counters, side: str, findings: Findings, tongue: Tongue) -> list[Cell | str]:
    figures = (each.initial, each.available, each.reserved, each.sold, each.refunded)
    sums = f"{each.available} + {each.reserved} + {each.sold}"
    title = _titles(findings).get(each.sku, "")
    return [
        Cell(each.sku, small=(title,) if title else ()),
        tongue.text(f"side_{side}"),
        *(tongue.number(figure) for figure in figures),
        Cell(sums, "good" if each.adds_up else "bad"),
    ]


def _titles(findings: Findings) -> dict[str, str]:
    """Of the plan's items."""
    items = findings.plan.get("items")
    if not isinstance(items, list | tuple):
        return {}
    return {
        str(item.get("sku")): str(item.get("title", ""))
        for item in items
        if isinstance(item, Mapping)
    }


def _invariants(findings: Findings, tongue: Tongue) -> list[Block]:
    if not findings.invariants:
        return [Note(tongue.text("invariants_none"), "unsure")]
    names = ("invariant", "checked", "broken", "holds")
    table = Table(
        tongue.text("invariants"),
        [tongue.text(f"head_{name}") for name in names],
        [_invariant(each, tongue) for each in findings.invariants],
        words=frozenset({3}),
    )
    return [
        Note(tongue.text("invariants_lead")),
        table,
        Note(tongue.text("reproduce", seed=findings.seed)),
    ]


def _invariant(each: Invariant, tongue: Tongue) -> list[Cell | str]:
    title = tongue.name("invariant", each.name)
    small = (each.name,) if title != each.name else ()
    key, css = ("holds", "good") if each.holds else ("holds_not", "bad")
    return [
        Cell(title, small=(*small, *each.examples)),
        tongue.number(each.checked),
        tongue.number(each.broken),
        Cell(tongue.text(key), css),
    ]


def delivery(findings: Findings, tongue: Tongue) -> Section:
    found = findings.delivery
    if not found.witnesses:
        blocks: list[Block] = [Note(tongue.text("delivery_none"), "unsure")]
        return Section("delivery", tongue.text("delivery"), "", blocks)
    facts = [
        Fact(tongue.text(name), tongue.number(count), "bad" if count else "good")
        for name, count in (
            ("gaps", found.gaps),
            ("repeats", found.repeats),
            ("disorder", found.disorder),
        )
    ]
    heads = ["", tongue.text("head_count"), "p50", "p90", "p99", "p99.9", tongue.text("head_most")]
    late = [[tongue.text("delivery"), *tongue.quantiles(found.latency)]]
    lead = tongue.text(
        "delivery_lead",
        witnesses=tongue.number(found.witnesses),
        events=tongue.number(found.events),
    )
    blocks = [Facts(facts, css="big"), Table(tongue.text("delivery"), heads, late)]
    return Section("delivery", tongue.text("delivery"), lead, blocks)


def fairness(findings: Findings, tongue: Tongue) -> Section:
    found = findings.fairness
    if not found.buckets:
        blocks: list[Block] = [Note(tongue.text("fairness_none"))]
        return Section("fairness", tongue.text("fairness"), "", blocks)
    heads = [tongue.text(f"head_{name}") for name in ("kind", "people", "winners", "share")]
    kinds = [
        [tongue.name("buyer", kind) or DASH, *_shares(people, winners, tongue)]
        for kind, (people, winners) in found.by_kind.items()
    ]
    blocks = [Figures([_groups(found, tongue)])]
    if kinds:
        blocks += [Heading(tongue.text("by_kind")), Table(tongue.text("by_kind"), heads, kinds)]
    return Section("fairness", tongue.text("fairness"), tongue.text("fairness_lead"), blocks)


def _groups(found: Fairness, tongue: Tongue) -> Figure:
    figure = f"{tongue.language}-fairness-groups"
    bars = [
        plots.Bar(number, {"c-reserved": 100 * winners / people if people else 0.0})
        for number, (people, winners) in enumerate(found.buckets, 1)
    ]
    heads = [tongue.text(f"head_{name}") for name in ("group", "people", "winners", "share")]
    rows = [
        [str(number), *_shares(people, winners, tongue)]
        for number, (people, winners) in enumerate(found.buckets, 1)
    ]
    return Figure(
        figure,
        tongue.text("fairness_figure"),
        tongue.text("across_groups"),
        plots.stacked(f"{figure}-name", bars),
        [],
        Table(tongue.text("fairness"), heads, rows),
    )


def _shares(people: int, winners: int, tongue: Tongue) -> list[str]:
    share = tongue.share(winners / people) if people else DASH
    return [tongue.number(people), tongue.number(winners), share]


def drills(findings: Findings, tongue: Tongue) -> Section:
    if not findings.drills:
        return Section("drills", tongue.text("drills"), "", [Note(tongue.text("drills_none"))])
    names = ("drill", "when", "recovered", "failed", "books_after")
    table = Table(
        tongue.text("drills"),
        [tongue.text(f"head_{name}") for name in names],
        [_drill(each, findings, tongue) for each in findings.drills],
        words=frozenset({2, 4}),
        stacked=True,
    )
    return Section("drills", tongue.text("drills"), tongue.text("drills_lead"), [table])


def _drill(drill: DrillReport, findings: Findings, tongue: Tongue) -> list[Cell | str]:
    title = tongue.name("drill", drill.kind)
    if drill.refused:
        why = Cell(tongue.text("refused", why=drill.refused), "unsure")
        return [title, DASH, why, DASH, DASH]
    recovered = drill.recovered_after_s
    bound = _recover_within(findings)
    if recovered < 0:
        state = Cell(tongue.text("never"), "bad")
    else:
        css = "unsure" if bound is not None and recovered > bound else "good"
        state = Cell(tongue.text("after_seconds", seconds=tongue.number(recovered)), css)
    return [
        Cell(title, small=tuple(_told(drill, tongue))),
        f"{tongue.number(drill.began_s)} … {tongue.number(drill.ended_s)}",
        state,
        tongue.number(drill.failed_requests),
        _books_after(drill, findings, tongue),
    ]


def _recover_within(findings: Findings) -> float | None:
    """What the plan promised, in seconds."""
    targets = findings.plan.get("targets")
    value = targets.get("recover_s") if isinstance(targets, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _told(drill: DrillReport, tongue: Tongue) -> Iterator[str]:
    """What else there is to say of a drill, a line each."""
    if drill.note:
        yield drill.note
    lost = drill.counts.get("viewers_before", 0) - drill.counts.get("viewers_least", 0)
    if drill.viewers_back_s >= 0 and lost > 0:
        yield tongue.text("viewers_back", seconds=tongue.number(drill.viewers_back_s))
    counts = [
        f"{tongue.name('count', word)} {tongue.number(count)}"
        for word, count in drill.counts.items()
        if count or word == "viewers_least"
    ]
    if counts:
        yield tongue.listed(counts)


def _books_after(drill: DrillReport, findings: Findings, tongue: Tongue) -> Cell:
    """As the drill itself found them, and what the next look showed."""
    note = (drill.books_note,) if drill.books_note else ()
    found = books_after(findings, drill)
    if found is None:
        css = "unsure" if drill.books_ok else "bad"
        return Cell(tongue.text("drill_books_none"), css, note)
    sums = tongue.listed([str(each) for each in found.counters[:ITEMS_MAX]])
    if not found.add_up or not drill.books_ok:
        return Cell(tongue.text("drill_books_bad", sums=sums), "bad", note)
    key = "drill_books_good" if found.caught_up else "drill_books_late"
    css = "good" if found.caught_up else "unsure"
    return Cell(tongue.text(key, sums=sums), css, note)
