"""A piece of a visit on its way to SQL: the same piece comes out."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Told
from server.sharing.visit_wire import UnreadablePiece, parse_piece, piece_bytes
from tests.support.visit_parts import arrival

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = TEXTS.filter(bool)
FACTS = st.dictionaries(NAMES, st.one_of(TEXTS, st.integers(0, 2**53)), max_size=3)
EVENTS = st.builds(Event, NAMES, st.integers(0, 2**53), FACTS)
SOURCES = st.builds(Source, channel=NAMES, campaign=TEXTS, staff=TEXTS, inviter=TEXTS, link=TEXTS)
PIECES = st.builds(
    Piece,
    visit=NAMES,
    key=NAMES,
    room=NAMES,
    received_at_ms=st.just(7),
    events=st.lists(EVENTS, max_size=4).map(tuple),
    device=TEXTS,
    user=TEXTS,
    guest=st.booleans(),
    net=TEXTS,
    agent=TEXTS,
    app=TEXTS,
    explaining=TEXTS,
    source=st.none() | SOURCES,
)


@given(PIECES)
def test_every_piece_comes_back_as_it_was(piece: Piece) -> None:
    assert parse_piece(piece_bytes(piece), 7) == piece


def test_the_time_of_receiving_is_not_the_senders_to_say() -> None:
    sent = arrival()[0]
    assert parse_piece(piece_bytes(sent), 123).received_at_ms == 123


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"v":"a","k":"b","r":"c"}',
        b'{"v":"a","k":"b","r":"","e":[]}',
        b'{"v":1,"k":"b","r":"c","e":[]}',
        b'{"v":"a","k":"b","r":"c","e":[[]]}',
        b'{"v":"a","k":"b","r":"c","e":[["t","x"]]}',
        b'{"v":"a","k":"b","r":"c","e":7}',
        b'{"v":"a","k":"b","r":"c","e":[],"s":{"who":"me"}}',
        b'{"v":"a","k":"b","r":"c","e":[],"s":7}',
    ],
)
def test_anything_else_is_unreadable_and_says_why(text: bytes) -> None:
    with pytest.raises(UnreadablePiece):
        parse_piece(text, 7)


def test_what_is_empty_costs_no_bytes() -> None:
    told = orjson.loads(piece_bytes(Piece("v", "k", "r", 7, (Event(Told.BEAT, 1),))))
    assert told == {"v": "v", "k": "k", "r": "r", "e": [["beat", 1]]}
