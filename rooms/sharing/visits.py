"""The record of visits: its vocabulary, its pieces, and what a visit comes to.

A page sends what happened in small batches; each stored batch is a *piece* of its visit, together
with what the server itself saw. The record is append-only: a visit, and every counter, can be
made anew from its pieces, in the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from rooms.sharing.sources import Source

Fact = str | int


class Told(StrEnum):
    """What a page tells. It may lie; nothing that is rewarded stands on it alone."""

    ENTER = "enter"  # {share?, channel?, campaign?, referrer?}
    VISIBLE = "visible"
    HIDDEN = "hidden"
    BEAT = "beat"  # still visible
    CARD_SEEN = "card_seen"  # {product}
    CARD_OPEN = "card_open"  # {product}
    SKU_PICK = "sku_pick"  # {sku}
    CHECKOUT = "checkout"  # {sale}
    LEAVE = "leave"


class Seen(StrEnum):
    """What the server saw by itself."""

    COMMENT = "comment"  # {id}
    COMMENT_LIKE = "comment_like"  # {id}
    LIKE = "like"  # {n}
    SHARE = "share"  # {link}
    ORDER = "order"  # {order, outcome}
    PAID = "paid"  # {order}
    SIGNED_IN = "signed_in"  # the visit goes on under another user
    GONE = "gone"  # the connection ended


ACTIONS = frozenset({Seen.COMMENT, Seen.COMMENT_LIKE, Seen.LIKE, Seen.ORDER})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `at_ms` is the page's word, in the server's time."""

    t: str
    at_ms: int
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """Events of one visit that were received together. `key` is unique in its visit.

    `user` is empty for somebody anonymous; `guest` when it is no member of the shop. `net` is the
    network of the address, never the address; `agent` a fingerprint of the browser; `app` the app
    whose browser it is ("wechat"), or empty. `explaining` is the product pinned at that moment.
    `source` comes with the first piece only. `received_at_ms` is the store's time, and 0 while
    the piece is on its way there.
    """

    visit: str
    key: str
    room: str
    received_at_ms: int
    events: tuple[Event, ...]
    device: str = ""
    user: str = ""
    guest: bool = True
    net: str = ""
    agent: str = ""
    app: str = ""
    explaining: str = ""
    source: Source | None = None


NOT_SAID = Source()
SLACK_MS = 2_000  # between a page's clock and ours
GUESTS = ("guest-", "anonymous-")  # how the ids begin that this server gives to guests


def is_guest(user: str) -> bool:
    """Whether this is somebody without an account at the shop; also somebody without an id."""
    return not user or user.startswith(GUESTS)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit comes to so far. `user` is the latest, `person` the first member it was.

    `visible_ms` is by the server's account: intervals between the page's signals while it was
    visible, each at most the beat's gap, all together never more than has passed here. `faults`
    counts pieces that claim more. `showing` and `signal_at_ms` are where that account stands.
    """

    id: str
    room: str
    entered_at_ms: int
    source: Source = NOT_SAID
    device: str = ""
    user: str = ""
    person: str = ""
    last_at_ms: int = 0
    visible_ms: int = 0
    actions: int = 0
    first_action_at_ms: int | None = None
    faults: int = 0
    cards_seen: int = 0
    cards_opened: int = 0
    skus_picked: int = 0
    checkouts: int = 0
    orders: int = 0
    comments: int = 0
    likes: int = 0
    shares: int = 0
    left: bool = False
    net: str = ""
    agent: str = ""
    app: str = ""
    explaining: str = ""
    showing: bool = False
    signal_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What newly stored pieces made of a visit. `before` is None when it began with them."""

    before: Visit | None
    after: Visit


def fold(visit: Visit | None, piece: Piece, beat_gap_ms: int) -> Visit:
    """The visit with one more piece: same pieces in the same order, same visit.

    A piece of another room than the visit's counts as a fault and as nothing else.
    """
    if visit is None:
        visit = _begun(piece)
    elif visit.room != piece.room:
        return replace(visit, faults=visit.faults + 1)
    now_ms = piece.received_at_ms
    user = piece.user or visit.user
    return replace(
        visit,
        user=user,
        person=visit.person or ("" if is_guest(user) or piece.guest else user),
        device=visit.device or piece.device,
        last_at_ms=max(visit.last_at_ms, now_ms),
        explaining=piece.explaining or visit.explaining,
        **_shown(visit, piece, beat_gap_ms),
        **_counted(visit, piece),
    )


def with_sign_in(before: Visit | None, piece: Piece) -> Piece:
    """The piece as it is stored: when the visit goes on under another user, it says so first."""
    if before is None or not piece.user or piece.user == before.user:
        return piece
    told = Event(Seen.SIGNED_IN, piece.received_at_ms)
    return replace(piece, events=(told, *piece.events))


def _begun(piece: Piece) -> Visit:
    return Visit(
        id=piece.visit,
        room=piece.room,
        entered_at_ms=piece.received_at_ms,
        source=piece.source or NOT_SAID,
        net=piece.net,
        agent=piece.agent,
        app=piece.app,
        signal_at_ms=piece.received_at_ms - SLACK_MS,  # what a page says of before is not counted
    )


_SIGNALS = frozenset(Told)


def _shown(visit: Visit, piece: Piece, beat_gap_ms: int) -> dict[str, Any]:
    """What becomes of the account of visible time by what the page tells."""
    now_ms = piece.received_at_ms
    # A page's first words may come late: the store was away, or the worker that had them died.
    earliest_ms = visit.entered_at_ms - beat_gap_ms
    unheard_ms = visit.entered_at_ms - SLACK_MS  # where the account stands until the page is heard
    showing, at_ms, visible_ms = visit.showing, visit.signal_at_ms, visit.visible_ms
    left, lied = visit.left, False
    for event in piece.events:
        if event.t not in _SIGNALS:
            left = event.t == Seen.GONE or (left and event.t == Seen.PAID)
            continue
        lied = lied or not earliest_ms <= event.at_ms <= now_ms + SLACK_MS
        heard_ms = min(event.at_ms, now_ms)
        left = event.t == Told.LEAVE
        if heard_ms < at_ms:  # told late, or about before the visit
            if at_ms == unheard_ms and event.t in _SHOWS:
                showing = _SHOWS[Told(event.t)]
            continue
        if showing:
            visible_ms += min(heard_ms - at_ms, beat_gap_ms)
        at_ms = heard_ms
        if event.t in _SHOWS:
            showing = _SHOWS[Told(event.t)]
    most_ms = now_ms - visit.entered_at_ms + SLACK_MS
    return {
        "showing": showing,
        "signal_at_ms": at_ms,
        "visible_ms": max(visit.visible_ms, min(visible_ms, most_ms)),
        "faults": visit.faults + lied,
        "left": left,
    }


_SHOWS = {Told.VISIBLE: True, Told.BEAT: True, Told.HIDDEN: False, Told.LEAVE: False}
_COUNTS: Mapping[str, str] = {
    Told.CARD_SEEN: "cards_seen",
    Told.CARD_OPEN: "cards_opened",
    Told.SKU_PICK: "skus_picked",
    Told.CHECKOUT: "checkouts",
    Seen.COMMENT: "comments",
    Seen.ORDER: "orders",
    Seen.SHARE: "shares",
}


def _counted(visit: Visit, piece: Piece) -> dict[str, Any]:
    """What becomes of the counts. Actions are only what the server saw itself."""
    counts: dict[str, Any] = {}
    actions = 0
    for event in piece.events:
        actions += event.t in ACTIONS
        if event.t in (Seen.LIKE, Seen.COMMENT_LIKE):
            amount = event.facts.get("n", 1)
            counts["likes"] = counts.get("likes", visit.likes) + int(amount)
        elif event.t in _COUNTS:
            name = _COUNTS[event.t]
            counts[name] = counts.get(name, getattr(visit, name)) + 1
    if actions:
        counts["actions"] = visit.actions + actions
        if visit.first_action_at_ms is None:
            counts["first_action_at_ms"] = piece.received_at_ms
    return counts
