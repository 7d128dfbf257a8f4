"""From a crowd to workers, cores and hosts: queueing by arithmetic, no simulation.

Each worker holds an equal part of one room. A flush writes one frame to each of its viewers; when
it waits for a tick, and how long, is as in `rooms/pacing.py`. All figures are of the busiest second
that the need describes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from loadtest.scaling.constants import Costs

GAPS_MS = (20, 50, 100, 200, 500)  # of ONAIR_APPEND_GAP_MS, the first that Redis bears
WORKERS_MAX = 2_000
_PING_INTERVAL_S = 25
_LARGE_SHARE = 0.75  # of the loop, for large rooms with shorter ticks
_RETRY_S = 1.0  # the official SDKs come back after a random part of it


@dataclass(frozen=True, slots=True)
class Need:
    """One room at its busiest. Rates are per second and of the whole room."""

    viewers: int
    events_per_s: float  # State and Chat events that viewers see
    orders_per_s: float = 0.0  # purchases that are reserved
    refusals_per_s: float = 0.0  # answers "sold out"
    comments_per_s: float = 0.0  # that are written, also those above the room's budget
    likes_per_s: float = 0.0  # like.add commands: pages gather taps
    delivery_ms: float = 400.0  # 99 of 100 deliveries are to be faster
    busy_share_max: float = 0.7  # of a core, for web workers, Redis and the ledger
    viewers_per_worker_max: int = 19_744  # open files less what a worker needs for itself
    accepts_per_s: int = 3_000  # ONAIR_ACCEPTS_PER_S, per worker
    tick_ms_max: float = 250.0
    fanout_share: float = 0.3  # ONAIR_FANOUT_LOOP_PERCENT


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the need takes. Shares are of one core; `first_limit` is what decided the workers."""

    workers: int
    viewers_per_worker: int
    tick_ms: float
    frames_per_s: float  # to each viewer
    p50_ms: float
    p99_ms: float
    worker_share: float
    worker_parts: dict[str, float]  # what the share is made of
    append_gap_ms: int
    redis_room_share: float
    redis_sale_share: float
    ledger_share: float
    cores: int
    memory_bytes: float  # of all web workers, the kernel's sockets included
    out_bytes_per_s: float
    out_bytes_per_s_deflated: float
    herd_back_s: float  # all cut off at once are in again
    first_limit: str
    unmet: tuple[str, ...]  # what no number of workers mends


def fleet_for(need: Need, costs: Costs | None = None) -> Fleet:
    """The smallest fleet that serves the need; if none does, the fastest, and `unmet` says why."""
    costs = costs or Costs()
    fewer: dict[str, float] = {}
    fastest: Fleet | None = None
    for workers in _counts():
        fleet = _fleet(need, costs, workers)
        over = {name: load for name, load in _loads(need, fleet).items() if load > 1}
        if not over:
            return replace(fleet, first_limit=_worst(fewer or _loads(need, fleet)))
        fewer = over
        if fastest is None or fleet.p99_ms < fastest.p99_ms:
            fastest = replace(fleet, first_limit=_worst(over), unmet=tuple(over))
    assert fastest is not None
    return fastest


def _counts() -> list[int]:
    """Every number up to 64, then in steps of about 3 %: nobody plans 731 workers exactly."""
    counts = list(range(1, 65))
    while counts[-1] < WORKERS_MAX:
        counts.append(math.ceil(counts[-1] * 1.03))
    return counts


def _fleet(need: Need, costs: Costs, workers: int) -> Fleet:
    viewers = math.ceil(need.viewers / workers)
    gap_ms, redis_share = _redis_room(need, costs, workers)
    flush_s = viewers * (costs.frame_us + costs.frame_event_us) / 1e6
    tick_s = _tick_s(need, flush_s)
    frames = _frames_per_s(need.events_per_s, tick_s)
    parts = _worker_parts(need, costs, workers, viewers, frames, gap_ms)
    busy = 1 - math.exp(-need.events_per_s * tick_s)  # how often an event finds a tick running
    waits_ms = busy * tick_s * 1000
    path_ms = costs.publish_path_ms + (gap_ms if gap_ms > GAPS_MS[0] else 0)
    ledger = need.orders_per_s * costs.ledger_us / 1e6
    sale = need.orders_per_s * costs.decision_us / 1e6
    plain = need.viewers * (frames * costs.frame_bytes + need.events_per_s * costs.event_bytes)
    gathered = need.events_per_s * costs.event_bytes * costs.deflated
    share = sum(parts.values())
    return Fleet(
        workers=workers,
        viewers_per_worker=viewers,
        tick_ms=tick_s * 1000,
        frames_per_s=frames,
        p50_ms=path_ms + waits_ms / 2 + flush_s * 500,
        p99_ms=path_ms + waits_ms + flush_s * 1000,
        worker_share=share,
        worker_parts=parts,
        append_gap_ms=gap_ms,
        redis_room_share=redis_share,
        redis_sale_share=sale,
        ledger_share=ledger,
        cores=_cores(workers * share, redis_share + sale, ledger, need.busy_share_max, workers),
        memory_bytes=workers * costs.worker_bytes
        + need.viewers * (costs.viewer_bytes + costs.socket_bytes),
        out_bytes_per_s=plain,
        out_bytes_per_s_deflated=need.viewers * (frames * costs.frame_bytes + gathered),
        herd_back_s=_RETRY_S
        + need.viewers / workers / min(need.accepts_per_s, 1e6 / costs.connect_us),
        first_limit="",
        unmet=(),
    )


def _tick_s(need: Need, flush_s: float) -> float:
    """0 while all that is asked may be sent at once; above that the more, the longer."""
    asked = need.events_per_s * flush_s
    if asked <= need.fanout_share:
        return 0.0
    longest_s = max(need.tick_ms_max / 1000 - flush_s / 2, flush_s / _LARGE_SHARE)
    wanted_s = flush_s / need.fanout_share * (asked / need.fanout_share)
    return max(min(wanted_s, longest_s, need.tick_ms_max / 1000), flush_s)


def _frames_per_s(events_per_s: float, tick_s: float) -> float:
    """A cycle is a tick and, if nothing came in it, the wait for the next event."""
    if events_per_s <= 0:
        return 0.0
    idle_s = math.exp(-events_per_s * tick_s) / events_per_s
    return 1 / (tick_s + idle_s)


def _worker_parts(
    need: Need, costs: Costs, workers: int, viewers: int, frames: float, gap_ms: int
) -> dict[str, float]:
    events = need.events_per_s
    batches = _batches_per_s(need, workers, gap_ms)
    micro = {
        "fan-out": viewers * (frames * costs.frame_us + events * costs.frame_event_us),
        "announcements": batches * costs.announcement_us + events * costs.announced_event_us,
        "comments": need.comments_per_s / workers * costs.comment_us,
        "likes": need.likes_per_s / workers * costs.like_us,
        "purchases": need.orders_per_s / workers * costs.order_us
        + need.refusals_per_s / workers * costs.refusal_us,
        "pings": viewers / _PING_INTERVAL_S * costs.ping_us,
    }
    published = max(0.0, events - need.comments_per_s)  # the rest comes by the HTTP API
    micro["publishing"] = published / workers * costs.publish_us
    return {name: value / 1e6 for name, value in micro.items()}


def _batches_per_s(need: Need, workers: int, gap_ms: int) -> float:
    """Batches appended to the room, by all workers: each gathers for the gap."""
    said = need.events_per_s + need.comments_per_s + need.likes_per_s
    return min(said, workers * 1000 / gap_ms)


def _redis_room(need: Need, costs: Costs, workers: int) -> tuple[int, float]:
    """The gap between batches that one Redis bears, and its share of a core then."""
    gap_ms, share = GAPS_MS[0], 0.0
    for gap_ms in GAPS_MS:
        batches = _batches_per_s(need, workers, gap_ms)
        micro = batches * (costs.append_us + workers * costs.subscriber_us)
        said = need.events_per_s + need.comments_per_s
        share = (micro + said * costs.append_event_us) / 1e6
        if share <= need.busy_share_max:
            break
    return gap_ms, share


def _cores(web: float, redis: float, ledger: float, share_max: float, workers: int) -> int:
    """Cores for everything, none of them fuller than asked; a worker has one for itself."""
    return max(workers, math.ceil(web / share_max)) + math.ceil((redis + ledger) / share_max)


def _loads(need: Need, fleet: Fleet) -> dict[str, float]:
    """What may run out, as a share of what there is; above 1 the fleet does not serve the need."""
    return {
        "open files of a worker": fleet.viewers_per_worker / need.viewers_per_worker_max,
        "the worker's core": fleet.worker_share / need.busy_share_max,
        "delivery time": fleet.p99_ms / need.delivery_ms,
        "the Redis of the room": fleet.redis_room_share / need.busy_share_max,
        "the Redis of the sale": fleet.redis_sale_share / need.busy_share_max,
        "the ledger": fleet.ledger_share / need.busy_share_max,
    }


def _worst(loads: dict[str, float]) -> str:
    return max(loads, key=lambda name: loads[name])
