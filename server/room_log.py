"""The log of rooms as the settings want it, for every process that needs one."""

from __future__ import annotations

from rooms.adapters.redis_log import Announcing, LogLimits, RedisRoomLog
from rooms.adapters.script import RedisClient
from server.settings import Settings


def room_log(client: RedisClient, worker: str, settings: Settings) -> RedisRoomLog:
    """`worker` names one life of a process: numbers of appends begin at 1 in each."""
    limits = settings.limits
    return RedisRoomLog(
        client,
        worker,
        LogLimits(
            events_max=limits.history_events_max,
            chat_per_s=limits.chat_per_s,
            chat_burst=limits.chat_burst,
            chat_buyers_percent=limits.chat_buyers_percent,
            chat_buyers_ms=limits.chat_buyers_ms,
            chat_overlooked_ms=limits.chat_overlooked_ms,
            buyer_rank_s=limits.buyer_rank_s,
            buyers_max=limits.buyers_per_room_max,
            part_lapses_ms=limits.part_lapses_ms,
            replicas=limits.replicas_confirm,
            replica_within_ms=limits.redis_within_ms * 4 // 5,  # the client itself waits longer
        ),
        announcing_of(settings),
    )


def announcing_of(settings: Settings) -> Announcing:
    """The embedded Redis has no replicas; another one may have some."""
    if settings.redis_url is None:
        return Announcing.AT_ONCE
    return Announcing.LATER if settings.durability == "replicated" else Announcing.WATCHED
