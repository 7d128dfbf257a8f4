"""Figures of visits as JSON and as tables for people. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from loadtest.bench.tables import table
from loadtest.bench.visits import Beside, VisitsFigures, VisitsRound
from loadtest.visitors import BATCH_EVENTS


def visits_json(figures: VisitsFigures) -> dict[str, Any]:
    """Plain values only."""
    return {
        "rounds": [
            asdict(r) | {"events_per_s": r.events_per_s, "void": r.void} for r in figures.rounds
        ],
        "beside": [asdict(b) | {"ratio": b.ratio} for b in figures.beside],
        "fanout_beside_over_alone": figures.ratio,
    }


def visits_void(figures: VisitsFigures) -> list[str]:
    """Every void round with its reasons."""
    return [
        *(f"visits, {r.per_s}/s: {'; '.join(r.void)}" for r in figures.rounds if r.void),
        *(f"visits beside the fan-out: {'; '.join(b.void)}" for b in figures.beside if b.void),
    ]


def visits_text(figures: VisitsFigures) -> str:
    header = "wanted/s events/s p50-ms p99-ms worker-µs/event written-s counted late-start-ms"
    parts = [
        f"Visits through the WebSocket, one worker, batches of {BATCH_EVENTS}, counted in SQLite\n"
        + table(header.split(), [_row(r) for r in figures.rounds])
    ]
    if figures.beside:
        header = "turn alone-µs beside-µs ratio visits/s visits-µs/event"
        rows = [_turn(number, b) for number, b in enumerate(figures.beside, 1)]
        ratio = figures.ratio
        parts.append(
            "The fan-out's CPU µs per delivered event, alone and with visits beside it\n"
            + table(header.split(), rows)
            + f"\n  median ratio: {'-' if ratio is None else f'{ratio:.2f}x'}"
            + "\n  beside: what visits cost by themselves, in the same turn, is taken off"
            + "\n  below 1.00x: a busier worker gathers more in each frame and append"
        )
    return "\n\n".join(parts)


def _row(r: VisitsRound) -> tuple[str, ...]:
    return (
        str(r.per_s),
        f"{r.events_per_s:.0f}",
        f"{r.answers.late_ms.p50:.1f}",
        f"{r.answers.late_ms.p99:.1f}",
        f"{r.worker_cpu.total_s / max(1, r.answers.sent * BATCH_EVENTS) * 1e6:.1f}",
        f"{r.written_s:.1f}",
        "void" if r.void else "all",
        f"{r.answers.behind_ms.p99:.1f}",
    )


def _turn(number: int, b: Beside) -> tuple[str, ...]:
    return (
        f"{number}{'*' if b.void else ''}",
        f"{b.alone_us:.2f}",
        f"{b.beside_us:.2f}",
        f"{b.ratio:.2f}x",
        f"{b.visits_per_s:.0f}",
        f"{b.visits_us:.1f}",
    )
