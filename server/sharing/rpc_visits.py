"""`visit.track`: what a page tells of its visit, in small batches, each counted once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

from pydantic import Field

from flash_sale.catalog import is_id
from flash_sale.errors import SaleBusy, SaleStoreUnavailable
from rooms.errors import Overloaded
from rooms.sharing.sources import DIRECT, ShareLink, Source
from rooms.sharing.visits import Event, Fact, Told
from server import rpc_requests as ask
from server.live_room import LiveRoom
from server.rates import Rate
from server.replies import bad_field, overloaded, too_fast
from server.rpc import Decided, Result, Rpc, joined
from server.settings import Limits
from server.sharing.labels import Labels
from server.sharing.open_visit import OpenVisit
from server.sharing.visit_desk import VisitDesk
from server.viewer import Viewer

AT_MS_MAX = 8_640_000_000_000_000  # the last instant that a browser can show
REFERRER_CHARS_MAX = 512
VISITS_PER_CONNECTION_MAX = 20
TRY_AGAIN_MS = 60_000
EVENTS_PER_S = 50  # of one connection, steadily; a page tells one or two
EVENTS_BURST = 1_000
EVENTS_EVER = 1_000  # as with texts: the setting is checked after

VisitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class VisitTrack(ask.InRoom):
    """`visit` and `seq` come together: the batch then counts once, however often it is sent."""

    visit: VisitName | None = None
    seq: Annotated[int, Field(ge=1, le=2**31)] | None = None
    device: VisitName | None = None
    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=EVENTS_EVER)]


class FindLink(Protocol):
    """What is needed of `server.sharing.links.Links`: the link of a code, None for a bad one."""

    async def find(self, code: str) -> ShareLink | None: ...


class Visits:
    """Answers `visit.track`."""

    def __init__(self, desk: VisitDesk, links: FindLink, limits: Limits, labels: Labels) -> None:
        self._desk = desk
        self._links = links
        self._events_max = limits.visit_events_max
        self._labels = labels
        self._rate = Rate(EVENTS_PER_S, EVENTS_BURST)

    def procedures(self) -> dict[str, Rpc]:
        return {"visit.track": Rpc(VisitTrack, self._track)}

    def _track(self, viewer: Viewer, request: VisitTrack) -> Decided | Awaitable[Result]:
        events = told_events(request.events, self._events_max)
        if (request.visit is None) is not (request.seq is None):
            raise bad_field("seq", "comes with visit, and visit with it")
        room = joined(viewer, request.room)
        visit_id = request.visit or _unnamed(viewer, room)
        entered = next((event for event in events if event.t == Told.ENTER), None)
        visit = viewer.visits.of(room.room_id)
        is_open = visit is not None and visit.id == visit_id
        if entered is not None and "share" in entered.facts and not (is_open and _knows(visit)):
            return self._track_later(viewer, room, visit_id, request, events, entered)
        if not is_open:
            self._open(viewer, room, visit_id, request.device or "", self._said(room, entered))
        elif entered is not None and visit is not None and not _knows(visit):
            visit.source = self._said(room, entered)
        return Decided(self._put(viewer, room, request, events), _stored)

    async def _track_later(
        self,
        viewer: Viewer,
        room: LiveRoom,
        visit_id: str,
        request: VisitTrack,
        events: tuple[Event, ...],
        entered: Event,
    ) -> Result:
        """The visit begins with the code of a link, which has to be looked up."""
        link = await self._links.find(str(entered.facts["share"]))
        if link is not None and link.room == room.room_id:
            source = link.source
        else:
            source = self._said(room, entered)
        visit = viewer.visits.of(room.room_id)
        if visit is not None and visit.id == visit_id:
            visit.source = source
        else:
            self._open(viewer, room, visit_id, request.device or "", source)
        stored = self._put(viewer, room, request, events)
        if viewer.closing:  # it hung up meanwhile
            self._desk.gone(viewer)
        await asyncio.wait([stored])
        return _stored(stored)

    def _open(
        self, viewer: Viewer, room: LiveRoom, visit_id: str, device: str, source: Source
    ) -> None:
        if viewer.visits.opened >= VISITS_PER_CONNECTION_MAX:
            raise too_fast(TRY_AGAIN_MS)
        self._desk.open(viewer, room, visit_id, device, source)

    def _said(self, room: LiveRoom, entered: Event | None) -> Source:
        """Where the page says that it comes from; nobody has signed that."""
        if entered is None:
            return _NOT_SAID
        channel = str(entered.facts.get("channel") or DIRECT)
        source = Source(channel=channel, campaign=str(entered.facts.get("campaign", "")))
        return self._labels.heard(room.room_id, source)

    def _put(
        self, viewer: Viewer, room: LiveRoom, request: VisitTrack, events: tuple[Event, ...]
    ) -> asyncio.Future[None]:
        visits = viewer.visits
        taken = self._rate.take(visits.events_due_s, len(events))
        if taken.wait_ms:
            raise too_fast(taken.wait_ms)
        visits.events_due_s = taken.due_s
        key = self._desk.key_of(viewer) if request.seq is None else f"p{request.seq}"
        try:
            return self._desk.told(viewer, room, key, events)
        except SaleBusy:
            self._desk.counts.refused += 1
            raise overloaded("too many visits wait to be recorded") from None


def _unnamed(viewer: Viewer, room: LiveRoom) -> str:
    """The visit of a connection to a room. No page can name it: it has a dot."""
    in_room = hashlib.blake2b(room.room_id.encode(), digest_size=4).hexdigest()
    return f"{viewer.client_id}.{in_room}"


def _stored(stored: asyncio.Future[None]) -> Result:
    try:
        stored.result()
    except Overloaded:
        raise overloaded("too many visits wait to be written") from None
    except SaleStoreUnavailable:
        raise overloaded("the store of visits cannot be reached") from None
    return b"{}"


def _knows(visit: OpenVisit | None) -> bool:
    """Whether something is known of where the open visit comes from."""
    return visit is not None and visit.source != _NOT_SAID


_NOT_SAID = Source()


# what a page may tell


def told_events(told: list[dict[str, Any]], most: int) -> tuple[Event, ...]:
    """The events of a batch. Error 400 names the first field that is wrong."""
    if len(told) > most:
        raise bad_field("events", f"must be at most {most}")
    return tuple(_event(number, one) for number, one in enumerate(told))


def _event(number: int, told: dict[str, Any]) -> Event:
    kind, at_ms = told.get("t"), told.get("at_ms")
    shape = _SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None or not isinstance(kind, str):
        raise bad_field(f"events.{number}.t", "is not an event of a visit")
    if type(at_ms) is not int or not 0 <= at_ms <= AT_MS_MAX:
        raise bad_field(f"events.{number}.at_ms", "must be Unix milliseconds")
    if len(told) == 2 and not shape.needed:
        return Event(kind, at_ms)
    facts: dict[str, Fact] = {}
    for name, value in told.items():
        if name in ("t", "at_ms"):
            continue
        check = shape.checks.get(name)
        if check is None:
            raise bad_field(f"events.{number}.{name}", f"is not a fact of {kind}")
        if not isinstance(value, str) or (fact := check(value)) is None:
            raise bad_field(f"events.{number}.{name}", "is not of its kind")
        if fact:
            facts[name] = fact
    if shape.needed and shape.needed not in facts:
        raise bad_field(f"events.{number}.{shape.needed}", "is missing")
    return Event(kind, at_ms, facts)


Check = Callable[[str], "str | None"]


class _Shape:
    """What comes with one kind of event; `needed` must."""

    __slots__ = ("checks", "needed")

    def __init__(self, needed: str = "", **checks: Check) -> None:
        self.needed = needed
        self.checks = checks


def _named(text: str) -> str | None:
    return text if is_id(text) else None


def _label(text: str) -> str | None:
    return text if not text or is_id(text) else None


def _code(text: str) -> str | None:
    """Any text: what cannot be a code is a bad code, which is no error."""
    return text if is_id(text) else ""


def _referrer(text: str) -> str | None:
    """Only the host is kept: the rest of an address may say more of a person than of a source."""
    if len(text) > REFERRER_CHARS_MAX:
        return None
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return host if host.isascii() and host.isprintable() else ""


_SHAPES: dict[str, _Shape] = {
    Told.ENTER: _Shape(share=_code, channel=_label, campaign=_label, referrer=_referrer),
    Told.VISIBLE: _Shape(),
    Told.HIDDEN: _Shape(),
    Told.BEAT: _Shape(),
    Told.CARD_SEEN: _Shape("product", product=_named),
    Told.CARD_OPEN: _Shape("product", product=_named),
    Told.SKU_PICK: _Shape("sku", sku=_named),
    Told.CHECKOUT: _Shape("sale", sale=_named),
    Told.LEAVE: _Shape(),
}
