"""The note of an order: where its buyer came from, what its price is made of, whose link it was.

JSON that the store carries with the order and does not read: `{"source"?: {...}, "price"?: [...],
"share"?: {"link", "sharer"}}`. What is absent is left out; so is, of a note that would be too
long, what can best be done without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from flash_sale.model import NOTE_BYTES_MAX
from flash_sale.pricing import Rule
from rooms.sharing.sources import ShareLink, Source
from server.sharing.open_visit import OpenVisit

API_CHANNEL = "api"  # of orders that a back end places
_SOURCE = ("channel", "campaign", "staff", "inviter", "link")


@dataclass(frozen=True, slots=True)
class OrderNote:
    """A note as it is read: `visit` and `sharer` are empty when there is none."""

    visit: str = ""
    source: Source = field(default_factory=Source)
    sharer: str = ""


API_VISIT = OpenVisit(id="", room="", source=Source(channel=API_CHANNEL))  # of none in truth


def note_of(visit: OpenVisit | None, link: ShareLink | None, rules: Sequence[Rule] = ()) -> str:
    """The note of an order; empty if there is nothing to say."""
    source = None if visit is None else _source(visit)
    if link is None and not rules:  # nearly every order: no time is lost
        note = b"" if source is None else orjson.dumps({"source": source})
        if len(note) <= NOTE_BYTES_MAX:
            return note.decode()
    share = None if link is None else {"link": link.id, "sharer": link.source.inviter}
    price = rules_json(rules)
    brief = [{key: rule[key] for key in ("coupon", "minor")} for rule in price]
    shorter = None if source is None else {"channel": source["channel"]}
    for tried in (
        (source, price, share),
        (source, brief, share),
        (source, [], share),
        (shorter, [], share),
    ):
        parts = zip(("source", "price", "share"), tried, strict=True)
        note = orjson.dumps({name: part for name, part in parts if part})
        if len(note) <= NOTE_BYTES_MAX:
            return note.decode()
    raise AssertionError("a channel and a user are never so long")


def read_note(note: str) -> OrderNote:
    """What a note says; whatever cannot be read in it counts as not said."""
    try:
        value = orjson.loads(note) if note else {}
    except orjson.JSONDecodeError:
        return OrderNote()
    source, share = _object(value, "source"), _object(value, "share")
    told = {name: source[name] for name in _SOURCE if isinstance(source.get(name), str)}
    return OrderNote(str(source.get("visit", "")), Source(**told), str(share.get("sharer", "")))


def rules_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Each coupon and what it takes off, or why it does not."""
    return [
        {
            "coupon": rule.coupon,
            "batch": rule.batch,
            "title": rule.title,
            "minor": rule.minor,
            **({} if rule.why_not is None else {"why_not": rule.why_not.value}),
        }
        for rule in rules
    ]


def _source(visit: OpenVisit) -> dict[str, str]:
    source = visit.source
    value = {"visit": visit.id} if visit.id else {}
    value["channel"] = source.channel
    if source.campaign:
        value["campaign"] = source.campaign
    if source.staff:
        value["staff"] = source.staff
    if source.inviter:
        value["inviter"] = source.inviter
    if source.link:
        value["link"] = source.link
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
