"""What all workers are told, each message given to the part that it concerns."""

from __future__ import annotations

from collections.abc import Collection

from flash_sale.adapters.script import sale_of_channel
from rooms.adapters.redis_feed import RedisFeed
from server.control import CHANNEL, Control
from server.live_rooms import LiveRooms
from server.redis_client import Client
from server.sales.live_sales import LiveSales
from server.settings import Limits


def open_feed(
    listener: Client, control: Control, sales: LiveSales, rooms: LiveRooms, limits: Limits
) -> RedisFeed:
    """What is announced by all workers, each message to whom it concerns. It does not run yet."""

    def heard(channel: str, message: bytes) -> None:
        if channel == CHANNEL:
            control.received(message)
        elif sale_of_channel(channel) is not None:
            sales.announced(channel, message)
        else:
            rooms.announced(channel, message)

    async def resumed(channels: Collection[str]) -> None:
        if any(one == CHANNEL or sale_of_channel(one) is not None for one in channels):
            sales.resumed()
        await rooms.resumed(channels)

    return RedisFeed(
        listener,
        on_message=heard,
        on_resumed=resumed,
        subscribe_within_s=limits.append_within_s,
    )
