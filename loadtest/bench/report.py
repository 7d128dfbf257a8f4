"""A run's figures as JSON and as tables for people. Pure: figures go in, text comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.bench.aims import OURS, standings, standings_text
from loadtest.bench.crowd import CrowdCell, CrowdRound
from loadtest.bench.fanout import Cell, Round
from loadtest.bench.orders import OrdersFigures
from loadtest.bench.orders_report import engine_text, orders_json, orders_text
from loadtest.bench.scene import Scene
from loadtest.bench.tables import table, times
from loadtest.bench.visits import VisitsFigures
from loadtest.bench.visits_report import visits_json, visits_text, visits_void

SCHEMA = 1
CROWD_FIGURES = ("bytes_per_viewer", "bytes_per_viewer_more", "cpu_us_per_join", "joins_per_s")


@dataclass(slots=True)
class Report:
    """Everything one run found out."""

    environment: dict[str, Any]
    plan: dict[str, Any]
    started_at_ms: int
    seconds: float = 0.0
    scenarios: tuple[str, ...] = ()
    fanout_rounds: list[Round] = field(default_factory=list)
    fanout: list[Cell] = field(default_factory=list)
    crowd_rounds: list[CrowdRound] = field(default_factory=list)
    crowd: list[CrowdCell] = field(default_factory=list)
    orders: OrdersFigures = field(default_factory=OrdersFigures)
    visits: VisitsFigures = field(default_factory=VisitsFigures)
    scenes: list[Scene] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """True if every contender has at least one valid round for everything asked for."""
        cells: list[Cell | CrowdCell] = [*self.fanout, *self.crowd]
        measured = bool(cells or self.orders.rounds or self.visits.rounds or self.scenes)
        return (
            measured
            and all(cell.rounds > 0 for cell in cells)
            and all(self.orders.valid(*kind) for kind in self.orders.kinds())
            and self.visits.is_complete
            and all(scene.is_complete for scene in self.scenes)
        )

    def void(self) -> list[str]:
        """Every void round with its reasons."""
        rounds: list[Round | CrowdRound] = [*self.fanout_rounds, *self.crowd_rounds]
        bought = [r for r in self.orders.rounds if r.void]
        return [
            *(f"{_round_name(r)}: {'; '.join(r.void)}" for r in rounds if r.void),
            *(f"orders, {r.kind} {r.per_s}/s: {'; '.join(r.void)}" for r in bought),
            *visits_void(self.visits),
            *(why for scene in self.scenes for why in scene.void),
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain values only. Raw latency samples stay out: their percentiles are in."""
        return {
            "schema": SCHEMA,
            "started_at_ms": self.started_at_ms,
            "seconds": round(self.seconds, 1),
            "scenarios": list(self.scenarios),
            "complete": self.is_complete,
            "environment": self.environment,
            "plan": self.plan,
            "ratios": ratios(self.fanout, self.crowd),
            "standings": [
                {**asdict(each), "ratio": each.ratio, "is_met": each.is_met}
                for each in standings(self.fanout)
            ],
            "fanout": {
                "cells": [asdict(cell) for cell in self.fanout],
                "rounds": [_round_json(r) for r in self.fanout_rounds],
            },
            "crowd": {
                "cells": [asdict(cell) for cell in self.crowd],
                "rounds": [asdict(r) for r in self.crowd_rounds],
            },
            "orders": orders_json(self.orders),
            "visits": visits_json(self.visits),
            **{scene.name: scene.as_json() for scene in self.scenes},
            "void": self.void(),
        }

    def as_text(self) -> str:
        parts = [_environment_text(self.environment)]
        if self.fanout:
            parts.append(_fanout_text(self.fanout))
            if found := standings(self.fanout):
                parts.append(standings_text(found))
        if self.crowd and "memory" in self.scenarios:
            parts.append(_memory_text(self.crowd))
        if self.crowd and "connect" in self.scenarios:
            parts.append(_connect_text(self.crowd))
        if self.orders.rounds:
            parts += [engine_text(self.orders), orders_text(self.orders)]
        if self.visits.rounds:
            parts.append(visits_text(self.visits))
        parts += [scene.text for scene in self.scenes]
        if void := self.void():
            parts.append("Void rounds, not used above:\n" + "\n".join(f"  {why}" for why in void))
        return "\n\n".join(parts)


def ratios(fanout: Sequence[Cell], crowd: Sequence[CrowdCell]) -> list[dict[str, Any]]:
    """Peer's figure divided by ours, with both, for what both were measured at. Above 1: we
    spend less (or, for connects per second, the peer lets in more)."""
    found: list[dict[str, Any]] = []
    ours = {(c.viewers, c.per_s): c for c in fanout if c.contender == OURS and c.rounds}
    for cell in fanout:
        mine = ours.get((cell.viewers, cell.per_s))
        if mine is None or cell.contender == OURS or not cell.rounds:
            continue
        where = {"viewers": cell.viewers, "events_per_s": cell.per_s, "peer": cell.contender}
        sums = (mine.cpu_us + mine.redis_cpu_us, cell.cpu_us + cell.redis_cpu_us)
        found += [
            _ratio("fanout cpu_us", where, mine.cpu_us, cell.cpu_us),
            _ratio("fanout cpu_us with redis", where, *sums),
            _ratio("fanout p50_ms", where, mine.late_ms.p50, cell.late_ms.p50),
            _ratio("fanout p99_ms", where, mine.late_ms.p99, cell.late_ms.p99),
        ]
    our_crowd = next((c for c in crowd if c.contender == OURS and c.rounds), None)
    for peer in crowd:
        if our_crowd is None or peer.contender == OURS or not peer.rounds:
            continue
        where = {"viewers": peer.viewers, "peer": peer.contender}
        found += [
            _ratio(f"crowd {name}", where, getattr(our_crowd, name), getattr(peer, name))
            for name in CROWD_FIGURES
        ]
    return found


def _ratio(what: str, where: dict[str, Any], ours: float, peer: float) -> dict[str, Any]:
    return {
        "what": what,
        **where,
        "ours": ours,
        "peers": peer,
        "peer_over_ours": peer / ours if ours else None,
    }


def _round_json(r: Round) -> dict[str, Any]:
    found = {name: value for name, value in asdict(r).items() if name != "late_us"}
    return {**found, "expected": r.expected, "cpu_us": r.cpu_us}


def _round_name(r: Round | CrowdRound) -> str:
    at = f" {r.per_s}/s" if isinstance(r, Round) else ""
    return f"{r.contender}, {r.viewers} viewers{at}"


def _environment_text(environment: dict[str, Any]) -> str:
    libraries = " ".join(f"{name} {version}" for name, version in environment["libraries"].items())
    peers = "".join(f"\n{version}" for version in environment.get("peers", {}).values())
    return (
        f"{environment['cpu']}, {environment['cores']} cores, Linux {environment['kernel']}, "
        f"Python {environment['python']}, load average {environment['load_average']:.2f}\n"
        f"{libraries}\n{environment['redis']}{peers}\ncommit {environment['commit']}"
    )


def _fanout_text(cells: Sequence[Cell]) -> str:
    ours = {(c.viewers, c.per_s): c for c in cells if c.contender == OURS and c.rounds}
    header = (
        "viewers events/s server µs/event rounds above-idle redis ev/frame p50-ms p99-ms starved"
    )
    rows = []
    for cell in cells:
        mine = ours.get((cell.viewers, cell.per_s))
        by_round = cell.cpu_us_by_round
        spread = f"{min(by_round):.2f}-{max(by_round):.2f}" if by_round else "all void"
        rows.append(
            (
                str(cell.viewers),
                str(cell.per_s),
                cell.contender,
                f"{cell.cpu_us:.2f}",
                spread,
                f"{cell.cpu_us_above_idle:.2f}",
                f"{cell.redis_cpu_us:.2f}",
                f"{cell.events_per_frame:.1f}",
                f"{cell.late_ms.p50:.1f}{'' if cell.kept_up else '*'}",
                f"{cell.late_ms.p99:.1f}{'' if cell.kept_up else '*'}",
                f"{cell.starved_share:.0%}",
                times(cell.cpu_us, mine.cpu_us if mine and cell.rounds else 0.0),
            )
        )
    return (
        "Fan-out: the web worker's CPU per delivered event, and how late viewers got it\n"
        + table([*header.split(), "of-onair"], rows)
        + "\n  * could not keep the rate up: the latency grows with the length of the round"
        + "\n  starved: share of the time in which other programs kept the worker from its core"
    )


def _memory_text(cells: Sequence[CrowdCell]) -> str:
    mine = next((c.bytes_per_viewer_more for c in cells if c.contender == OURS and c.rounds), 0.0)
    rows = [
        (
            str(cell.viewers),
            cell.contender,
            f"{cell.rss_empty / 1024**2:.1f}",
            f"{cell.bytes_per_viewer / 1024:.2f}",
            _kilobytes(cell.bytes_per_viewer_by_round),
            f"{cell.bytes_per_viewer_more / 1024:.2f}",
            _kilobytes(cell.bytes_per_viewer_more_by_round),
            times(cell.bytes_per_viewer_more, mine),
        )
        for cell in cells
    ]
    header = ["viewers", "server", "empty-MB", "KB/viewer", "rounds", "KB/more", "rounds"]
    return (
        "Memory: the web worker's RSS per idle viewer\n"
        + table([*header, "of-onair"], rows)
        + "\n  KB/viewer: the first ones of a fresh server, which fill what its start has freed"
        + "\n  KB/more: as many more, three times as many being in"
    )


def _connect_text(cells: Sequence[CrowdCell]) -> str:
    mine = next((c.cpu_us_per_join for c in cells if c.contender == OURS and c.rounds), 0.0)
    rows = [
        (
            str(cell.viewers),
            cell.contender,
            f"{cell.joins_per_s:.0f}",
            f"{cell.cpu_us_per_join:.0f}",
            " ".join(f"{value:.0f}" for value in cell.joins_per_s_by_round),
            times(cell.cpu_us_per_join, mine),
        )
        for cell in cells
    ]
    return (
        "Connects: onair handshake, connect, subscribe with snapshot; peers handshake, greeting\n"
        + table(["viewers", "server", "joins/s", "µs/join", "rounds", "of-onair"], rows)
    )


def _kilobytes(values: Sequence[float]) -> str:
    return " ".join(f"{value / 1024:.2f}" for value in values)
