"""The logs of rooms and of visits as the settings want them, for every process that needs one."""

from __future__ import annotations

from rooms.adapters.confirmed import Confirmed
from rooms.adapters.redis_log import Announcing, LogLimits, RedisRoomLog
from rooms.adapters.redis_visits import RedisVisitLog
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
            replica_within_ms=_replica_within_ms(settings),
        ),
        announcing_of(settings),
    )


def visit_log(client: RedisClient, settings: Settings) -> RedisVisitLog:
    limits, confirmed = settings.limits, None
    if announcing_of(settings) is Announcing.LATER:
        confirmed = Confirmed(limits.replicas_confirm, _replica_within_ms(settings))
    return RedisVisitLog(client, entries_max=limits.visit_backlog_entries_max, confirmed=confirmed)


def _replica_within_ms(settings: Settings) -> int:
    return settings.limits.redis_within_ms * 4 // 5  # the client itself waits longer


def announcing_of(settings: Settings) -> Announcing:
    """The embedded Redis has no replicas; another one may have some."""
    if settings.redis_url is None:
        return Announcing.AT_ONCE
    return Announcing.LATER if settings.durability == "replicated" else Announcing.WATCHED
