"""The table of `docs/SCALING.md`: some rooms, what each needs and what it meets first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadtest.scaling.constants import Costs
from loadtest.scaling.model import Fleet, Need, fleet_for

ROOMS = (
    Need(viewers=100, events_per_s=10, orders_per_s=5),
    Need(viewers=2_000, events_per_s=20, orders_per_s=50),
    Need(viewers=2_000, events_per_s=500, orders_per_s=50),
    Need(viewers=15_000, events_per_s=40, orders_per_s=200),
    Need(viewers=15_000, events_per_s=40, orders_per_s=2_000),
    Need(viewers=100_000, events_per_s=40, orders_per_s=2_000),
    Need(viewers=300_000, events_per_s=40, orders_per_s=5_000, delivery_ms=600),
    Need(viewers=1_000_000, events_per_s=40, orders_per_s=8_000, delivery_ms=600),
)
_HEAD = (
    "viewers", "events/s", "orders/s", "workers", "decided by", "p50 / p99 ms", "worker's core",
    "Redis: room + sale", "ledger", "cores", "memory GB", "Gbit/s plain / compressed",
    "herd back s",
)  # fmt: skip


def with_talk(need: Need) -> Need:
    """The need with as many comments written as events are seen, and likes by every 50th viewer."""
    return replace(need, comments_per_s=need.events_per_s, likes_per_s=need.viewers / 50)


def markdown(costs: Costs | None = None) -> str:
    """One line for each room, as the document has it."""
    lines = [_line(_HEAD), _line("---" if at == 4 else "---:" for at in range(len(_HEAD)))]
    for room in ROOMS:
        need = with_talk(room)
        lines.append(_line(_cells(need, fleet_for(need, costs))))
    return "\n".join(lines)


def _cells(need: Need, fleet: Fleet) -> list[str]:
    return [
        f"{need.viewers:,}",
        f"{need.events_per_s:g}",
        f"{need.orders_per_s:,g}",
        f"{fleet.workers}",
        fleet.first_limit + (", not met" if fleet.unmet else ""),
        f"{fleet.p50_ms:.0f} / {fleet.p99_ms:.0f}",
        f"{fleet.worker_share:.0%}",
        f"{fleet.redis_room_share:.0%} + {fleet.redis_sale_share:.0%}",
        f"{fleet.ledger_share:.0%}",
        f"{fleet.cores}",
        f"{fleet.memory_bytes / 1e9:.1f}",
        f"{fleet.out_bytes_per_s * 8e-9:.2f} / {fleet.out_bytes_per_s_deflated * 8e-9:.2f}",
        f"{fleet.herd_back_s:.0f}",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
