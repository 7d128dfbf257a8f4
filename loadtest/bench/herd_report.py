"""Figures of herds and of recoveries as parts of the report. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtest.bench.coming import Coming
from loadtest.bench.herd import RESERVED, HerdFigures, HerdRound, spread_of
from loadtest.bench.recovery import RecoveryFigures
from loadtest.bench.scene import Aim, Scene
from loadtest.bench.tables import table

AIMED_VIEWERS = 10_000


def herd_scene(figures: HerdFigures) -> Scene:
    void = [
        f"a herd, round {number}: {why}"
        for number, each in enumerate(figures.rounds, 1)
        for why in each.void
    ]
    found = {
        "viewers": figures.viewers,
        "orders_per_s": figures.orders_per_s,
        "back_s": figures.back_s,
        "buyers_p99_ms": figures.buyers_p99_ms,
        "rounds": [_round_json(each) for each in figures.rounds],
    }
    aims: tuple[Aim, ...] = ()
    if figures.rounds and figures.viewers >= AIMED_VIEWERS:
        errors = sum(_errors(each) for each in figures.rounds)
        aims = (Aim("everybody back, s", figures.back_s, 15), Aim("buyers' errors", errors, 0))
    return Scene("herd", figures.is_complete, tuple(void), found, _herd_text(figures), aims)


def _errors(each: HerdRound) -> int:
    return each.buyers.sent - each.buyers.outcomes.get(RESERVED, 0)


def _round_json(each: HerdRound) -> dict[str, Any]:
    found = {name: value for name, value in asdict(each).items() if name != "back_s_all"}
    return found | {"back_s_spread": asdict(spread_of(each))}


def _herd_text(figures: HerdFigures) -> str:
    header = "round retry-after back-s half-s p99-s attempts 503 failed µs/viewer starved missed "
    header += "calm-p99 buyers-p99 errors"
    rows = [_row(number, each) for number, each in enumerate(figures.rounds, 1)]
    return (
        f"A herd: {figures.viewers} viewers are cut off at once and come back, "
        f"{figures.orders_per_s} orders/s, settings as shipped\n"
        + table(header.split(), rows)
        + f"\n  all valid rounds: everybody back after {figures.back_s:.1f} s at most; "
        f"purchases meanwhile p99 {figures.buyers_p99_ms:.1f} ms"
        + "\n  retry-after: whether clients heed it; half-s, p99-s: until so many were back; "
        "503, failed: attempts; missed: viewers without every event; errors: of buyers"
    )


def _row(number: int, each: HerdRound) -> tuple[str, ...]:
    return (
        f"{number}{'*' if each.void else ''}",
        "heeded" if each.heeds_retry_after else "unseen",
        f"{each.back_s:.1f}",
        f"{each.back_s_half:.1f}",
        f"{spread_of(each).p99:.1f}",
        str(each.attempts),
        str(each.refused),
        str(sum(each.failed.values())),
        f"{each.cpu_us:.0f}",
        f"{each.starved_share:.0%}",
        str(each.missed),
        f"{each.calm.late_ms.p99:.1f}",
        f"{each.buyers.late_ms.p99:.1f}",
        str(_errors(each)),
    )


def recovery_scene(figures: RecoveryFigures) -> Scene:
    void = [
        f"recoveries, turn {number}: {why}"
        for number, turn in enumerate(figures.turns, 1)
        for why in turn.void
    ]
    found = {
        "viewers": figures.viewers,
        "events": figures.events,
        "per_s": figures.per_s,
        "cpu_back_over_first": figures.ratio,
        "turns": [
            {"first": _coming_json(turn.first), "back": _coming_json(turn.back)}
            for turn in figures.turns
        ],
    }
    rows = [
        (
            f"{number}{'*' if turn.void else ''}",
            f"{turn.first.per_s:.0f}",
            f"{turn.back.per_s:.0f}",
            f"{turn.first.cpu_us:.0f}",
            f"{turn.back.cpu_us:.0f}",
            f"{turn.back.cpu_us / turn.first.cpu_us:.2f}x",
        )
        for number, turn in enumerate(figures.turns, 1)
    ]
    text = (
        f"Recoveries: {figures.viewers} viewers come back, each {figures.events} events behind, "
        "beside as many who come for the first time\n"
        + table(["turn", "first/s", "back/s", "first-µs", "back-µs", "ratio"], rows)
        + f"\n  median: {figures.per_s:.0f} recoveries a second, {figures.ratio:.2f}x the CPU"
        + "\n  both: handshake, connect and subscribe, as fast as they can come"
    )
    return Scene("recovery", figures.is_complete, tuple(void), found, text)


def _coming_json(coming: Coming) -> dict[str, Any]:
    return asdict(coming) | {"per_s": coming.per_s, "cpu_us": coming.cpu_us}
