"""Finished WebSocket frames: read back by the library's own client, they say what was meant."""

from __future__ import annotations

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WireFrame
from websockets.protocol import OPEN, Protocol, Side

from rooms.log import Entry
from rooms.model import Lane
from server.codec import Pulse
from server.codec.wire_frames import (
    ENCODINGS,
    JSON_DEFLATED,
    JSON_PLAIN,
    QUIET,
    FrameBuilder,
    ping_frame,
    text_frame,
)

ENTRIES = [
    Entry(offset, Lane.CHAT, "x", b'{"t":"x","text":"%s"}' % (b"la" * 40)) for offset in (1, 2)
]
PULSES = [Pulse(b'{"t":"likes","total":9}')]


def read(wire: bytes, *, deflate: bool) -> list[bytes]:
    """The payloads of frames, as a client of the `websockets` library reads them."""
    client = Protocol(Side.CLIENT, state=OPEN)
    if deflate:
        client.extensions = [PerMessageDeflate(True, True, 15, 15)]
    client.receive_data(wire)
    assert client.parser_exc is None
    frames = client.events_received()
    assert all(isinstance(frame, WireFrame) for frame in frames)
    return [bytes(frame.data) for frame in frames if isinstance(frame, WireFrame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_text_frame_of_any_size_reads_back(size: int) -> None:
    assert read(text_frame(b"x" * size), deflate=False) == [b"x" * size]


def test_a_ping_frame_is_empty() -> None:
    assert read(ping_frame(), deflate=False) == [b""]


def test_plain_and_deflated_frames_say_the_same() -> None:
    frame = FrameBuilder(64).build("room:a", ENTRIES, PULSES, range(ENCODINGS))
    plain = read(frame.whole[JSON_PLAIN], deflate=False)
    assert read(frame.whole[JSON_DEFLATED], deflate=True) == plain
    assert len(plain) == 1
    assert plain[0].count(b"\n") == 2
    assert len(frame.whole[JSON_DEFLATED]) < len(frame.whole[JSON_PLAIN])


def test_the_lasting_part_leaves_the_pulse_out_and_nothing_else() -> None:
    frame = FrameBuilder(64).build("room:a", ENTRIES, PULSES, range(ENCODINGS))
    for encoding, deflate in ((JSON_PLAIN, False), (JSON_DEFLATED, True)):
        (lasting,) = read(frame.lasting[encoding], deflate=deflate)
        assert b'"offset":1' in lasting
        assert b'"offset":2' in lasting
        assert b"likes" not in lasting


def test_without_a_pulse_both_parts_are_the_same_bytes() -> None:
    frame = FrameBuilder(64).build("room:a", ENTRIES, [], range(ENCODINGS))
    assert frame.whole[JSON_PLAIN] is frame.lasting[JSON_PLAIN]


def test_a_pulse_alone_leaves_nothing_for_a_reader_who_is_behind() -> None:
    frame = FrameBuilder(64).build("room:a", [], PULSES, range(ENCODINGS))
    assert not any(frame.lasting)
    assert all(frame.whole)


def test_small_messages_are_not_compressed() -> None:
    frame = FrameBuilder(10_000).build("room:a", ENTRIES, [], range(ENCODINGS))
    assert frame.whole[JSON_PLAIN] == frame.whole[JSON_DEFLATED]


def test_encodings_nobody_reads_are_not_built() -> None:
    frame = FrameBuilder(64).build("room:a", ENTRIES, PULSES, [JSON_PLAIN])
    assert frame.whole[JSON_DEFLATED] == b""


def test_quiet_readers_get_everything_but_incentives() -> None:
    pulses = [*PULSES, Pulse(b'{"t":"share.ranking"}', is_incentive=True)]
    frame = FrameBuilder(64).build("room:a", ENTRIES, pulses, range(ENCODINGS))
    for encoding, deflate in ((JSON_PLAIN, False), (JSON_DEFLATED, True)):
        (loud,) = read(frame.whole[encoding], deflate=deflate)
        (quiet,) = read(frame.whole[encoding | QUIET], deflate=deflate)
        assert quiet == b"\n".join(line for line in loud.split(b"\n") if b"ranking" not in line)
        assert quiet.count(b"\n") == loud.count(b"\n") - 1 == 2
        assert frame.lasting[encoding | QUIET] == frame.lasting[encoding]


def test_an_incentive_alone_is_nothing_at_all_for_quiet_readers() -> None:
    pulses = [Pulse(b'{"t":"share.ranking"}', is_incentive=True)]
    frame = FrameBuilder(64).build("room:a", [], pulses, range(ENCODINGS))
    assert [bool(wire) for wire in frame.whole] == [True, True, False, False]


def test_quiet_readers_share_the_bytes_of_the_others_where_nothing_is_hidden() -> None:
    for order in (range(ENCODINGS), reversed(range(ENCODINGS))):
        frame = FrameBuilder(64).build("room:a", ENTRIES, PULSES, order)
        for encoding in (JSON_PLAIN, JSON_DEFLATED):
            assert frame.whole[encoding] is frame.whole[encoding | QUIET]
            assert frame.lasting[encoding] is frame.lasting[encoding | QUIET]
