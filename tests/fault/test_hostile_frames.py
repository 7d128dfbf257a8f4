"""Broken WebSocket framing: each fault ends with its documented code, and costs no memory."""

from __future__ import annotations

import os
import struct
import time

import psutil
import pytest

from tests.support.hostile import (
    BINARY,
    CLOSE,
    CONT,
    DEFLATE,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    End,
    Hostile,
    close_frame,
    command,
    deflated,
    frame,
)
from tests.support.live_server import LiveServer

pytest_plugins = ["tests.support.hostile_fixtures"]

MESSAGE_BYTES_MAX = 65_536
MEMORY_MARGIN_BYTES = 24 * 2**20
MIB = 2**20
CUT_WITHIN_S = 15.0  # close_within_s is 5
FRAGMENTS_MARGIN_BYTES = 6 * MIB  # below a list of a million references
CONNECT = command(1, "connect", {})

BROKEN_FRAMES = {
    "an unmasked frame": frame(CONNECT, masked=False),
    "an unmasked control frame": frame(b"", PING, masked=False),
    "reserved bit 1 without compression": frame(CONNECT, bits=FIN | RSV1),
    "reserved bit 2": frame(CONNECT, bits=FIN | RSV2),
    "reserved bit 3": frame(CONNECT, bits=FIN | RSV3),
    "a reserved bit in a control frame": frame(b"", PING, bits=FIN | RSV1),
    **{f"reserved opcode {code}": frame(CONNECT, code) for code in (3, 4, 5, 6, 7, 11, 12, 15)},
    "a fragmented ping": frame(b"half", PING, bits=0),
    "a fragmented close": frame(b"\x03\xe8", CLOSE, bits=0),
    "a ping of 126 bytes": frame(b"x" * 126, PING),
    "a close of 126 bytes": close_frame(1000, b"x" * 124),
    "a continuation of nothing": frame(CONNECT, CONT),
    "a second start inside a message": frame(b"{", bits=0) + frame(CONNECT),
    "a close inside a message": frame(b"{", bits=0) + close_frame(),
    "a close of one byte": frame(b"\x03", CLOSE),
    "a close with code 1006": close_frame(1006),
    "a close with code 999": close_frame(999),
}

OVERSIZED = {
    "one byte too many": frame(b"x" * (MESSAGE_BYTES_MAX + 1)),
    "one byte too many in a binary message": frame(b"x" * (MESSAGE_BYTES_MAX + 1), BINARY),
    "a frame that claims 4 GB": frame(b"", size=2**32),
    "a pong that claims 100 kB": frame(b"", PONG, size=100_000),
    "a length of 64 bits with the top bit set": b"\x81\xff" + b"\xff" * 8 + b"\0" * 4,
    "a frame that claims 2**62 bytes": frame(b"", size=2**62),
    "two halves that are too much": (
        frame(b"x" * 40_000, bits=0) + frame(b"x" * 40_000, CONT, bits=FIN)
    ),
    "small fragments without end": (
        frame(b"x", bits=0) + frame(b"x" * 100, CONT, bits=0) * (MESSAGE_BYTES_MAX // 100 + 1)
    ),
    "100,000 brackets": frame(b"[" * 100_000),
}

BROKEN_TEXT = {
    "a lone continuation byte": b'{"id":1,"connect":{"name":"\x80"}}',
    "an overlong slash": b'{"id":1,"connect":{"name":"\xc0\xaf"}}',
    "half of a surrogate pair": b'{"id":1,"connect":{"name":"\xed\xa0\x80"}}',
    "a code point beyond the last": b'{"id":1,"connect":{"name":"\xf4\x90\x80\x80"}}',
    "a character cut off at the end": b'{"id":1,"connect":{}}\xe4\xbd',
    "bytes that are nothing": b"\xff\xfe\xfd",
}


async def end_of(server: LiveServer, *pieces: bytes, extra: str = "") -> End:
    async with await Hostile.open(server.port, extra=extra) as peer:
        await peer.write(*pieces)
        return await peer.ended()


def worker_bytes(server: LiveServer) -> int:
    (pid,) = server.worker_pids()
    return int(psutil.Process(pid).memory_info().rss)


@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_a_broken_frame_closes_with_1002(unharmed: LiveServer, name: str) -> None:
    assert (await end_of(unharmed, BROKEN_FRAMES[name])).code == 1002


@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_a_broken_frame_after_good_commands_closes_with_1002(
    unharmed: LiveServer, name: str
) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.write(frame(CONNECT) + BROKEN_FRAMES[name])
        assert "connect" in peer_message(await peer.reply(1))
        assert (await peer.ended()).code == 1002


def peer_message(reply: object) -> dict[str, object]:
    assert isinstance(reply, dict), reply
    return reply


@pytest.mark.parametrize("name", OVERSIZED)
async def test_a_message_above_the_bound_closes_with_1009(unharmed: LiveServer, name: str) -> None:
    assert (await end_of(unharmed, OVERSIZED[name])).code == 1009


async def test_a_message_at_the_bound_is_taken_whole_or_in_fragments(unharmed: LiveServer) -> None:
    message = CONNECT + b" " * (MESSAGE_BYTES_MAX - len(CONNECT))
    pieces = [message[at : at + 4_096] for at in range(0, len(message), 4_096)]
    fragments = frame(pieces[0], bits=0) + b"".join(frame(p, CONT, bits=0) for p in pieces[1:])
    for sent in (frame(message), fragments + frame(b"", CONT)):
        async with await Hostile.open(unharmed.port) as peer:
            await peer.write(sent)
            assert "connect" in peer_message(await peer.reply(1))


@pytest.mark.parametrize("name", BROKEN_TEXT)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_broken_utf8_closes_with_1007(unharmed: LiveServer, name: str, opcode: int) -> None:
    assert (await end_of(unharmed, frame(BROKEN_TEXT[name], opcode))).code == 1007


async def test_broken_utf8_is_found_across_fragments(unharmed: LiveServer) -> None:
    halves = frame(b'{"id":1,"connect":{"name":"\xe4', bits=0) + frame(b'\xbd"}}', CONT)
    assert (await end_of(unharmed, halves)).code == 1007


async def test_a_character_split_between_fragments_is_whole_again(unharmed: LiveServer) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        half = frame(b'{"id":1,"connect":{"name":"\xe4', bits=0)
        await peer.write(half + frame(b"", PING) + frame(b'\xbd\xa0"}}', CONT))
        assert "connect" in peer_message(await peer.reply(1))


async def test_bombs_and_broken_compression_are_refused(unharmed: LiveServer) -> None:
    bomb = deflated(b"\0" * (16 * MIB))
    assert len(bomb) < MESSAGE_BYTES_MAX
    exact = deflated(b" " * MESSAGE_BYTES_MAX)
    before = worker_bytes(unharmed)
    compressed = FIN | RSV1
    cases = {
        "a bomb": (frame(bomb, bits=compressed), 1009),
        "a bomb in fragments": (
            frame(bomb[:100], bits=RSV1) + frame(bomb[100:], CONT, bits=FIN),
            1009,
        ),
        "a bomb that begins at the bound": (
            frame(exact, bits=RSV1) + frame(bomb, CONT, bits=FIN),
            1009,
        ),
        "a message that is one byte too long": (
            frame(deflated(b" " * (MESSAGE_BYTES_MAX + 1)), bits=compressed),
            1009,
        ),
        "no deflate stream": (frame(b"\xff" * 40, bits=compressed), 1002),
        "a compressed ping": (frame(b"\0", PING, bits=compressed), 1002),
        "a marked continuation": (
            frame(bomb[:10], bits=RSV1) + frame(b"", CONT, bits=compressed),
            1002,
        ),
        "compressed nonsense": (frame(deflated(b"nonsense"), bits=compressed), 3501),
        "compressed broken text": (frame(deflated(b"\xff\xfe"), bits=compressed), 1007),
    }
    for name, (sent, code) in cases.items():
        end = await end_of(unharmed, sent, extra=DEFLATE)
        assert end.code == code, (name, end)
    for _ in range(20):
        await end_of(unharmed, frame(bomb, bits=compressed), extra=DEFLATE)
    assert worker_bytes(unharmed) - before < MEMORY_MARGIN_BYTES


async def test_empty_fragments_without_end_take_no_memory(unharmed: LiveServer) -> None:
    """In turns of their own: they hold up nobody, so who sends them must have connected in time."""
    burst = frame(b"", CONT, bits=0) * 50_000
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(CONNECT)
        assert "connect" in peer_message(await peer.reply(1))
        await peer.write(frame(b"", bits=0), burst, frame(b"warm", PING))
        await peer.pong()
        before = worker_bytes(unharmed)
        await peer.write(*[burst] * 20)  # 8 bytes each is 8 MB
        await peer.write(frame(command(2, "rpc", {"method": "time.now"}), CONT))
        assert "rpc" in peer_message(await peer.reply(2))
    assert worker_bytes(unharmed) - before < FRAGMENTS_MARGIN_BYTES


async def test_who_pings_and_never_reads_is_cut_off_and_fills_no_memory(
    unharmed: LiveServer,
) -> None:
    before = worker_bytes(unharmed)
    async with await Hostile.open(unharmed.port) as peer:
        peer.stop_reading()
        started_at_s = time.monotonic()
        await peer.write_until_cut(frame(b"x" * 125, PING) * 2_000, most=4_000 * MIB)
        assert time.monotonic() - started_at_s < CUT_WITHIN_S
        assert worker_bytes(unharmed) - before < MEMORY_MARGIN_BYTES


@pytest.mark.parametrize(
    "half",
    [
        b"\x81",
        b"\x81\xfe",
        b"\x81\xfe\x00",
        frame(CONNECT)[:-1],
        frame(CONNECT, bits=0),
        frame(b"x" * 60_000)[:50_000],
        frame(CONNECT) + frame(b'{"id":2,"subscribe":{"channel":"room:demo"}}')[:-3],
    ],
)
async def test_half_a_message_and_a_hang_up_leave_nothing(
    unharmed: LiveServer, half: bytes
) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.write(half)
        assert (await peer.finish()).code == 1006


async def test_garbage_after_a_close_changes_nothing(unharmed: LiveServer) -> None:
    garbage = os.urandom(10_000)
    assert (await end_of(unharmed, close_frame(1000) + garbage)).code == 1000
    assert (await end_of(unharmed, frame(b"no json") + garbage, garbage)).code in (3501, 1002, 1009)
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(b"no json")
        assert (await peer.ended()).code == 3501
        await peer.write(*[garbage] * 10)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
async def test_a_close_of_the_client_is_answered_with_its_code(
    unharmed: LiveServer, code: int
) -> None:
    assert (await end_of(unharmed, frame(CONNECT) + close_frame(code, b"bye"))).code == code


async def test_a_close_with_a_reason_in_broken_utf8_closes_with_1007(unharmed: LiveServer) -> None:
    broken = frame(struct.pack("!H", 1000) + b"\xff", CLOSE)
    assert (await end_of(unharmed, broken)).code == 1007
