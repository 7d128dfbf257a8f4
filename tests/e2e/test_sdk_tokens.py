"""Tokens of connections and subscriptions with the published SDKs: expiry, refresh, refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.e2e.conftest import OpenSdk
from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

FOREIGN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmVkIGJ5IHNvbWVib2R5IGVsc2UsIHN1cmVseSE"

# Expiry is looked at before each ping; a pong must be due before the next ping.
QUICK_EXPIRY = {
    "ONAIR_EXPIRED_TOKEN_GRACE_S": "1",
    "ONAIR_PING_INTERVAL_S": "4",
    "ONAIR_PONG_WITHIN_S": "3",
}


class TokenDesk:
    """Hands out a fresh token each time it is asked, and counts."""

    def __init__(self, make: Callable[[], str]) -> None:
        self.asked = 0
        self._make = make

    def __call__(self) -> str:
        self.asked += 1
        return self._make()


async def test_an_expired_token_makes_the_sdk_ask_for_another_and_go_on(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    desk = TokenDesk(lambda: live_server.token("alice"))
    expired = live_server.token("alice", ttl_s=-10)
    sdk = await open_sdk(live_server.ws_url, token=expired, get_token=desk)
    await sdk.connect()
    connected = await sdk.journal.first("connected")
    assert connected["data"]["user"] == "alice"
    assert desk.asked == 1
    assert [error["code"] for error in sdk.journal.all("error")] == [109]


async def test_a_token_is_refreshed_before_its_time_is_up_and_the_connection_stays(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    desk = TokenDesk(lambda: live_server.token("alice", ttl_s=8))
    sdk = await open_sdk(live_server.ws_url, get_token=desk)
    await sdk.connect()
    await sdk.subscribe(f"room:{room}")
    await wait_until(lambda: desk.asked >= 3, 60, "the token was refreshed twice")
    await sdk.rpc("comment.send", {"room": room, "text": "still here"})
    assert len(sdk.journal.all("connected")) == 1
    assert sdk.journal.all("error") == []


async def test_a_refresh_with_a_token_of_somebody_else_is_refused(
    live_server: LiveServer,
) -> None:
    client, _ = await WireClient.join(live_server.ws_url, token=live_server.token("alice"))
    async with client:
        command = client.command("refresh", {"token": live_server.token("mallory")})
        await client.send(command)
        assert (await client.reply(command["id"]))["error"]["code"] == 103


async def test_a_token_that_is_not_ours_closes_with_3500_and_is_not_tried_again(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    sdk = await open_sdk(live_server.ws_url, token=FOREIGN)
    await sdk.connect()
    assert await sdk.journal.first("disconnected") == {"code": 3500, "reason": "invalid token"}
    assert len(sdk.journal.all("connecting")) == 1
    assert sdk.journal.all("connected") == []


async def test_an_expired_token_and_no_way_to_get_another_ends_the_client(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice", ttl_s=-10))
    await sdk.connect()
    assert (await sdk.journal.first("disconnected"))["code"] == 1  # the SDKs' own: unauthorized
    assert sdk.journal.all("connected") == []


async def test_a_connection_whose_token_is_not_refreshed_is_closed_after_the_grace(
    start_server: Callable[..., LiveServer],
) -> None:
    server = start_server(**QUICK_EXPIRY)
    client, result = await WireClient.join(server.ws_url, token=server.token("alice", ttl_s=8))
    assert result["expires"] is True
    assert 1 <= result["ttl"] <= 8
    assert await client.closed() == (3005, "connection expired")
    await client.close()


async def test_a_subscription_token_is_taken_and_refreshed(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    desk = TokenDesk(lambda: live_server.subscription_token("alice", channel, ttl_s=8))
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice"))
    await sdk.connect()
    await sdk.subscribe(channel, get_token=desk)
    await wait_until(lambda: desk.asked >= 3, 60, "the token was refreshed twice")
    await sdk.rpc("time.now", {})
    assert len(sdk.journal.all("subscribed", channel)) == 1
    assert sdk.journal.all("error", channel) == []
    assert sdk.journal.all("unsubscribed", channel) == []


async def test_an_expired_subscription_token_makes_the_sdk_ask_for_another(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    desk = TokenDesk(lambda: live_server.subscription_token("alice", channel))
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice"))
    await sdk.connect()
    expired = live_server.subscription_token("alice", channel, ttl_s=-10)
    await sdk.subscribe(channel, token=expired, get_token=desk)
    await sdk.journal.first("subscribed", channel)
    assert desk.asked == 1


async def test_a_subscription_token_that_is_not_ours_is_refused_for_good(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice"))
    await sdk.connect()
    await sdk.subscribe(f"room:{room}", token=FOREIGN)
    assert (await sdk.journal.first("unsubscribed", f"room:{room}"))["code"] == 103
    assert len(sdk.journal.all("subscribing", f"room:{room}")) == 1


@pytest.mark.parametrize("whose", ["another user", "another room"])
async def test_a_subscription_token_for_something_else_closes_with_3500(
    open_sdk: OpenSdk, live_server: LiveServer, whose: str
) -> None:
    room, other = await asyncio.gather(live_server.new_room(), live_server.new_room())
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice"))
    await sdk.connect()
    if whose == "another user":
        token = live_server.subscription_token("mallory", f"room:{room}")
    else:
        token = live_server.subscription_token("alice", f"room:{other}")
    await sdk.subscribe(f"room:{room}", token=token)
    assert await sdk.journal.first("disconnected") == {"code": 3500, "reason": "invalid token"}


async def test_a_subscription_whose_token_is_not_refreshed_is_ended_with_2501(
    start_server: Callable[..., LiveServer],
) -> None:
    """On the wire: an SDK that has no more tokens to show gives up before the server does."""
    server = start_server(**QUICK_EXPIRY)
    channel = "room:demo"
    client, _ = await WireClient.join(server.ws_url, token=server.token("alice"))
    async with client:
        token = server.subscription_token("alice", channel, ttl_s=8)
        assert 1 <= (await client.subscribe(channel, token=token))["ttl"] <= 8
        assert await client.unsubscribed(channel) == (2501, "subscription expired")
        assert (await client.subscribe(channel))["recoverable"] is True


async def test_sub_refresh_without_a_channel_is_taken_from_the_token(
    live_server: LiveServer,
) -> None:
    """Older versions of the Python SDK leave the channel out."""
    room = await live_server.new_room()
    channel = f"room:{room}"
    client, _ = await WireClient.join(live_server.ws_url, token=live_server.token("alice"))
    async with client:
        token = live_server.subscription_token("alice", channel, ttl_s=60)
        subscribed = await client.subscribe(channel, token=token)
        assert subscribed["expires"] is True
        later = live_server.subscription_token("alice", channel, ttl_s=600)
        refreshed = await client.ask("sub_refresh", {"token": later})
        assert refreshed["expires"] is True
        assert 590 <= refreshed["ttl"] <= 600
