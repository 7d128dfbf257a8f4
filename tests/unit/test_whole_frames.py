"""The quick way in takes exactly what the full parser would take, and leaves it all the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.whole_frames import End, ends_with_a_frame, whole_text, whole_texts


def written(
    data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = True
) -> bytes:
    """A frame as the library's client writes it."""
    return Frame(opcode, data, fin).serialize(mask=mask)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 65_535])
def test_a_whole_text_frame_is_its_message(size: int) -> None:
    message = bytes(number % 251 for number in range(size))
    assert whole_text(written(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        written(b"unmasked", mask=False),
        written(b"not finished", fin=False),
        written(b"the rest", Opcode.CONT),
        written(b"binary", Opcode.BINARY),
        written(b"", Opcode.PING),
        written(b"", Opcode.PONG),
        written(b"\x03\xe8", Opcode.CLOSE),
        written(b"x" * 65_536),
        b"\xc1" + written(b"compressed")[1:],
        b"\x81\xfe\x00\x05" + b"\0\0\0\0" + b"12345",  # a length that needs no two bytes
    ],
)
def test_everything_else_is_left_to_the_full_parser(data: bytes) -> None:
    assert whole_text(data) is None


@pytest.mark.parametrize("size", [0, 10, 125, 126, 300])
def test_a_part_of_a_frame_and_more_than_one_are_left_too(size: int) -> None:
    frame = written(b"x" * size)
    assert whole_text(frame + b"\x81") is None
    assert whole_text(frame + frame) is None
    for end in range(len(frame)):
        assert whole_text(frame[:end]) is None


frames = st.builds(
    written,
    st.one_of(st.binary(max_size=12), st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65_536])),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    fin=st.booleans(),
    mask=st.booleans(),
)


@given(st.lists(frames, max_size=4), st.data())
def test_where_frames_end_is_known_for_every_cut(made: list[bytes], chance: st.DataObject) -> None:
    ends = {sum(map(len, made[:count])) for count in range(len(made) + 1)}
    whole = b"".join(made)
    near = [end + step for end in ends for step in (-2, -1, 0, 1, 2) if end + step >= 0]
    cut = chance.draw(st.sampled_from([at for at in near if at <= len(whole)]))
    assert ends_with_a_frame(whole[:cut]) is (cut in ends)


# several in one read


def test_several_frames_in_one_read_are_their_messages_and_the_beginning_of_one_stays() -> None:
    made = [written(b"one"), written(b"x" * 200), written(b"")]
    whole = b"".join(made)
    for kept in range(2, len(made[0])):
        taken = whole_texts(whole + made[0][:kept], 9, 1_000)
        assert taken == ([b"one", b"x" * 200, b""], len(whole), End.PART)


def test_no_more_frames_are_taken_than_asked_for() -> None:
    frame = written(b"one")
    assert whole_texts(frame * 5, 3, 1_000) == ([b"one"] * 3, 3 * len(frame), End.MORE)
    assert whole_texts(frame * 3, 3, 1_000) == ([b"one"] * 3, 3 * len(frame), End.PART)


@pytest.mark.parametrize(
    "other",
    [
        written(b"binary", Opcode.BINARY),
        written(b"", Opcode.PING),
        written(b"unmasked", mask=False),
        written(b"x" * 1_001),
        written(b"x" * 65_536),
        b"\xc1" + written(b"compressed")[1:],
        b"\x81\xfe\x00\x05" + b"\0\0\0\0" + b"12345",
    ],
)
def test_what_is_no_small_text_frame_is_left_to_the_full_parser(other: bytes) -> None:
    first = written(b"one")
    for cut in (len(other), 4):
        assert whole_texts(first + other[:cut], 9, 1_000) == ([b"one"], len(first), End.OTHER)


@given(st.lists(frames, max_size=5), st.integers(0, 3), st.data())
def test_what_is_taken_and_what_is_left_are_together_what_was_read(
    made: list[bytes], most: int, chance: st.DataObject
) -> None:
    whole = b"".join(made)
    read = whole[: chance.draw(st.integers(0, len(whole)))]
    messages, taken, _ = whole_texts(read, most, 65_535)
    assert len(messages) <= most
    alone = [whole_text(frame) for frame in made[: len(messages)]]
    assert messages == alone
    assert taken == sum(map(len, made[: len(messages)]))
