"""A room that is unloaded while somebody waits to join it: they join the one that is there."""

from __future__ import annotations

import asyncio

from rooms.adapters.redis_log import Announcing
from rooms.log import NewEvent, Position
from rooms.model import Lane
from server.live_room import LiveRoom
from server.settings import Limits
from tests.property.test_room_machine import MemoryBackend
from tests.support.room_client import StageClient
from tests.support.room_stage import ROOM, Ledger, StageWorker
from tests.support.room_world import FILTER, TOKENS, token_of
from tests.support.wait import wait_until


async def test_who_waited_for_a_room_that_was_unloaded_meanwhile_hears_it() -> None:
    limits = Limits(room_idle_unload_s=1)
    backend = MemoryBackend(Announcing.AT_ONCE)
    worker = StageWorker(backend.log("w", limits), Ledger(), TOKENS, FILTER, limits)
    worker.listen_with(backend.feed("w", worker.feed))
    reach = worker.rooms.reach

    async def reach_and_unload(room: LiveRoom, offset: int) -> None:
        await reach(room, offset)
        if room is first:  # the keeper's turn comes before the viewer's
            await worker.rooms._unload(room)

    worker.rooms.reach = reach_and_unload  # type: ignore[method-assign]
    event = NewEvent(Lane.STATE, "notice", b'{"t":"notice","text":"here"}')
    first = await worker.rooms.open(ROOM)
    assert first is not None
    client = StageClient("ann", token_of("ann"), deflated=False)
    client.position = Position(offset=first.replica.top + 5, epoch=first.replica.epoch)
    client.connect(worker)
    await wait_until(lambda: client.joined, 20, "she is in the room")
    await worker.announce([event])
    await wait_until(lambda: len(client.seen) == 1, 20, "she hears what is said there")
    await worker.close()
    await asyncio.sleep(0)
