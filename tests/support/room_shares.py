"""Who is shown when a room is above its comment budget: the rule, for the twin of the room log.

Written from the promise of `rooms.log.RoomLog.append`, not from the Lua.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rooms.adapters.redis_log import LogLimits
from rooms.log import NewComment

if TYPE_CHECKING:
    from tests.support.oracle_store import StoredRoom


def overlooked_of(
    room: StoredRoom, limits: LogLimits, now_ms: int, asking: Sequence[tuple[int, NewComment]]
) -> set[int]:
    """Spend the budget on comments that may be shown; returns the places of those that are not."""
    assert room.tokens is not None
    kept_most = limits.chat_burst * limits.chat_buyers_percent // 100
    if room.tokens - len(asking) >= kept_most:
        room.tokens -= len(asking)
        for _, comment in asking:
            room.shown_ms[comment.author] = now_ms
            room.overlooked_ms.pop(comment.author, None)
        return set()
    order = _order(room, limits, now_ms, asking)
    talking = room.buyers_spoke_ms > 0 and now_ms - room.buyers_spoke_ms < limits.chat_buyers_ms
    kept = kept_most if talking else 0
    overlooked = set()
    for not_first, _, _, index, comment in order:
        if room.tokens - (kept if not_first else 0) >= 1:
            room.tokens -= 1
            room.shown_ms[comment.author] = now_ms
            room.overlooked_ms.pop(comment.author, None)
        else:
            overlooked.add(index)
            room.overlooked_ms.setdefault(comment.author, now_ms)
    return overlooked


def _order(
    room: StoredRoom, limits: LogLimits, now_ms: int, asking: Sequence[tuple[int, NewComment]]
) -> list[tuple[bool, int, int, int, NewComment]]:
    """(not first, nth of its author, last shown, place, comment), as they come to their turn."""
    spoken: Counter[str] = Counter()
    order = []
    for index, comment in asking:
        author = comment.author
        bought_ms = room.bought_ms.get(author)
        is_buyer = bought_ms is not None and now_ms - bought_ms < limits.buyer_rank_s * 1_000
        if is_buyer:
            room.buyers_spoke_ms = now_ms
        waited_ms = now_ms - room.overlooked_ms.get(author, now_ms)
        waited = author in room.overlooked_ms and waited_ms >= limits.chat_overlooked_ms
        first = is_buyer or (waited and not spoken[author])
        shown_ms = room.shown_ms.get(author, 0)
        order.append((not first, spoken[author], shown_ms, index, comment))
        spoken[author] += 1
    return sorted(order, key=lambda one: one[:4])
