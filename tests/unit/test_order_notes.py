"""The note of an order: what it says, what is left out of one that is too long, what is read."""

from __future__ import annotations

import orjson
import pytest

from flash_sale.model import NOTE_BYTES_MAX
from flash_sale.pricing import Rule
from rooms.sharing.sources import ShareLink, Source, Target
from server.sharing.notes import API_VISIT, OrderNote, note_of, read_note
from server.sharing.open_visit import OpenVisit

SOURCE = Source("sms", "spring", "staff-1", "bob", "link-1")
VISIT = OpenVisit("visit-0001", "garden", SOURCE)
LINK = ShareLink("link-2", "garden", Source("copy", inviter="rob"), Target(), 1, {"tea": 5})
RULE = Rule("c1", "batch", "Five off", 500)


def test_a_note_says_where_the_buyer_came_from_what_coupons_did_and_whose_link_it_was() -> None:
    note = note_of(VISIT, LINK, [RULE])
    assert orjson.loads(note) == {
        "source": {
            "visit": "visit-0001",
            "channel": "sms",
            "campaign": "spring",
            "staff": "staff-1",
            "inviter": "bob",
            "link": "link-1",
        },
        "price": [{"coupon": "c1", "batch": "batch", "title": "Five off", "minor": 500}],
        "share": {"link": "link-2", "sharer": "rob"},
    }
    assert read_note(note) == OrderNote("visit-0001", SOURCE, "rob")


def test_what_is_not_there_is_left_out() -> None:
    assert note_of(None, None) == ""
    assert orjson.loads(note_of(API_VISIT, None)) == {"source": {"channel": "api"}}
    assert read_note("") == OrderNote()
    assert read_note("").source.channel == "direct"


def test_the_longest_note_fits_and_never_loses_who_shared() -> None:
    long = "😀" * 255
    visit = OpenVisit("v" * 64, "garden", Source("c" * 64, "n" * 64, long, long, "l" * 16))
    link = ShareLink("l" * 16, "garden", Source("copy", inviter=long), Target(), 1)
    rules = [Rule(f"c{number}", "b" * 64, "券" * 120, 1) for number in range(8)]
    note = note_of(visit, link, rules)
    assert len(note.encode()) <= NOTE_BYTES_MAX
    assert read_note(note).sharer == long
    assert read_note(note).source.channel == "c" * 64


def test_titles_go_before_the_source_does() -> None:
    rules = [Rule(f"c{number}", "b" * 64, "券" * 120, 1) for number in range(8)]
    note = orjson.loads(note_of(VISIT, LINK, rules))
    assert note["price"][0] == {"coupon": "c0", "minor": 1}
    assert note["source"]["campaign"] == "spring"


@pytest.mark.parametrize(
    "text", ["[]", "7", "not JSON", '{"source":[]}', '{"source":{"channel":7},"share":"x"}']
)
def test_what_cannot_be_read_in_a_note_counts_as_not_said(text: str) -> None:
    assert read_note(text) == OrderNote()
