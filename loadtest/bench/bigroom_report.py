"""Figures of the big room as a part of the report. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtest.bench.bigroom import BigroomFigures, Turn
from loadtest.bench.scene import Aim, Scene
from loadtest.bench.tables import table

AIMED_VIEWERS = 15_000


def bigroom_scene(figures: BigroomFigures) -> Scene:
    void = [f"a big room, filling: {why}" for why in figures.filling.coming.void]
    for number, turn in enumerate(figures.turns, 1):
        void += [f"a big room, turn {number}: {why}" for why in turn.void]
    aims = _aims(figures) if figures.filling.coming.viewers >= AIMED_VIEWERS else ()
    return Scene("bigroom", figures.is_complete, tuple(void), _json(figures), _text(figures), aims)


def _aims(figures: BigroomFigures) -> tuple[Aim, ...]:
    filling = figures.filling
    held = (
        Aim("came in, viewers/s", filling.coming.per_s, 2_500, at_least=True),
        Aim("memory of a viewer, KB", filling.bytes_per_viewer / 1024, 8),
    )
    seen = (
        Aim("delivery p99, ms", figures.late_ms.p99, 400),
        Aim("purchases p99, ms", figures.loud_p99_ms, 100),
    )
    return (*(() if filling.coming.void else held), *(seen if figures.good else ()))


def _json(figures: BigroomFigures) -> dict[str, Any]:
    filling = figures.filling
    return {
        "filling": asdict(filling)
        | {"joins_per_s": filling.coming.per_s, "bytes_per_viewer": filling.bytes_per_viewer},
        "events_per_s": figures.events_per_s,
        "orders_per_s": figures.orders_per_s,
        "late_ms": asdict(figures.late_ms),
        "silent_p99_ms": figures.silent_p99_ms,
        "loud_p99_ms": figures.loud_p99_ms,
        "turns": [_turn_json(turn) for turn in figures.turns],
    }


def _turn_json(turn: Turn) -> dict[str, Any]:
    found = {name: value for name, value in asdict(turn).items() if name != "late_us"}
    found["fanout"].pop("late_us")
    return found


def _text(figures: BigroomFigures) -> str:
    filling, late = figures.filling, figures.late_ms
    header = "turn p50-ms p99-ms state-p99 us/event busy starved silent-p99 loud-p50 loud-p99 books"
    rows = [_row(number, turn) for number, turn in enumerate(figures.turns, 1)]
    return (
        f"A big room: {filling.coming.viewers} viewers on one worker, "
        f"{figures.events_per_s} events/s, {figures.orders_per_s} orders/s\n"
        + table([name.replace("us/", "µs/") for name in header.split()], rows)
        + f"\n  all valid turns: delivery p50 {late.p50:.0f} ms, p99 {late.p99:.0f} ms; "
        f"purchases p99 {figures.loud_p99_ms:.1f} ms, "
        f"in the silent room {figures.silent_p99_ms:.1f} ms"
        + f"\n  came in at {filling.coming.per_s:.0f}/s, {filling.coming.cpu_us:.0f} µs each; "
        f"{filling.bytes_per_viewer / 1024:.2f} KB of the worker's memory each"
        + "\n  p50, p99: delivery; silent, loud: purchases while the room is; "
        "busy: the worker's share of its core"
    )


def _row(number: int, turn: Turn) -> tuple[str, ...]:
    seen = turn.fanout
    return (
        f"{number}{'*' if turn.void else ''}",
        f"{seen.testimony.late_ms.p50:.0f}",
        f"{seen.testimony.late_ms.p99:.0f}",
        f"{turn.state_late_ms.p99:.0f}",
        f"{seen.cpu_us:.2f}",
        f"{seen.web.total_s / seen.seconds:.0%}",
        f"{seen.starved_s / seen.seconds:.0%}",
        f"{turn.silent.late_ms.p99:.1f}",
        f"{turn.loud.late_ms.p50:.1f}",
        f"{turn.loud.late_ms.p99:.1f}",
        "agree" if turn.books_agree else "no",
    )
