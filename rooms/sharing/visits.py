"""The record of visits: its vocabulary, its pieces, and what a visit comes to.

A page sends what happened in small batches; each stored batch is a *piece* of its visit, together
with what the server itself saw. The record is append-only: a visit, and every counter, can be
made anew from its pieces, in the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
    `source` comes with the first piece only.
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
