"""centrifuge-python, as published, behind the names that tests use."""

from __future__ import annotations

import asyncio
import gc
import uuid
from typing import Any

import centrifuge
from centrifuge.handlers import ClientEventHandler, SubscriptionEventHandler
from websockets.asyncio.client import ClientConnection

from tests.support.sdk_client import (
    CLIENT,
    RECONNECT_DELAY_MS,
    GetToken,
    History,
    Journal,
    SdkRefused,
)
from tests.support.wait import wait_until

_DELAYS_S = [delay_ms / 1000 for delay_ms in RECONNECT_DELAY_MS]
_MARK = "X-Sdk-Client"  # a header by which the SDK's connections are found again


class PythonSdkClient:
    """Implements `tests.support.sdk_client.SdkClient`."""

    def __init__(self, url: str, *, token: str = "", get_token: GetToken | None = None) -> None:
        self.journal = Journal()
        self._id = uuid.uuid4().hex
        self._client = centrifuge.Client(
            url,
            events=_client_events(self.journal),
            token=token,
            get_token=None if get_token is None else _asynchronous(get_token),
            min_reconnect_delay=_DELAYS_S[0],
            max_reconnect_delay=_DELAYS_S[1],
            headers={_MARK: self._id},
            proxy=None,
        )

    async def connect(self) -> None:
        await self._client.connect()

    async def disconnect(self) -> None:
        await self._client.disconnect()

    async def subscribe(
        self, channel: str, *, token: str = "", get_token: GetToken | None = None
    ) -> None:
        subscription = self._client.get_subscription(channel)
        if subscription is None:
            subscription = self._client.new_subscription(
                channel,
                events=_channel_events(self.journal, channel),
                token=token,
                get_token=None if get_token is None else _asynchronous(get_token),
                min_resubscribe_delay=_DELAYS_S[0],
                max_resubscribe_delay=_DELAYS_S[1],
            )
        await subscription.subscribe()

    async def unsubscribe(self, channel: str) -> None:
        await self._client.get_subscription(channel).unsubscribe()

    async def rpc(self, method: str, data: Any) -> Any:
        return (await _told(self._client.rpc(method, data))).data

    async def publish(self, channel: str, data: Any) -> None:
        await _told(self._client.publish(channel, data))

    async def history(
        self,
        channel: str,
        *,
        limit: int,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History:
        position = None if since is None else centrifuge.StreamPosition(*since)
        page = await _told(
            self._client.history(channel, limit=limit, since=position, reverse=reverse)
        )
        publications = [(one.offset, one.data) for one in page.publications]
        return History(publications, page.offset, page.epoch)

    async def presence(self, channel: str) -> dict[str, dict[str, Any]]:
        clients = (await _told(self._client.presence(channel))).clients
        return {
            client_id: {"user": one.user, "info": one.conn_info}
            for client_id, one in clients.items()
        }

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        stats = await _told(self._client.presence_stats(channel))
        return stats.num_clients, stats.num_users

    async def close(self) -> None:
        await self._client.disconnect()
        for connection in self._connections():  # it lets go of them without waiting
            await connection.wait_closed()

    def _connections(self) -> list[ClientConnection]:
        """Those that the SDK has opened and that still exist; it keeps no list of them itself."""
        found = [one for one in gc.get_objects() if type(one) is ClientConnection]
        requests = [(one, getattr(one, "request", None)) for one in found]
        return [one for one, asked in requests if asked and asked.headers.get(_MARK) == self._id]


async def python_sdk_has_ended() -> None:
    """After all clients are closed: wait for the SDK's own tasks, which end a little later."""
    await wait_until(
        lambda: not any(map(_is_of_sdk, asyncio.all_tasks())), 20, "the SDK's tasks have ended"
    )


def _is_of_sdk(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/centrifuge/" in code.co_filename


async def _told(call: Any) -> Any:
    try:
        return await call
    except centrifuge.ReplyError as error:
        raise SdkRefused(error.code, error.message) from error
    except centrifuge.CentrifugeError as error:
        raise SdkRefused(0, str(error)) from error


def _asynchronous(get_token: GetToken) -> Any:
    async def get(*_channel: str) -> str:
        return get_token()

    return get


def _client_events(journal: Journal) -> ClientEventHandler:
    class Events(ClientEventHandler):  # type: ignore[misc]
        async def on_connecting(self, ctx: Any) -> None:
            journal.add(CLIENT, "connecting", {"code": ctx.code, "reason": ctx.reason})

        async def on_connected(self, ctx: Any) -> None:
            journal.add(CLIENT, "connected", {"client": ctx.client, "data": ctx.data})

        async def on_disconnected(self, ctx: Any) -> None:
            journal.add(CLIENT, "disconnected", {"code": ctx.code, "reason": ctx.reason})

        async def on_error(self, ctx: Any) -> None:
            code = getattr(ctx.error, "code", 0)
            journal.add(CLIENT, "error", {"code": code, "message": str(ctx.error)})

        async def on_subscribed(self, ctx: Any) -> None:
            journal.add(ctx.channel, "subscribed", {"data": ctx.data})

        async def on_unsubscribed(self, ctx: Any) -> None:
            journal.add(ctx.channel, "unsubscribed", {})

        async def on_publication(self, ctx: Any) -> None:
            facts = {"offset": ctx.pub.offset, "data": ctx.pub.data}
            journal.add(ctx.channel, "publication", facts)

    return Events()


def _channel_events(journal: Journal, channel: str) -> SubscriptionEventHandler:
    class Events(SubscriptionEventHandler):  # type: ignore[misc]
        async def on_subscribing(self, ctx: Any) -> None:
            journal.add(channel, "subscribing", {"code": ctx.code, "reason": ctx.reason})

        async def on_subscribed(self, ctx: Any) -> None:
            facts = {
                "recoverable": ctx.recoverable,
                "positioned": ctx.positioned,
                "was_recovering": ctx.was_recovering,
                "recovered": ctx.recovered,
                "offset": ctx.stream_position.offset,
                "epoch": ctx.stream_position.epoch,
                "data": ctx.data,
            }
            journal.add(channel, "subscribed", facts)

        async def on_unsubscribed(self, ctx: Any) -> None:
            journal.add(channel, "unsubscribed", {"code": ctx.code, "reason": ctx.reason})

        async def on_publication(self, ctx: Any) -> None:
            facts = {"offset": ctx.pub.offset, "data": ctx.pub.data}
            journal.add(channel, "publication", facts)

        async def on_error(self, ctx: Any) -> None:
            code = getattr(ctx.error, "code", 0)
            journal.add(channel, "error", {"code": code, "message": str(ctx.error)})

    return Events()
