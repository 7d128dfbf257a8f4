"""Findings of rehearsals that never were, with something in every part of a report.

`go()`, `no_go()` and `void()` are made by arithmetic: no clock, no chance.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from loadtest.rehearsal.findings import (
    Advice,
    Delivery,
    Fairness,
    Findings,
    GeneratorHealth,
    Invariant,
    Promised,
    Quantiles,
    Say,
    Spike,
    SpikeSecond,
    Verdict,
)
from loadtest.rehearsal.plan import Drill, Item, Plan
from loadtest.rehearsal.records import DrillReport, Process, Referee, Second, Step

T0_MS: Final = 1_800_000_000_000
TITLE: Final = "周五手作专场 Friday crafts"
STOCK: Final = 200
BUYERS: Final = 600
INVARIANTS: Final = (
    *("never_oversold", "nothing_acknowledged_lost", "nothing_sold_twice", "paid_equals_ledger"),
    *("money_is_balanced", "redis_equals_ledger", "stock_adds_up", "same_request_same_answer"),
    *("unknown_answers_resolved", "per_user_limit", "not_before_start", "holds_return"),
    "no_foreign_orders",
)
_PHASES: Final = (("arrive", -6), ("warm", 0), ("spike", 12), ("settle", 27), ("done", 99))


def plan(**changes: Any) -> Plan:
    made = Plan(
        title=TITLE,
        items=(
            Item("mug", "手工陶瓷杯 Handmade mug", 150, 5_900),
            Item("tea", "明前龙井 Longjing spring tea", 50, 9_900),
        ),
        drills=(Drill("kill_worker", 5), Drill("stop_ledger", 8, 10), Drill("cut_network", 20)),
    )
    return replace(made, **changes)


def quantiles(count: int, p50: float) -> Quantiles:
    """A long tail, as latencies have."""
    if not count:
        return Quantiles()
    return Quantiles(count, p50, p50 * 1.8, p50 * 3.1, p50 * 4.4, p50 * 5.2)


def go(**changes: Any) -> Findings:
    """Everything was right, with the knee at twice the plan."""
    promise = plan()
    made = Findings(
        run="rh-0000abcd",
        title=promise.title,
        seed=20,
        language="zh-CN",
        began_at_ms=T0_MS - 41_000,
        ended_at_ms=T0_MS + 64_000,
        verdict=Verdict.GO,
        sentence=Say("go_searched", {"viewers": 600, "orders_per_s": 214, "factor": 2.0}),
        reasons=(),
        plan=promise.to_json(),
        promised=_promised(),
        environment=_environment(),
        generators=_generators(0.41),
        timeline=_timeline(),
        capacity=_steps(),
        knee=2,
        spike=_spike(),
        invariants=tuple(Invariant(name, True, 640, 0) for name in INVARIANTS),
        books=_books(sold=140),
        delivery=Delivery(20, 5_812, 0, 0, 0, quantiles(5_812, 34)),
        fairness=_fairness(),
        latency={
            "connect connect": quantiles(600, 21),
            "http pay": quantiles(180, 44),
            "push comment": quantiles(4_100, 31),
            "push likes": quantiles(1_712, 38),
            "rpc comment.send": quantiles(140, 12),
            "rpc order.pay": quantiles(180, 29),
            "rpc order.place": quantiles(742, 52),
        },
        drills=_drills(),
        referee=Referee(120.0, 4, 14.2, 61.0, 12.9, 55.4),
        advice=_advice(),
    )
    return replace(made, **changes)


def no_go() -> Findings:
    """Oversold by a unit, and slow."""
    example = "mug: +1 / 150, ledger, 12:00:00.412 UTC"
    sold = Say("broken.never_oversold", {"count": 1, "checked": 640, "example": example})
    slow = Say("limit.order_latency", {"promised": 1_000, "proved": 2_310.4})
    busy = Say("evidence.process", {"process": "web worker 1", "percent": 99})
    found = go()
    return replace(
        found,
        verdict=Verdict.NO_GO,
        sentence=Say("no_go", {"why": sold}),
        reasons=(sold, slow, busy),
        first_limit="never_oversold",
        promised=tuple(
            replace(row, proved=2_310.4, holds=False) if row.what == "order_p99_ms" else row
            for row in found.promised
        ),
        invariants=(
            Invariant("never_oversold", False, 640, 1, (example,)),
            *found.invariants[1:],
        ),
        books=_books(sold=141, agree=False, why="mug: redis 101 sold, ledger 102"),
        capacity=(replace(_steps()[0], broken=_steps()[3].broken),),
        knee=-1,
        errors={"order.place unknown": 4, "order.place error 503": 2},
        referee=replace(
            _referee(), why="p99 91.00 ms and 55.40 ms: an order takes 900 µs", reason="cost"
        ),
    )


def void() -> Findings:
    """The generator was out of breath."""
    cpu = Say("void.generator_cpu", {"who": "locust-1", "percent": 98})
    late = Say("void.generator_late", {"who": "locust-1", "percent": 31.2, "ms": 50})
    shared = Say("note.same_machine", {"cores": 2})
    healthy = _generators(0.98)
    return replace(
        go(),
        verdict=Verdict.VOID,
        sentence=Say("void", {"why": cpu}),
        reasons=(cpu, late, shared),
        first_limit="generator",
        generators=(replace(healthy[0], late_starts=231, faults=(cpu, late)), *healthy[1:]),
        capacity=(),
        knee=-1,
        advice=(),
    )


def _promised() -> tuple[Promised, ...]:
    return (
        Promised("viewers", 600, 600, "", True, at_most=False),
        Promised("orders_per_s", 200, 214, "1/s", True, at_most=False),
        Promised("order_p99_ms", 1_000, 161.4, "ms", True),
        Promised("delivery_p99_ms", 1_000, 105.2, "ms", True),
        Promised("connect_p99_ms", 2_000, 65.1, "ms", True),
        Promised("ledger_lag_s", 10, 0.34, "s", True),
        Promised("errors_percent", 0.1, 0.0, "%", True),
        Promised("delivery_gaps", 0, 0, "", True),
        Promised("recover_s", 15, 2.4, "s", True),
    )


def _environment() -> dict[str, Any]:
    return {
        "run": "rh-0000abcd",
        "t0_ms": T0_MS,
        "same_machine": True,
        "cut_short": "",
        "clock": {"skew_ms": 0.0, "round_trip_ms": 0.6},
        "exits": {"locust-1": 0, "audience-1": 0},
        "people": {
            **{"buyers": 600, "talkers": 6, "likers": 10, "sharers": 2},
            **{"hosts": 1, "audience": 581},
        },
        "server": {
            "python": "3.11.7",
            "system": "Linux-6.18-x86_64",
            "machine": "x86_64",
            "cpus": 2,
            "memory_bytes": 8_221_000_000,
            "redis": "8.2.3",
            "redis_embedded": True,
            "database": "sqlite",
            "durability": "always",
            "workers": 1,
            "ledger_workers": 1,
            "viewers_max": 0,
            "limits": {"chat_per_s": 40, "orders_waiting_max": 10_000},
        },
        "generator": {
            "cpu": "AMD EPYC",
            "cores": 2,
            "kernel": "6.18.0",
            "python": "3.11.7",
            "libraries": {"uvloop": "0.23.0", "websockets": "17.4"},
            "commit": "0123456789ab",
            "load_average": 0.41,
            "open_files_max": 1_048_576,
        },
    }


def _generators(cpu: float) -> tuple[GeneratorHealth, ...]:
    return (
        GeneratorHealth("locust-1", cpu, 8.0, 0, 0, 619),
        GeneratorHealth("audience-1", 0.22, 4.1, 0, 0, 581),
    )


def _timeline() -> tuple[Second, ...]:
    """Calm, a rush of 12 seconds, and a ledger that is behind for a while."""
    found = []
    for second in range(-14, 28):
        phase = next(name for name, ends in _PHASES if second < ends)
        answered = 0 if second < 0 else round(742 * (1 - math.exp(-(second + 1) / 1.4)))
        taken = min(STOCK, max(0, round((second + 0.5) * 260)))
        paid = min(140, max(0, (second - 1) * 30))
        back = 60 if second > 16 else 0
        books = _counters(STOCK - taken + back, taken - paid - back, paid)
        behind = second in range(8, 15)
        found.append(
            Second(
                at_us=(T0_MS + second * 1_000) * 1_000,
                phase=phase,
                viewers=min(600, max(0, (second + 14) * 92)),
                outcomes={"reserved": min(answered, STOCK), "sold_out": max(0, answered - STOCK)},
                books={"items": books},
                lag_entries=40 if behind else 0,
                lag_ms=(second - 7) * 1_000 if behind else 30 + 20 * (second % 3),
                processes=tuple(
                    Process(name, round(calm + rush * math.exp(-((second - 1) ** 2) / 8), 3), rss)
                    for name, calm, rush, rss in (
                        ("web worker 1", 0.18, 0.61, 96_000_000),
                        ("ledger worker 1", 0.02, 0.01, 81_000_000),
                        ("rehearsal ledger worker 1", 0.03, 0.24, 83_000_000),
                        ("redis", 0.02, 0.01, 19_000_000),
                        ("rehearsal redis", 0.04, 0.17, 21_000_000),
                    )
                ),
                unreachable=second == 6,
            )
        )
    return tuple(found)


def _counters(available: int, reserved: int, sold: int) -> list[dict[str, Any]]:
    return [
        {
            "sku": "mug",
            "initial": STOCK,
            "available": available,
            "reserved": reserved,
            "sold": sold,
            "refunded": 0,
        }
    ]


def _books(sold: int, agree: bool = True, why: str = "") -> dict[str, Any]:
    sides = {
        side: {
            "items": [
                {"sku": "mug", "initial": 150, "available": 49, "reserved": 0, "sold": mugs},
                {"sku": "tea", "initial": 50, "available": 11, "reserved": 0, "sold": 39},
            ]
        }
        for side, mugs in (("redis", 101), ("ledger", sold - 39))
    }
    return {"sale": "sale-1", "at_ms": T0_MS, **sides, "lag": 0, "agree": agree, "why": why}


def _spike() -> Spike:
    seconds = []
    for second in range(-2, 12):
        if second < 0:
            outcomes = {"not_started": 12 * (second + 3)}
        elif second == 0:
            outcomes = {"reserved": 200, "sold_out": 64, "limit_reached": 3}
        else:
            outcomes = {"sold_out": max(2, 260 // (second + 1) ** 2), "limit_reached": second % 2}
        winners = quantiles(outcomes.get("reserved", 0), 61)
        told_no = outcomes.get("sold_out", 0) + outcomes.get("not_started", 0)
        losers = quantiles(told_no, 9 + 41 * math.exp(-((second - 0.4) ** 2) / 3))
        seconds.append(SpikeSecond(second, sum(outcomes.values()), outcomes, winners, losers))
    total: dict[str, int] = {}
    for one in seconds:
        for outcome, count in one.outcomes.items():
            total[outcome] = total.get(outcome, 0) + count
    return Spike(tuple(seconds), 38.4, 742.0, 112.6, total, quantiles(200, 61), quantiles(460, 24))


def _fairness() -> Fairness:
    buckets = tuple((60, winners) for winners in (60, 60, 57, 16, 5, 1, 1, 0, 0, 0))
    kinds = {"on_time": (360, 121), "early": (60, 20), "impatient": (90, 31)}
    return Fairness(buckets, {**kinds, "abandoning": (60, 20), "late": (30, 8)})


def _steps() -> tuple[Step, ...]:
    found = []
    for place in range(4):
        factor = 1 + 0.5 * place
        last = place == 3
        found.append(
            Step(
                factor=factor,
                viewers=round(600 * factor),
                orders_per_s=200 * factor,
                answered_per_s=441.0 if last else 200 * factor,
                order_p50_ms=20 * factor**2,
                order_p99_ms=1_812.0 if last else 71 * factor**2,
                delivered_per_s=3_000 * factor,
                delivery_p50_ms=22 * factor,
                delivery_p99_ms=90 * factor**1.6,
                lag_ms=round(120 * factor**2),
                processes=(
                    Process("web worker 1", min(0.99, 0.41 * factor), 99_000_000),
                    Process("rehearsal redis", 0.2, 21_000_000),
                ),
                broken=("order_latency: 1812 ms, promised 1000 ms",) if last else (),
            )
        )
    return tuple(found)


def _drills() -> tuple[DrillReport, ...]:
    return (
        DrillReport(
            *("kill_worker", 5.0, 5.1, 2.4, 11),
            viewers_back_s=3.2,
            counts={"probes": 40, "failed_probes": 3, "viewers_before": 600, "viewers_least": 301},
        ),
        DrillReport("stop_ledger", 8.0, 18.0, 0.9, 0),
        DrillReport("cut_network", 20.0, 0.0, 0.0, 0, refused="no proxy between"),
    )


def _referee() -> Referee:
    return Referee(
        *(120.0, 4, 14.2, 91.0, 12.9, 55.4),
        locust_cpu_us=900.0,
        driver_cpu_us=130.0,
        locust_late_ms=1.4,
        driver_late_ms=0.3,
    )


def _advice() -> tuple[Advice, ...]:
    return (
        Advice("orders_per_s", "320", Say("advice.admission", {"proved": 400, "percent": 80})),
        Advice(
            "ONAIR_ORDERS_WAITING_MAX",
            "320",
            Say("advice.waiting", {"admitted": 320, "ms": 1_000}),
        ),
        Advice(
            "ONAIR_WORKERS",
            "2",
            Say("advice.workers_more", {"percent": 79, "now": 1, "cores": 2, "busy": 70}),
        ),
        Advice(
            "ONAIR_CHAT_PER_S",
            "5",
            Say("advice.chat_held", {"comments_per_s": 5.0, "viewers": 600}),
        ),
    )
