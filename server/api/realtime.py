"""Server-to-server realtime: what a back end may send into rooms, and ask about them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter

from rooms.model import Lane
from server.api.errors import Refused, documented
from server.api.guard import KEY, KeyRoute, described
from server.api.models import (
    BroadcastAnswer,
    BroadcastEntry,
    BroadcastRequest,
    BroadcastResult,
    ChannelError,
    ChannelRequest,
    DisconnectAnswer,
    DisconnectRequest,
    HistoryAnswer,
    HistoryRequest,
    HistoryResult,
    Nothing,
    Presence,
    PresenceAnswer,
    Publication,
    PublishAnswer,
    PublishRequest,
    Stored,
)
from server.api.services import Services, ServicesHere
from server.ports import RealtimeUnavailable, UnknownChannel

UNKNOWN_CHANNEL = 102
TRY_AGAIN = 100
REASON_BYTES_MAX = 123

routes = APIRouter(route_class=KeyRoute, tags=["realtime"])


@routes.post(
    "/api/publish",
    summary="Publish into a channel",
    operation_id="publish",
    responses=documented(400, 401, 404, 413, 415, 503),
    openapi_extra=described("向频道发布消息", KEY),
)
async def publish(body: PublishRequest, services: ServicesHere) -> PublishAnswer:
    """One JSON value to everybody in a room. On the lanes `state` and `chat` it gets an offset
    and is found again by clients that reconnect; on `pulse` only the newest value counts.
    """
    check_size(body.data, services)
    lane = Lane[body.lane.upper()]
    stored = await services.realtime.publish(body.channel, body.data, lane)
    return PublishAnswer(result=Stored(offset=stored.offset, epoch=stored.epoch))


@routes.post(
    "/api/broadcast",
    summary="Publish into many channels",
    operation_id="broadcast",
    responses=documented(400, 401, 413, 415),
    response_model_exclude_none=True,
    openapi_extra=described("向多个频道广播消息", KEY),
)
async def broadcast(body: BroadcastRequest, services: ServicesHere) -> BroadcastAnswer:
    """The same value into every channel of the list. The answer has one entry for each, in
    their order: a `result`, or an `error` that concerns this channel only.
    """
    most = services.settings.limits.broadcast_channels_max
    if len(body.channels) > most:
        raise Refused(400, f"must be at most {most}", "channels")
    check_size(body.data, services)
    lane = Lane[body.lane.upper()]
    responses = await asyncio.gather(
        *(_publish_one(services, channel, body.data, lane) for channel in body.channels)
    )
    return BroadcastAnswer(result=BroadcastResult(responses=responses))


@routes.post(
    "/api/history",
    summary="Read the history of a channel",
    operation_id="history",
    responses=documented(400, 401, 404, 413, 415, 503),
    openapi_extra=described("读取频道历史", KEY),
)
async def history(body: HistoryRequest, services: ServicesHere) -> HistoryAnswer:
    """Stored events, oldest first, and the newest position of the channel."""
    most = services.settings.limits.history_reply_events_max
    limit = most if body.limit < 0 else min(body.limit, most)
    since = (body.since.offset, body.since.epoch) if body.since else None
    page = await services.realtime.history(body.channel, limit, since, body.reverse)
    publications = [Publication(offset=event.offset, data=event.data) for event in page.events]
    return HistoryAnswer(
        result=HistoryResult(publications=publications, offset=page.offset, epoch=page.epoch)
    )


@routes.post(
    "/api/presence_stats",
    summary="Count who is in a channel",
    operation_id="presenceStats",
    responses=documented(400, 401, 404, 413, 415, 503),
    openapi_extra=described("统计频道在线人数", KEY),
)
async def presence_stats(body: ChannelRequest, services: ServicesHere) -> PresenceAnswer:
    """Connections and users over all workers, at most a few seconds old."""
    clients, users = await services.realtime.presence_stats(body.channel)
    return PresenceAnswer(result=Presence(num_clients=clients, num_users=users))


@routes.post(
    "/api/disconnect",
    summary="Disconnect a user",
    operation_id="disconnect",
    responses=documented(400, 401, 413, 415, 503),
    openapi_extra=described("断开用户连接", KEY),
)
async def disconnect(body: DisconnectRequest, services: ServicesHere) -> DisconnectAnswer:
    """Closes every connection of a user on every worker. The code tells the client whether to
    come back; the default 3503 tells it not to.
    """
    _check_reason(body.reason)
    await services.realtime.disconnect(body.user, body.code, body.reason)
    return DisconnectAnswer(result=Nothing())


async def _publish_one(services: Services, channel: str, data: Any, lane: Lane) -> BroadcastEntry:
    try:
        stored = await services.realtime.publish(channel, data, lane)
    except UnknownChannel:
        return BroadcastEntry(error=ChannelError(code=UNKNOWN_CHANNEL, message="unknown channel"))
    except RealtimeUnavailable:
        message = "not available, try again"
        return BroadcastEntry(error=ChannelError(code=TRY_AGAIN, message=message))
    return BroadcastEntry(result=Stored(offset=stored.offset, epoch=stored.epoch))


def check_size(data: Any, services: Services) -> None:
    """An event reaches every viewer of a room, so it is bounded as their own messages are."""
    most = services.settings.limits.message_bytes_max
    try:
        size = len(orjson.dumps(data))
    except TypeError:
        why = "is nested too deeply or holds a number of more than 64 bits"
        raise Refused(400, why, "data") from None
    if size > most:
        raise Refused(413, f"has more than {most} bytes as JSON", "data")


def _check_reason(reason: str) -> None:
    if not 1 <= len(reason.encode()) <= REASON_BYTES_MAX:
        raise Refused(400, f"must be 1 to {REASON_BYTES_MAX} bytes", "reason")
    try:
        orjson.loads(reason)
    except orjson.JSONDecodeError:
        return
    raise Refused(400, "must not be JSON: clients would read it as such", "reason")
