"""A fuzzer: mutated conversations over many connections, while a good client notices nothing.

FUZZ_SEED repeats a run, FUZZ_ROUNDS makes it longer. The seed is in the output of a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from typing import Any

import psutil

from tests.support.hostile import (
    CLOSE_CODES,
    CONT,
    DEFLATE,
    FIN,
    RSV1,
    TEXT,
    End,
    Hostile,
    check_reply,
    close_frame,
    command,
    deflated,
    frame,
)
from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.hostile_fixtures"]

SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))
CONNECTIONS_A_ROUND = 600
WARM_UP_CONNECTIONS = 200
AT_ONCE = 8
SPEAK_EVERY = 10  # connections: far below the rate of commands that a good client keeps to
MEMORY_MARGIN_BYTES = 32 * 2**20  # the room keeps up to 1,000 events of what is sent here

SCALARS: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    50,
    2**31,
    2**53,
    1.5,
    "",
    "x",
    "room:",
    "#",
    "\0",
    "长",
]
WORDS = ["id", "connect", "subscribe", "rpc", "send", "data", "method", "channel", "room", "token"]
WORDS += ["publish", "history", "since", "offset", "epoch", "recover", "refresh", "text", "n"]

LAST_ID = 4_294_967_295  # no mutation gives this one

Conversation = list[bytes]


def conversations(room: str, tokens: list[str]) -> list[Conversation]:
    """Good conversations, one for each kind of client."""
    channel = f"room:{room}"
    calls: list[tuple[str, Any]] = [
        ("rpc", {"method": "comment.send", "data": {"room": room, "text": "hi", "cid": "c-1"}}),
        ("rpc", {"method": "like.add", "data": {"room": room, "n": 3}}),
        ("rpc", {"method": "comment.like", "data": {"room": room, "id": "abc"}}),
        ("rpc", {"method": "room.mode", "data": {"room": room, "slow_seconds": 0}}),
        ("rpc", {"method": "room.mute", "data": {"room": room, "user": "bob", "seconds": 1}}),
        ("rpc", {"method": "room.ban", "data": {"room": room, "user": "bob", "reason": "r"}}),
        ("rpc", {"method": "room.notice", "data": {"room": room, "text": "notice"}}),
        ("rpc", {"method": "product.pin", "data": {"room": room, "product": None}}),
        ("rpc", {"method": "time.now", "data": {}}),
        ("publish", {"channel": channel, "data": {"t": "x", "a": [1, {"b": None}]}}),
        ("history", {"channel": channel, "limit": 10, "since": {"offset": 1, "epoch": ""}}),
        ("presence", {"channel": channel}),
        ("presence_stats", {"channel": channel}),
        ("send", {"data": {"method": "like.add", "data": {"room": room, "n": 1}}}),
        ("unsubscribe", {"channel": channel}),
    ]
    recover = {"channel": channel, "recover": True, "offset": 3, "epoch": ""}
    found = []
    for token in tokens:
        start = [command(1, "connect", {"token": token}), command(2, "subscribe", recover)]
        rest = [command(number, *call) for number, call in enumerate(calls, start=3)]
        found.append([*start, *rest, command(20, "refresh", {"token": token})])
    return found


def random_json(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 4 else 4)
    if kind < 4:
        return chance.choice([*SCALARS, *WORDS])
    if kind < 6:
        return [random_json(chance, depth + 1) for _ in range(chance.randrange(4))]
    names = chance.sample(WORDS, chance.randrange(1, 4))
    return {name: random_json(chance, depth + 1) for name in names}


def replace_somewhere(chance: random.Random, value: Any) -> Any:
    """The same JSON with one random part replaced."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        return {**value, name: replace_somewhere(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [*value[:place], replace_somewhere(chance, value[place]), *value[place + 1 :]]
    return random_json(chance)


def flip(chance: random.Random, message: bytes) -> bytes:
    octets = bytearray(message)
    for _ in range(chance.randint(1, 3)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return bytes(octets)


def truncate(chance: random.Random, message: bytes) -> bytes:
    return message[: chance.randrange(len(message))]


def splice(chance: random.Random, message: bytes) -> bytes:
    place = chance.randrange(len(message))
    return message[:place] + message[chance.randrange(len(message)) :]


def retype(chance: random.Random, message: bytes) -> bytes:
    """Most often only inside the request: with a bad id a connection ends before it gets far."""
    whole = json.loads(message)
    if chance.random() < 0.05:
        return json.dumps(replace_somewhere(chance, whole)).encode()
    *_, method = whole
    request = whole[method]
    name = chance.choice(list(request))
    changed = {**request, name: replace_somewhere(chance, request[name])}
    return json.dumps({**whole, method: changed}).encode()


def invent(chance: random.Random, message: bytes) -> bytes:
    request = random_json(chance)
    request = request if isinstance(request, dict) else {"data": request}
    method = chance.choice(["rpc", "send", "subscribe", "publish", "history", "presence"])
    return command(chance.randrange(1, 100), method, request)


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [
    *[retype] * 12, *[invent] * 4, flip, truncate, splice,
]  # fmt: skip


def framed(chance: random.Random, message: bytes, *, compressed: bool) -> bytes:
    """The message in one good frame or in fragments, compressed or not."""
    bits = 0
    if compressed and chance.random() < 0.5:
        message, bits = deflated(message), RSV1
    if chance.random() < 0.8 or len(message) < 2:
        return frame(message, TEXT, bits=FIN | bits)
    cut = chance.randrange(1, len(message))
    return frame(message[:cut], TEXT, bits=bits) + frame(message[cut:], CONT, bits=FIN)


async def attack(
    server: LiveServer, chance: random.Random, good: Conversation, others: list[Conversation]
) -> End:
    """One connection: a conversation with a few mutated messages in it, up to its end."""
    talk = list(good)
    first = 1 if chance.random() < 0.8 else 0  # connect is often left alone, to get further
    for place in chance.sample(range(first, len(talk)), chance.randint(1, 4)):
        talk[place] = chance.choice(MUTATIONS)(chance, talk[place])
    if chance.random() < 0.1:
        talk.insert(chance.randrange(len(talk)), chance.choice(chance.choice(others)))
    talk.append(command(LAST_ID, "rpc", {"method": "time.now"}))
    compressed = chance.random() < 0.3
    sent = b"".join(framed(chance, message, compressed=compressed) for message in talk)
    broken_frames = chance.random() < 0.15
    async with await Hostile.open(server.port, extra=DEFLATE if compressed else "") as peer:
        if broken_frames:
            await peer.write(flip(chance, sent))
            end = await peer.finish()
        else:
            await peer.write(sent)
            if isinstance(await peer.reply(LAST_ID), dict):
                await peer.write(close_frame())
            end = await peer.ended()
        for message in peer.messages:
            check_reply(message)
    allowed = CLOSE_CODES | {1000} | ({1006} if broken_frames else set())
    assert end.code in allowed, (end, talk)
    return end


class Witness:
    """A host who comments all the time, and sees each of the comments once and in order."""

    def __init__(self, client: WireClient, room: str) -> None:
        self.client = client
        self.channel = f"room:{room}"
        self.room = room
        self.said = 0

    async def speak(self) -> None:
        self.said += 1
        data = {"room": self.room, "text": f"number {self.said}"}
        assert (await self.client.rpc("comment.send", data))["id"]

    def heard(self) -> list[str]:
        own = [data for _, data in self.client.stored(self.channel) if isinstance(data, dict)]
        return [data["text"] for data in own if data.get("user") == "witness"]

    async def check(self) -> None:
        await wait_until(lambda: len(self.heard()) >= self.said, 20, "every comment has come")
        assert self.heard() == [f"number {count + 1}" for count in range(self.said)]
        offsets = [offset for offset, _ in self.client.stored(self.channel)]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
        assert not self.client.is_closed


async def test_mutated_conversations_harm_nobody(unharmed: LiveServer) -> None:
    print(f"FUZZ_SEED={SEED}")
    room = await unharmed.new_room()
    tokens = [
        "",
        unharmed.token("fuzz-viewer"),
        unharmed.token("fuzz-host", role="host"),
        unharmed.token("fuzz-stranger", role="merchant", rooms=["elsewhere"]),
    ]
    talks = conversations(room, tokens)
    (pid,) = unharmed.worker_pids()
    worker = psutil.Process(pid)
    chances = random.Random(SEED)
    gate = asyncio.Semaphore(AT_ONCE)
    ends: list[End] = []

    async def one(seed: int) -> None:
        chance = random.Random(seed)
        async with gate:
            ends.append(await attack(unharmed, chance, chance.choice(talks), talks))
            if len(ends) % SPEAK_EVERY == 0:
                await witness.speak()

    async def storm(count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one(chances.randrange(2**64)))

    token = unharmed.token("witness", role="host")
    client, _ = await WireClient.join(unharmed.ws_url, f"room:{room}", token)
    async with client:
        witness = Witness(client, room)
        await storm(WARM_UP_CONNECTIONS)
        before = worker.memory_info().rss
        for _ in range(ROUNDS):
            await storm(CONNECTIONS_A_ROUND)
        assert worker.memory_info().rss - before < MEMORY_MARGIN_BYTES
        await witness.check()
    codes = {end.code for end in ends}
    assert {1000, 1002, 1007, 3500, 3501, 3508} <= codes, codes  # it does reach different ends
