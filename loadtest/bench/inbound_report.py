"""Figures of what comes in as a part of the report. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtest.bench.inbound import FloodTurn, InboundFigures, InboundRound
from loadtest.bench.scene import Aim, Scene
from loadtest.bench.tables import table

AIMED_VIEWERS = 2_000


def inbound_scene(figures: InboundFigures) -> Scene:
    void = [
        *(f"inbound, {r.per_s} {r.kind}/s: {why}" for r in figures.rounds for why in r.void),
        *(
            f"a flood, turn {number}: {why}"
            for number, turn in enumerate(figures.floods, 1)
            for why in turn.void
        ),
    ]
    found = {
        "rounds": [
            asdict(r) | {"cpu_us": r.cpu_us, "accepted_per_s": r.accepted_per_s}
            for r in figures.rounds
        ],
        "viewers": figures.viewers,
        "others_p99_flooded_over_alone": figures.flood_ratio,
        "floods": [_flood_json(turn) for turn in figures.floods],
    }
    text = _rounds_text(figures) + "\n\n" + _floods_text(figures)
    aims: tuple[Aim, ...] = ()
    if figures.good_floods and figures.viewers >= AIMED_VIEWERS:
        aims = (Aim("the others' p99, flooded against alone", figures.flood_ratio, 1.2),)
    return Scene("inbound", figures.is_complete, tuple(void), found, text, aims)


def _flood_json(turn: FloodTurn) -> dict[str, Any]:
    found = asdict(turn) | {"ratio": turn.ratio, "cpu_share": turn.cpu_share}
    for half in ("alone", "flooded"):
        found[half].pop("late_us")
    return found


def _rounds_text(figures: InboundFigures) -> str:
    header = "command wanted/s answered/s accepted/s refused p50-ms p99-ms worker-µs redis-µs "
    header += "late-start-ms"
    return "Inbound: what viewers send, one worker, budgets as shipped\n" + table(
        header.split(), [_row(r) for r in figures.rounds]
    )


def _row(r: InboundRound) -> tuple[str, ...]:
    sent = max(1, r.answers.sent)
    return (
        f"{r.kind}{'*' if r.void else ''}",
        str(r.per_s),
        f"{r.answers.per_s:.0f}",
        f"{r.accepted_per_s:.0f}",
        f"{r.answers.outcomes.get('error 429', 0) / sent:.0%}",
        f"{r.answers.late_ms.p50:.1f}",
        f"{r.answers.late_ms.p99:.1f}",
        f"{r.cpu_us:.1f}",
        f"{r.redis.total_s * 1e6 / sent:.1f}",
        f"{r.answers.behind_ms.p99:.1f}",
    )


def _floods_text(figures: InboundFigures) -> str:
    header = "turn alone-p99 flooded-p99 ratio starved commands/s connections more-cpu"
    rows = [
        (
            f"{number}{'*' if turn.void else ''}",
            f"{turn.alone.testimony.late_ms.p99:.0f}",
            f"{turn.flooded.testimony.late_ms.p99:.0f}",
            f"{turn.ratio:.2f}x",
            f"{(turn.alone.starved_s + turn.flooded.starved_s) / _seconds(turn):.0%}",
            f"{turn.sent / turn.flooded.seconds:.0f}",
            str(turn.connections),
            f"{turn.cpu_share:+.0%}",
        )
        for number, turn in enumerate(figures.floods, 1)
    ]
    return (
        f"A flood: one viewer sends likes without end, {figures.viewers} others get events\n"
        + table(header.split(), rows)
        + f"\n  median ratio of the others' p99: {figures.flood_ratio:.2f}x"
        + "\n  commands/s: sent, whatever became of them; more-cpu: of the worker's core"
    )


def _seconds(turn: FloodTurn) -> float:
    return turn.alone.seconds + turn.flooded.seconds
