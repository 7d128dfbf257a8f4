"""Floods over real sockets: what one person sends costs the others neither replies nor events."""

from __future__ import annotations

import time
import urllib.request
from contextlib import AsyncExitStack

from tests.support.hostile import TEXT, Hostile, command, frame
from tests.support.live_server import LiveServer
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.hostile_fixtures"]

COMMANDS_BURST, COMMANDS_PER_TURN = 120, 32
ERRORS_BURST = 200
USER_BURST, USER_PER_S = 240, 80
LIKES_BURST, LIKES_PER_S = 100, 50
MIB = 2**20


def counted(server: LiveServer, name: str) -> int:
    """The sum of a counter over the workers that answer."""
    with urllib.request.urlopen(f"{server.base_url}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(one.split()[-1]) for one in lines if one.startswith(name + "{")))


async def test_ten_thousand_commands_at_once_are_taken_in_turns_and_others_are_served_between(
    unharmed: LiveServer,
) -> None:
    room = await unharmed.new_room()
    channel = f"room:{room}"
    rests, commands = (
        counted(unharmed, "onair_rests_total"),
        counted(unharmed, "onair_commands_total"),
    )
    flood = b"".join(
        frame(command(number, "rpc", {"method": "time.now"})) for number in range(2, 10_002)
    )
    witness, _ = await WireClient.join(unharmed.ws_url, channel, unharmed.token("witness"))
    host, _ = await WireClient.join(unharmed.ws_url, channel, unharmed.token("h", role="host"))
    async with witness, host, await Hostile.open(unharmed.port) as peer:
        await peer.say(command(1, "connect", {}))
        began_s = time.monotonic()
        await peer.write(flood)
        for number in range(20):
            assert "now_ms" in await witness.rpc("time.now", {})
            await host.rpc("comment.send", {"room": room, "text": f"number {number}"})
        assert (await peer.ended()).code == 3509
        took_s = time.monotonic() - began_s
        await witness.event(
            channel, lambda data: data.get("text") == "number 19", "the last comment"
        )
        told = witness.stored(channel)
        assert [offset for offset, _ in told] == list(range(1, 21))
        assert [data["text"] for _, data in told] == [f"number {n}" for n in range(20)]
        answered = [one["id"] for one in peer.messages]
        assert answered == list(range(1, len(answered) + 1))  # in order, none left out
    handled = counted(unharmed, "onair_commands_total") - commands
    most = 60 + COMMANDS_BURST + ERRORS_BURST + 2 * COMMANDS_PER_TURN
    assert handled <= most + 42 * took_s  # 40 commands and 2 errors more each second
    turns = counted(unharmed, "onair_rests_total") - rests
    assert turns >= (COMMANDS_BURST + ERRORS_BURST) // COMMANDS_PER_TURN - 1


async def test_what_is_pipelined_is_answered_in_order_however_it_is_cut_into_writes(
    unharmed: LiveServer,
) -> None:
    frames = b"".join(
        frame(command(number, "rpc", {"method": "time.now"})) for number in range(2, 102)
    )
    for cut in (1, 7, 64, 1_000, len(frames)):
        async with await Hostile.open(unharmed.port) as peer:
            await peer.say(command(1, "connect", {}))
            for at in range(0, len(frames), cut if cut > 1 else 501):
                await peer.write(frames[at : at + (cut if cut > 1 else 501)])
            assert isinstance(await peer.reply(101), dict)
            assert [one["id"] for one in peer.messages] == list(range(1, 102))


async def test_who_goes_on_after_the_close_is_cut_off(unharmed: LiveServer) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.write(frame(b"not JSON"))
        piece = frame(b"{}", TEXT) * 8_000
        assert await peer.write_until_cut(piece, most=256 * MIB) < 64 * MIB


async def test_one_person_has_one_budget_over_all_their_connections(unharmed: LiveServer) -> None:
    began_s = time.monotonic()
    asked = [command(number, "rpc", {"method": "time.now"}) for number in range(2, 102)]
    async with AsyncExitStack() as stack:
        token = unharmed.token("many-phones")
        peers = [
            await stack.enter_async_context(await Hostile.open(unharmed.port)) for _ in range(5)
        ]
        for peer in peers:
            await peer.say(command(1, "connect", {"token": token}))
            await peer.reply(1)
        for peer in peers:
            await peer.write(*map(frame, asked))
        for peer in peers:
            assert isinstance(await peer.reply(101), dict)
        elapsed_s = time.monotonic() - began_s
        errors = [one["error"] for peer in peers for one in peer.messages if "error" in one]
        granted = 5 * len(asked) - len(errors)
        assert USER_BURST - 10 <= granted <= USER_BURST + USER_PER_S * elapsed_s + 1
        assert {error["code"] for error in errors} == {111}
        assert all(
            error["message"].startswith("too many requests of this user: wait ") for error in errors
        )
        async with await Hostile.open(unharmed.port) as other:
            await other.say(command(1, "connect", {"token": unharmed.token("somebody-else")}))
            await other.write(*map(frame, asked))
            assert isinstance(await other.reply(101), dict)
            assert not [one for one in other.messages if "error" in one]


async def test_likes_of_one_person_are_counted_over_all_their_connections(
    unharmed: LiveServer,
) -> None:
    room = await unharmed.new_room()
    began_s = time.monotonic()
    like = {"method": "like.add", "data": {"room": room, "n": 50}}
    granted = 0
    async with AsyncExitStack() as stack:
        for _ in range(4):
            peer = await stack.enter_async_context(await Hostile.open(unharmed.port))
            await peer.say(command(1, "connect", {"token": unharmed.token("liker")}))
            await peer.say(command(2, "subscribe", {"channel": f"room:{room}"}))
            await peer.say(command(3, "rpc", like), command(4, "rpc", like))
            assert isinstance(await peer.reply(4), dict)
            granted += 50 * sum("rpc" in one for one in peer.messages)
        elapsed_s = time.monotonic() - began_s
    assert LIKES_BURST <= granted <= LIKES_BURST + LIKES_PER_S * elapsed_s


async def test_likes_without_a_reply_hold_nothing_up_and_are_all_counted(
    unharmed: LiveServer,
) -> None:
    room = await unharmed.new_room()
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(
            command(1, "connect", {}), command(2, "subscribe", {"channel": f"room:{room}"})
        )
        await peer.reply(2)
        send = b'{"send":{"data":{"method":"like.add","data":{"room":"%s","n":1}}}}'
        await peer.say(
            *[send % room.encode()] * 60, command(3, "rpc", {"method": "time.now"}),
            command(4, "rpc", {"method": "like.add", "data": {"room": room, "n": 1}}),
        )  # fmt: skip
        last = await peer.reply(4)
        assert isinstance(last, dict)
        assert last["rpc"]["data"] == {"total": 61}


async def test_comments_above_the_pace_are_429_and_a_repeated_one_gets_its_first_answer(
    unharmed: LiveServer,
) -> None:
    room = await unharmed.new_room()
    send = {"method": "comment.send"}

    def said(number: int, cid: str) -> bytes:
        data = {"room": room, "text": f"comment {cid}", "cid": cid}
        return command(number, "rpc", {**send, "data": data})

    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(command(1, "connect", {"token": unharmed.token("talker")}))
        await peer.say(command(2, "subscribe", {"channel": f"room:{room}"}))
        await peer.say(*[said(number, f"c{number}") for number in range(3, 33)], said(33, "c3"))
        assert isinstance(await peer.reply(33), dict)
        replies = {one["id"]: one for one in peer.messages if one.get("id", 0) > 2}
        refused = [one["error"] for one in replies.values() if "error" in one]
        assert {error["code"] for error in refused} == {429}
        assert len(refused) >= 20
        await peer.say(said(34, "c3"))
        again = await peer.reply(34)
        assert isinstance(again, dict)
        if "error" in again:  # it has been asked too often; the wait that is told is short
            assert again["error"]["message"] == "too fast: wait 1 s"
        else:
            assert again["rpc"] == replies[3]["rpc"]
