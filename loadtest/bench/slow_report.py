"""Figures of slow readers as a part of the report. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtest.bench.scene import Aim, Scene
from loadtest.bench.slow import SLOW, SlowFigures, Turn
from loadtest.bench.tables import table

AIMED_VIEWERS = 2_000
MB = 1024**2


def slow_scene(figures: SlowFigures) -> Scene:
    void = [
        f"slow readers, turn {number}: {why}"
        for number, turn in enumerate(figures.turns, 1)
        for why in turn.void
    ]
    aims: tuple[Aim, ...] = ()
    if figures.good and figures.viewers >= AIMED_VIEWERS:
        aims = (
            Aim("the others' p99, against when everybody reads", figures.ratio, 1.2),
            Aim("grown memory, MB", figures.grown_bytes / MB, figures.bound_bytes / MB),
        )
    return Scene("slow", figures.is_complete, tuple(void), _json(figures), _text(figures), aims)


def _json(figures: SlowFigures) -> dict[str, Any]:
    return {
        "viewers": figures.viewers,
        "slow": figures.slow,
        "events_per_s": figures.events_per_s,
        "others_p99_during_over_before": figures.ratio,
        "grown_bytes": figures.grown_bytes,
        "bound_bytes": figures.bound_bytes,
        "turns": [_turn_json(turn) for turn in figures.turns],
    }


def _turn_json(turn: Turn) -> dict[str, Any]:
    found = asdict(turn) | {"ratio": turn.ratio}
    for half in ("before", "during"):
        found[half].pop("late_us")
    return found


def _text(figures: SlowFigures) -> str:
    header = "turn before-p99 during-p99 ratio starved µs/event during-µs closed told "
    header += "after-s back-s gaps"
    rows = [_row(number, turn) for number, turn in enumerate(figures.turns, 1)]
    return (
        f"Slow readers: {figures.slow} of {figures.viewers} viewers stop reading, "
        f"{figures.events_per_s} events/s\n"
        + table(header.split(), rows)
        + f"\n  median ratio of the others' p99: {figures.ratio:.2f}x"
        + f"\n  the worker's memory grew by {figures.grown_bytes / MB:.1f} MB at most; "
        f"a full buffer each is {figures.bound_bytes / MB:.1f} MB"
        + f"\n  closed: by the worker; told: who read the code {SLOW}; after-s: from the stop "
        "until all were closed; back-s: from reading again until all were in; "
        "gaps: who missed an event in the end"
    )


def _row(number: int, turn: Turn) -> tuple[str, ...]:
    before, during, stopped = turn.before, turn.during, turn.stopped
    starved = (before.starved_s + during.starved_s) / (before.seconds + during.seconds)
    return (
        f"{number}{'*' if turn.void else ''}",
        f"{before.testimony.late_ms.p99:.0f}",
        f"{during.testimony.late_ms.p99:.0f}",
        f"{turn.ratio:.2f}x",
        f"{starved:.0%}",
        f"{before.cpu_us:.2f}",
        f"{during.cpu_us:.2f}",
        f"{stopped.closed}/{stopped.count}",
        str(stopped.told),
        f"{stopped.closed_after_s:.1f}",
        f"{stopped.back_after_s:.1f}",
        str(stopped.behind),
    )
