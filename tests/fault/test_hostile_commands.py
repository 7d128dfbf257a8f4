"""Malformed commands and floods: each gets its documented error or close, and never silence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.hostile import End, Hostile, check_reply, command, frame
from tests.support.live_server import LiveServer

pytest_plugins = ["tests.support.hostile_fixtures"]

CORPUS = Path(__file__).parent / "data" / "commands.txt"
CONNECT = command(1, "connect", {})
COMMANDS_BURST = 120
ERRORS_BURST = 200
CHANNELS_MAX = 16


class Case(NamedTuple):
    """One line of the corpus: `expected` is a close code, or a command id and `ok` or an error."""

    expected: str
    message: bytes


def corpus() -> list[Case]:
    lines = CORPUS.read_text("ascii").splitlines()
    cases = []
    for line in lines:
        if line and not line.startswith("#"):
            expected, _, text = line.partition("|")
            message = text.removeprefix(" ").encode().decode("unicode_escape").encode("latin-1")
            cases.append(Case(expected.strip(), message))
    return cases


def test_the_corpus_is_there() -> None:
    assert len(corpus()) > 100


@pytest.mark.parametrize("case", corpus(), ids=lambda case: repr(case.message[:70])[2:-1])
async def test_a_hostile_command_gets_its_documented_answer(
    unharmed: LiveServer, case: Case
) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.write(frame(case.message))
        first, _, outcome = case.expected.partition(" ")
        if not outcome:
            assert (await peer.ended()).code == int(first)
            return
        reply = await peer.reply(int(first))
        assert isinstance(reply, dict), reply
        check_reply(reply)
        assert str(reply.get("error", {}).get("code", "ok")) == outcome, reply


@pytest.mark.parametrize(
    "message",
    [
        b"[" * 65_000,
        b'{"id":1,"connect":' + b'{"data":' * 8_000,
        b'{"id":1,"connect":{"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"id":' + b"9" * 60_000 + b',"connect":{}}',
        b'{"id":-' + b"9" * 60_000 + b',"connect":{}}',
    ],
    ids=["brackets", "unfinished", "nested", "an endless id", "an endless negative id"],
)
async def test_what_no_parser_should_follow_closes_with_3501(
    unharmed: LiveServer, message: bytes
) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(message)
        assert (await peer.ended()).code == 3501


async def test_data_of_any_depth_gets_an_answer(unharmed: LiveServer) -> None:
    """Where the limit lies is not promised; that it is an answer, is."""
    room = await unharmed.new_room()
    host = unharmed.token("deep-host", role="host")
    for depth in (10, 200, 253, 254, 300, 500, 800, 1_000, 1_100, 5_000):
        data = b"[" * depth + b"]" * depth
        publish = b'{"id":3,"publish":{"channel":"room:%s","data":%s}}' % (room.encode(), data)
        async with await Hostile.open(unharmed.port) as peer:
            await peer.say(command(1, "connect", {"token": host}))
            await peer.say(command(2, "subscribe", {"channel": f"room:{room}"}), publish)
            reply = await peer.reply(3)
            if isinstance(reply, End):
                assert reply.code == 3501, depth
                assert depth > 800
                continue
            assert "publish" in reply or reply["error"]["code"] == 107, (depth, reply)
            assert "publish" in reply or depth > 200, (depth, reply)


async def test_commands_behind_a_waiting_one_are_never_left_without_answer(
    unharmed: LiveServer,
) -> None:
    room = await unharmed.new_room()  # not loaded yet, so the subscription has to wait
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(
            CONNECT
            + b"\n"
            + command(2, "subscribe", {"channel": f"room:{room}"})
            + b'\n{"send":{"data":{"method":[]}}}\n'
            + command(4, "rpc", {"method": "time.now"})
        )
        assert isinstance(await peer.reply(2), dict)
        assert (await peer.ended()).code == 3508


async def test_commands_above_the_rate_get_111_and_the_others_their_answers(
    unharmed: LiveServer,
) -> None:
    now = [command(number, "rpc", {"method": "time.now"}) for number in range(2, 302)]
    async with await Hostile.open(unharmed.port) as peer:
        began_s = time.monotonic()
        await peer.say(CONNECT + b"\n" + b"\n".join(now))
        assert isinstance(await peer.reply(301), dict)
        more = 40 * (time.monotonic() - began_s) + 1  # what that time allows
        refused = [one["error"] for one in peer.messages if "error" in one]
        assert {error["code"] for error in refused} == {111}
        assert all(error["temporary"] for error in refused)
        assert 301 - COMMANDS_BURST - more <= len(refused) <= 301 - COMMANDS_BURST
        assert [one["id"] for one in peer.messages] == list(range(1, 302))


async def test_a_flood_of_refused_commands_closes_with_3509(unharmed: LiveServer) -> None:
    flood = [command(number, "nonsense", {}) for number in range(2, 1_000)]
    async with await Hostile.open(unharmed.port) as peer:
        began_s = time.monotonic()
        await peer.say(CONNECT, b"\n".join(flood[: ERRORS_BURST - 1]), b"\n".join(flood))
        assert (await peer.ended()).code == 3509
        more = 2 * (time.monotonic() - began_s) + 1  # what that time allows
        refused = [one["error"]["code"] for one in peer.messages if "error" in one]
        assert set(refused) == {108, 111}
        assert ERRORS_BURST <= len(refused) <= ERRORS_BURST + more


async def test_a_flood_of_commands_above_the_rate_closes_with_3509(unharmed: LiveServer) -> None:
    flood = [command(number, "rpc", {"method": "time.now"}) for number in range(2, 1_500)]
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(CONNECT, b"\n".join(flood[:700]), b"\n".join(flood[700:]))
        assert (await peer.ended()).code == 3509


async def test_a_flood_behind_a_waiting_command_is_bounded_too(unharmed: LiveServer) -> None:
    room = await unharmed.new_room()
    flood = b"\n".join(command(number, "nonsense", {}) for number in range(3, 1_000))
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(CONNECT, command(2, "subscribe", {"channel": f"room:{room}"}), flood)
        assert (await peer.ended()).code == 3509


async def test_likes_above_the_rate_get_429_and_their_senders_stay(unharmed: LiveServer) -> None:
    room = await unharmed.new_room()
    like = {"method": "like.add", "data": {"room": room, "n": 50}}
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(CONNECT, command(2, "subscribe", {"channel": f"room:{room}"}))
        began_s = time.monotonic()
        await peer.say(*[command(number, "rpc", like) for number in range(3, 13)])
        last = await peer.reply(12)
        more = time.monotonic() - began_s
        assert isinstance(last, dict)
        replies = [one for one in peer.messages if one.get("id", 0) > 2]
        refused = [one["error"] for one in replies if "error" in one]
        assert {error["code"] for error in refused} == {429}
        assert len(replies) == 10
        assert 10 - len(refused) <= 3 + more  # 100 at once, 50 more each second


async def test_a_channel_too_many_is_106(unharmed: LiveServer) -> None:
    rooms = [await unharmed.new_room() for _ in range(CHANNELS_MAX + 1)]
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(CONNECT)
        for number, room in enumerate(rooms, start=2):
            await peer.say(command(number, "subscribe", {"channel": f"room:{room}"}))
        last = await peer.reply(CHANNELS_MAX + 2)
        assert isinstance(last, dict)
        assert last["error"]["code"] == 106
        assert sum("subscribe" in one for one in peer.messages) == CHANNELS_MAX
