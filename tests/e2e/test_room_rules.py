"""The rules of a room on a real server: who may do what, how fast, and what everybody sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

Join = Callable[..., Awaitable[WireClient]]

ROLES = ["guest", "viewer", "moderator", "host", "merchant"]
STAFF_ACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("comment.remove", "moderator", {"id": "COMMENT", "reason": "spam"}),
    ("comment.pin", "moderator", {"id": "COMMENT"}),
    ("room.mode", "moderator", {"slow_seconds": 0}),
    ("room.mute", "moderator", {"user": "rude", "seconds": 60, "reason": "spam"}),
    ("room.ban", "moderator", {"user": "rude", "reason": "spam"}),
    ("room.unban", "moderator", {"user": "rude"}),
    ("product.pin", "host", {"product": None}),
    ("room.notice", "host", {"text": "hello"}),
]


@pytest.fixture
async def room(live_server: LiveServer) -> str:
    return await live_server.new_room()


@pytest.fixture
async def join(live_server: LiveServer, room: str) -> AsyncIterator[Join]:
    """`await join("ada", role="viewer")`: a client in the test's room; `user=""` is a guest."""
    async with AsyncExitStack() as open_clients:

        async def join_one(user: str = "", *, role: str = "viewer", **claims: Any) -> WireClient:
            token = live_server.token(user, role=role, **claims) if user else ""
            client, _ = await WireClient.join(live_server.ws_url, f"room:{room}", token)
            return await open_clients.enter_async_context(client)

        yield join_one


async def refusal(client: WireClient, method: str, data: dict[str, Any]) -> WireError:
    with pytest.raises(WireError) as refused:
        await client.rpc(method, data)
    return refused.value


async def say(client: WireClient, room: str, text: str, **more: Any) -> str:
    result = await client.rpc("comment.send", {"room": room, "text": text, **more})
    comment_id = result["id"]
    assert isinstance(comment_id, str)
    return comment_id


def names(comment_id: str, data: dict[str, Any]) -> bool:
    return data.get("id") == comment_id


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_its_own_acts_and_no_more(room: str, join: Join, role: str) -> None:
    speaker = await join("speaker")
    actor = await (join() if role == "guest" else join(f"the-{role}", role=role))
    comment_id = await say(speaker, room, "hello")
    for method, least, data in STAFF_ACTS:
        if data.get("id") == "COMMENT":
            data = {**data, "id": comment_id}
        if method == "comment.remove":
            continue  # last, below: the others need the comment
        if ROLES.index(role) >= ROLES.index(least):
            assert await actor.rpc(method, {"room": room, **data}) == {}
        else:
            refused = await refusal(actor, method, {"room": room, **data})
            assert refused.code == (401 if role == "guest" else 403), method
    removal = {"room": room, "id": comment_id, "reason": "spam"}
    if ROLES.index(role) >= ROLES.index("moderator"):
        assert await actor.rpc("comment.remove", removal) == {}
    else:
        assert (await refusal(actor, "comment.remove", removal)).code in {401, 403}


async def test_a_role_holds_only_in_the_rooms_it_names(
    live_server: LiveServer, room: str, join: Join
) -> None:
    elsewhere = await live_server.new_room()
    host = await join("wandering", role="host", rooms=[elsewhere])
    refused = await refusal(host, "room.notice", {"room": room, "text": "mine now"})
    assert refused.code == 403
    assert "host" in refused.message
    assert await host.rpc("room.notice", {"room": elsewhere, "text": "mine"}) == {}


async def test_a_guest_may_like_and_watch_but_not_speak(room: str, join: Join) -> None:
    guest = await join()
    assert await guest.rpc("like.add", {"room": room, "n": 3}) == {"total": 3}
    for method, data in [
        ("comment.send", {"room": room, "text": "hi"}),
        ("comment.like", {"room": room, "id": "any"}),
    ]:
        refused = await refusal(guest, method, data)
        assert (refused.code, "sign in" in refused.message) == (401, True)


async def test_likes_of_many_add_up_exactly_and_everybody_is_told(room: str, join: Join) -> None:
    fans = [await join(f"fan-{number}") for number in range(5)]
    watcher = await join()
    await asyncio.gather(
        *(fan.rpc("like.add", {"room": room, "n": 7}) for fan in fans for _ in range(4))
    )
    await watcher.event(
        f"room:{room}", lambda data: data.get("total") == 140, "the whole total arrives"
    )
    deltas = [pulse["delta"] for pulse in watcher.pulses(f"room:{room}", "likes")]
    assert sum(deltas) == 140


async def test_a_comment_is_liked_once_per_person(room: str, join: Join) -> None:
    ada, bo = await join("ada"), await join("bo")
    comment_id = await say(ada, room, "like me")
    liked = {"room": room, "id": comment_id}
    assert await ada.rpc("comment.like", liked) == {"likes": 1}
    assert await ada.rpc("comment.like", liked) == {"likes": 1}
    assert await bo.rpc("comment.like", liked) == {"likes": 2}
    await ada.event(
        f"room:{room}",
        lambda data: data.get("counts") == {comment_id: 2},
        "the count of the comment arrives",
    )
    late = await join("late")
    snapshot = await late.message(lambda message: "subscribe" in message, "the snapshot")
    assert snapshot["subscribe"]["data"]["comment_likes"] == {comment_id: 2}


async def test_a_reply_names_a_comment_that_exists(room: str, join: Join) -> None:
    ada = await join("ada")
    first = await say(ada, room, "question?")
    await ada.event(f"room:{room}", lambda data: data.get("id") == first, "the question")
    answer = await say(ada, room, "answer", reply_to=first)
    event = await ada.event(f"room:{room}", lambda data: data.get("id") == answer, "the answer")
    assert event["reply_to"] == first
    refused = await refusal(
        ada, "comment.send", {"room": room, "text": "to whom?", "reply_to": "nobody"}
    )
    assert (refused.code, refused.message.startswith("reply_to:")) == (404, True)


async def test_the_same_cid_gives_the_same_comment_and_another_text_conflicts(
    room: str, join: Join
) -> None:
    ada = await join("ada")
    first = await say(ada, room, "once", cid="c-1")
    assert await say(ada, room, "once", cid="c-1") == first
    refused = await refusal(ada, "comment.send", {"room": room, "text": "twice", "cid": "c-1"})
    assert (refused.code, refused.message.startswith("cid:")) == (409, True)
    after = await say(ada, room, "another", cid="c-2")
    await ada.event(f"room:{room}", lambda data: data.get("id") == after, "the last comment")
    texts = [data["text"] for _, data in ada.stored(f"room:{room}")]
    assert texts == ["once", "another"]


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        ({"text": "hi"}, 400, "room"),
        ({"room": "ROOM"}, 400, "text"),
        ({"room": "ROOM", "text": ""}, 400, "text"),
        ({"room": "ROOM", "text": "   "}, 400, "text"),
        ({"room": "ROOM", "text": 5}, 400, "text"),
        ({"room": "ROOM", "text": "hi", "colour": "red"}, 400, "colour"),
        ({"room": "ROOM", "text": "hi", "cid": "not an id!"}, 400, "cid"),
        ({"room": "ROOM", "text": "x" * 201}, 413, "text"),
        ({"room": "ROOM", "text": "x" * 5_000}, 413, "text"),
        ({"room": "ROOM", "text": "加我微信 abc12345"}, 422, "text"),
        ({"room": "ROOM", "text": "１３８ 0013 8000"}, 422, "text"),
        ({"room": "ROOM", "text": "see www.cheap-stuff.com"}, 422, "text"),
        ({"room": "elsewhere", "text": "hi"}, 404, "room"),
    ],
)
async def test_a_bad_comment_is_refused_and_the_field_is_named(
    room: str, join: Join, data: dict[str, Any], code: int, field: str
) -> None:
    ada = await join("ada")
    request = {name: room if value == "ROOM" else value for name, value in data.items()}
    refused = await refusal(ada, "comment.send", request)
    assert (refused.code, refused.message.partition(":")[0]) == (code, field)


async def test_slow_mode_holds_viewers_back_and_says_for_how_long(room: str, join: Join) -> None:
    host, ada = await join("host", role="host"), await join("ada")
    await host.rpc("room.mode", {"room": room, "slow_seconds": 30})
    await ada.event(f"room:{room}", lambda data: data.get("slow_seconds") == 30, "the mode")
    began_s = time.monotonic()
    await say(ada, room, "first")
    refused = await refusal(ada, "comment.send", {"room": room, "text": "second"})
    left_s = range(30 - int(time.monotonic() - began_s) - 1, 31)
    assert refused.code == 429
    assert refused.message.split() in (["too", "fast:", "wait", str(s), "s"] for s in left_s)
    for text in ("staff", "speak", "freely"):
        await say(host, room, text)


async def test_one_person_cannot_flood_a_room_from_several_connections(
    room: str, join: Join
) -> None:
    phones = [await join("ada") for _ in range(3)]
    began_s = time.monotonic()
    answers = await asyncio.gather(
        *(say(phone, room, f"flood {n}") for n in range(4) for phone in phones),
        return_exceptions=True,
    )
    took_s = time.monotonic() - began_s
    refused = [answer for answer in answers if isinstance(answer, WireError)]
    assert {error.code for error in refused} == {429}
    assert 1 <= len(answers) - len(refused) <= 6 + took_s  # the burst of 5, and one a second


async def test_a_muted_person_is_told_and_cannot_speak_until_it_is_lifted(
    room: str, join: Join
) -> None:
    moderator, ada = await join("mo", role="moderator"), await join("ada")
    await moderator.rpc(
        "room.mute", {"room": room, "user": "ada", "seconds": 600, "reason": "calm down"}
    )
    told = await ada.event("#ada", lambda data: data["t"] == "moderation", "the mute is told")
    assert (told["action"], told["reason"], told["room"]) == ("muted", "calm down", room)
    refused = await refusal(ada, "comment.send", {"room": room, "text": "but"})
    assert (refused.code, refused.message.startswith("muted: ")) == (403, True)
    await moderator.rpc("room.mute", {"room": room, "user": "ada", "seconds": 0})
    await ada.event("#ada", lambda data: data["action"] == "unmuted", "the lifting is told")
    await say(ada, room, "thank you")


async def test_a_banned_person_is_put_out_and_not_let_in_until_unbanned(
    live_server: LiveServer, room: str, join: Join
) -> None:
    moderator, ada = await join("mo", role="moderator"), await join("ada")
    await moderator.rpc("room.ban", {"room": room, "user": "ada", "reason": "again"})
    assert await ada.unsubscribed(f"room:{room}") == (2101, "banned")
    with pytest.raises(WireError) as refused:
        await ada.subscribe(f"room:{room}")
    assert refused.value.code == 403
    await moderator.rpc("room.unban", {"room": room, "user": "ada"})
    await ada.event("#ada", lambda data: data["action"] == "unbanned", "the unban is told")
    await ada.subscribe(f"room:{room}")
    await say(ada, room, "back again")
    acts = (await live_server.acall("GET", f"/api/v1/rooms/{room}/acts"))["acts"]
    assert [act["kind"] for act in acts] == ["room.unban", "room.ban"]
    assert acts[1]["reason"] == "again"


async def test_staff_cannot_be_silenced_and_nobody_silences_themselves(
    room: str, join: Join
) -> None:
    moderator, host = await join("mo", role="moderator"), await join("boss", role="host")
    mute = {"room": room, "seconds": 60, "reason": "coup"}
    assert (await refusal(moderator, "room.mute", {**mute, "user": "boss"})).code == 403
    assert (await refusal(host, "room.mute", {**mute, "user": "boss"})).code == 422


async def test_a_removed_comment_is_gone_for_everybody_who_comes_later(
    live_server: LiveServer, room: str, join: Join
) -> None:
    moderator, ada = await join("mo", role="moderator"), await join("ada")
    bad = await say(ada, room, "an ugly remark")
    await moderator.rpc("comment.pin", {"room": room, "id": bad})
    await moderator.rpc("comment.remove", {"room": room, "id": bad, "reason": "insult"})
    removed = await ada.event(
        f"room:{room}", lambda data: data["t"] == "comment.removed", "the removal"
    )
    assert (removed["id"], removed["reason"]) == (bad, "insult")
    await ada.event(
        f"room:{room}",
        lambda data: data["t"] == "comment.pinned" and data["comment"] is None,
        "the pin is taken down",
    )
    late, snapshot = await WireClient.join(live_server.ws_url, f"room:{room}")
    async with late:
        assert "ugly" not in str(snapshot)
        history = await late.ask("history", {"channel": f"room:{room}", "limit": -1})
        assert "ugly" not in str(history)
        assert [entry["offset"] for entry in history["publications"]] == [1, 2, 3, 4]
        again = await late.ask("unsubscribe", {"channel": f"room:{room}"})
        assert again == {}
        recovered = await late.subscribe(
            f"room:{room}", recover=True, offset=0, epoch=snapshot["epoch"]
        )
        assert recovered["recovered"] is True
        assert "ugly" not in str(recovered)
    acts = (await live_server.acall("GET", f"/api/v1/rooms/{room}/acts"))["acts"]
    assert "an ugly remark" in str(acts)  # the log keeps what was removed, and why


async def test_a_pinned_product_comes_from_the_shelf(
    live_server: LiveServer, room: str, join: Join
) -> None:
    await live_server.acall("PUT", f"/api/v1/rooms/{room}/shelf", {"products": ["mug", "tea"]})
    host, viewer = await join("host", role="host"), await join()
    await host.rpc("product.pin", {"room": room, "product": "tea"})
    pinned = await viewer.event(
        f"room:{room}", lambda data: data["t"] == "product.pinned", "the pin"
    )
    assert (pinned["product"]["id"], pinned["product"]["price_minor"]) == ("tea", 16_800)
    refused = await refusal(host, "product.pin", {"room": room, "product": "tote"})
    assert (refused.code, refused.message.startswith("product:")) == (404, True)
    await live_server.acall("PUT", f"/api/v1/rooms/{room}/shelf", {"products": ["mug"]})
    await viewer.event(
        f"room:{room}", lambda data: data["t"] == "product.unpinned", "gone with the shelf"
    )


async def test_a_room_above_its_budget_samples_for_all_alike_and_echoes_the_sender(
    start_server: StartServer,
) -> None:
    server = start_server(ONAIR_CHAT_PER_S="1", ONAIR_CHAT_BURST="3")
    channel = "room:demo"
    async with AsyncExitStack() as clients:
        speakers = []
        for number in range(8):
            client, _ = await WireClient.join(server.ws_url, channel, server.token(f"fan-{number}"))
            speakers.append(await clients.enter_async_context(client))
        ids = await asyncio.gather(
            *(say(client, "demo", f"me {n}") for n, client in enumerate(speakers))
        )
        for comment_id, client in zip(ids, speakers, strict=True):
            await client.event(channel, partial(names, comment_id), "its own comment")
        host, _ = await WireClient.join(
            server.ws_url, channel, server.token("host", role="host", rooms=["demo"])
        )
        await clients.enter_async_context(host)
        last = await say(host, "demo", "the host is never sampled")
        for client in speakers:
            await client.event(channel, partial(names, last), "the host's comment")
        stored = [[data["id"] for _, data in client.stored(channel)] for client in speakers]
        assert all(seen == stored[0] for seen in stored), "all viewers see the same"
        assert 4 <= len(stored[0]) < len(ids) + 1, "some were sampled out"
        for comment_id, client in zip(ids, speakers, strict=True):
            echoes = [
                p["data"] for p in client.publications(channel) if p["data"].get("id") == comment_id
            ]
            assert len(echoes) == 1
            assert echoes[0].get("sampled", False) == (comment_id not in stored[0])


async def test_viewers_are_counted_and_the_count_follows_them(
    live_server: LiveServer, room: str, join: Join
) -> None:
    watcher = await join()
    friends = [await join(f"friend-{number}") for number in range(3)]
    await watcher.event(f"room:{room}", lambda data: data.get("count") == 4, "four are here")
    assert await watcher.ask("presence_stats", {"channel": f"room:{room}"}) == {
        "num_clients": 4,
        "num_users": 4,
    }
    for friend in friends:
        await friend.close()

    def only_one_left() -> bool:
        counts = [pulse["count"] for pulse in watcher.pulses(f"room:{room}", "viewers")]
        return bool(counts) and int(counts[-1]) == 1

    await wait_until(only_one_left, 15, "the count follows those who left")
