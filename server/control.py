"""Words between workers: personal events, sanctions taking effect, forced disconnects, new sales.

One channel for all workers. It is a hint, not a record: what must not be lost (a ban, say)
stands in SQL and in the room's log, and every worker looks there every few seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
from redis.exceptions import RedisError

from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable
from rooms.model import RoomId, UserId
from server.codec import Pulse
from server.gateway import Gateway
from server.live_room import RANKING
from server.live_rooms import LiveRooms
from server.replies import Close

CHANNEL = "onair:control"
_LOG = logging.getLogger("onair.control")


def incentive_message(user_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """A personal event about rewards, on `#<user>`, where its person may be shown incentives."""
    return {"kind": "incentive", "user": user_id, "data": data}


def pulse_message(room_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """A value for everybody in a room of which only the newest matters; `t` is its name."""
    return {"kind": "pulse", "room": room_id, "data": data}


async def tell_workers(client: RedisClient, message: dict[str, Any]) -> None:
    """Send a message to all web workers. Raises `RoomLogUnavailable`."""
    try:
        await client.execute_command("SPUBLISH", CHANNEL, orjson.dumps(message))
    except (RedisError, OSError) as error:
        raise RoomLogUnavailable(f"tell all workers: {error}") from error


class Control:
    """Sends to all workers, this one included, and does what arrives."""

    def __init__(
        self,
        client: RedisClient,
        gateway: Gateway,
        rooms: LiveRooms,
        on_sale: Callable[[str], None] = lambda _sale_id: None,
        shows_rewards: Callable[[str], bool] = lambda _app: True,
        on_ranking: Callable[[str], None] = lambda _room_id: None,
    ) -> None:
        self._client = client
        self._gateway = gateway
        self._rooms = rooms
        self._on_sale = on_sale
        self._shows_rewards = shows_rewards
        self._on_ranking = on_ranking
        self._actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "personal": self._personal,
            "incentive": self._incentive,
            "pulse": self._pulse,
            "disconnect": self._disconnect,
            "sanctioned": self._sanctioned,
            "sale": lambda message: self._on_sale(message["sale"]),
        }

    async def tell(self, user_id: str, data: dict[str, Any]) -> None:
        """Send a personal event to every connection of a user, on `#<user>`."""
        await self._send({"kind": "personal", "user": user_id, "data": data})

    async def disconnect(self, user_id: str, code: int, reason: str) -> None:
        """Close every connection of a user."""
        await self._send({"kind": "disconnect", "user": user_id, "code": code, "reason": reason})

    async def sanctioned(self, room_id: RoomId, user_id: str, moderation: dict[str, Any]) -> None:
        """A mute or ban was put in place or lifted: tell its subject, and let bans bite."""
        await self._send(
            {"kind": "sanctioned", "room": room_id, "user": user_id, "data": moderation}
        )

    async def sale(self, sale_id: str) -> None:
        """A sale was put into the store: whoever cares for running sales may look at once."""
        await self._send({"kind": "sale", "sale": sale_id})

    async def _send(self, message: dict[str, Any]) -> None:
        await tell_workers(self._client, message)

    def received(self, message: bytes) -> None:
        """A message of any worker arrived."""
        value = orjson.loads(message)
        action = self._actions.get(value["kind"])
        if action is None:
            _LOG.warning("unknown control message %r of another version", value["kind"])
            return
        action(value)

    def _personal(self, message: dict[str, Any]) -> None:
        user_id = UserId(message["user"])
        pulse = Pulse(orjson.dumps(message["data"]))
        for viewer in self._gateway.connections_of(user_id):
            viewer.send(viewer.codec.pulses(f"#{user_id}", [pulse]))

    def _incentive(self, message: dict[str, Any]) -> None:
        """As `personal`, but not where the app whose browser it is allows no incentives."""
        user_id = UserId(message["user"])
        pulse = Pulse(orjson.dumps(message["data"]))
        for viewer in self._gateway.connections_of(user_id):
            if self._shows_rewards(viewer.origin.app):
                viewer.send(viewer.codec.pulses(f"#{user_id}", [pulse]))

    def _pulse(self, message: dict[str, Any]) -> None:
        name = message["data"]["t"]
        if name == RANKING:
            self._on_ranking(message["room"])
        room = self._rooms.loaded(RoomId(message["room"]))
        if room is not None:
            room.pulse(name, orjson.dumps(message["data"]))

    def _disconnect(self, message: dict[str, Any]) -> None:
        close = Close(message["code"], message["reason"])
        for viewer in self._gateway.connections_of(UserId(message["user"])):
            viewer.close(close)

    def _sanctioned(self, message: dict[str, Any]) -> None:
        self._personal(message)
        room = self._rooms.loaded(RoomId(message["room"]))
        if room is None:
            return
        user_id, action = UserId(message["user"]), message["data"]["action"]
        if action == "banned":
            self._rooms.apply_bans(room, room.replica.banned | {user_id})
        elif action == "unbanned":
            self._rooms.apply_bans(room, room.replica.banned - {user_id})
