"""Figures of purchases as JSON and as tables for people. Pure."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from typing import Any

from loadtest.bench.orders import OrdersFigures, OrdersRound
from loadtest.bench.tables import table

ENGINE, PEER = "engine", "redis-benchmark"


def engine_cells(figures: OrdersFigures) -> list[dict[str, Any]]:
    """Per durability mode: medians of both sides and their ratio."""
    cells = []
    for mode in dict.fromkeys(r["mode"] for r in figures.engine):
        by_side = {
            side: [r["per_s"] for r in figures.engine if r["mode"] == mode and r["who"] == side]
            for side in (ENGINE, PEER)
        }
        ours, peer = (statistics.median(by_side[side]) for side in (ENGINE, PEER))
        cells.append(
            {
                "mode": mode,
                "ours_per_s": ours,
                "ours_by_round": by_side[ENGINE],
                "peer_per_s": peer,
                "peer_by_round": by_side[PEER],
                "ours_over_peer": ours / peer if peer else None,
                "python_us": statistics.median(
                    r["python_us"] for r in figures.engine if r["mode"] == mode and "python_us" in r
                ),
            }
        )
    return cells


def orders_json(figures: OrdersFigures) -> dict[str, Any]:
    """Plain values only."""
    return {
        "engine": {"cells": engine_cells(figures), "rounds": figures.engine},
        "websocket": [asdict(r) | {"void": r.void} for r in figures.rounds],
    }


def engine_text(figures: OrdersFigures) -> str:
    rows = [
        (
            cell["mode"],
            f"{cell['ours_per_s']:.0f}",
            " ".join(f"{value:.0f}" for value in cell["ours_by_round"]),
            f"{cell['peer_per_s']:.0f}",
            f"{cell['ours_over_peer']:.2f}x" if cell["ours_over_peer"] else "-",
            f"{cell['python_us']:.1f}",
        )
        for cell in engine_cells(figures)
    ]
    header = ("appendfsync", "decisions/s", "rounds", "one-by-one/s", "ratio", "python-µs")
    return (
        "Engine: purchases decided in batches, beside redis-benchmark with one per EVALSHA\n"
        + table(header, rows)
    )


def orders_text(figures: OrdersFigures) -> str:
    rows = [_row(r) for r in figures.rounds]
    header = "outcome wanted/s answered/s p50-ms p99-ms drained-s worker-µs books late-start-ms"
    return (
        "Orders through the WebSocket, one worker, appendfsync always, drained to SQLite\n"
        + table(header.split(), rows)
        + "\n  p50, p99: answer after the intended send; late-start: p99 of the generator's delay"
    )


def _row(r: OrdersRound) -> tuple[str, ...]:
    return (
        r.kind,
        str(r.per_s),
        f"{r.answers.per_s:.0f}",
        f"{r.answers.late_ms.p50:.1f}",
        f"{r.answers.late_ms.p99:.1f}",
        f"{r.drained_s:.1f}",
        f"{r.worker_cpu.total_s / max(1, r.answers.sent) * 1e6:.1f}",
        "void" if r.void else "agree",
        f"{r.answers.behind_ms.p99:.1f}",
    )
