"""Who may make which link, and what a code opens; the same for viewers and for merchants' calls.

Answers what is wrong as `Refused`, as every procedure does.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from rooms.model import CommentId
from rooms.sharing.policy import ChannelPolicy, Policies
from rooms.sharing.sources import Quote, ShareLink, Source, Target, TargetKind
from rooms.sharing.texts import Shared
from server.database.share_records import ShareRecords, TooManyLinks
from server.live_room import LiveRoom
from server.replies import bad_field, not_allowed, rejected, too_fast, unknown
from server.sales.answers import masked
from server.sharing.links import Links

QUOTE_FRESH_S = 5.0  # how long a removed comment may still be quoted, at most
QUOTES_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to share. An empty `inviter` is the shop itself."""

    channel: str
    inviter: str = ""
    inviter_name: str = ""  # as in the room; masked here
    campaign: str = ""
    staff: str = ""
    product: str | None = None
    comment: str | None = None
    markups: Mapping[str, int] = field(default_factory=dict)


class Opened(NamedTuple):
    """A link, and its quote unless the comment has been removed."""

    link: ShareLink
    quote: Quote | None


class LinkDesk:
    """Makes links to what is in a room just now, and opens them."""

    def __init__(
        self,
        links: Links,
        policies: Policies,
        records: ShareRecords,
        brand: str,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.links = links
        self.policies = policies
        self._records = records
        self._brand = brand
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._removed: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def make(self, room: LiveRoom, wanted: Wanted, app: str = "") -> ShareLink:
        """The link, made or found. Raises `Refused`, and `DatabaseUnavailable`."""
        if wanted.channel not in self.policies:
            raise bad_field("channel", "is none of the channels of this shop")
        if not self.policy(wanted.channel, app).may_share:
            raise not_allowed(f"channel: {wanted.channel} is not for sharing")
        target, quote = _target(room, wanted)
        markups = {sku: minor for sku, minor in wanted.markups.items() if minor}
        if markups:
            await self._check_markups(room.room_id, markups)
        try:
            return await self.links.create(
                room.room_id,
                Source(wanted.channel, wanted.campaign, wanted.staff, wanted.inviter),
                target,
                markups=markups,
                inviter_name=masked(wanted.inviter_name) if wanted.inviter else "",
                quote=quote,
            )
        except TooManyLinks as full:
            raise too_fast(full.free_at_ms - self._now_ms()) from None

    async def open(self, code: str) -> Opened:
        """What a code opens; error 404 for one that this shop has not made."""
        link = await self.links.find(code)
        if link is None:
            raise unknown("code", code)
        if link.quote is None or await self._is_removed(link):
            return Opened(link, None)
        return Opened(link, link.quote)

    def policy(self, channel: str, app: str = "") -> ChannelPolicy:
        """What holds for a channel inside the browser of `app`."""
        return self.policies.of(channel, app)

    def shared(self, room: LiveRoom, link: ShareLink) -> Shared:
        """The names for the texts of a link that was just made."""
        quote = link.quote
        on_shelf = _shelf(room).get(link.target.id, {})
        return Shared(
            brand=self._brand,
            room=str(orjson.loads(room.replica.fields["room"])["title"]),
            kind=link.target.kind,
            product=str(on_shelf.get("title", "")),
            quote_name="" if quote is None else quote.name,
            quote_text="" if quote is None else quote.text,
        )

    async def _check_markups(self, room_id: str, markups: Mapping[str, int]) -> None:
        caps = await self._records.markup_caps(room_id, list(markups))
        for sku, minor in sorted(markups.items()):
            if not caps.get(sku):
                raise rejected(f"markups.{sku}: is not for resale in this room")
            if minor > caps[sku]:
                raise rejected(f"markups.{sku}: must be 0 to {caps[sku]}")

    async def _is_removed(self, link: ShareLink) -> bool:
        """Looked up anew every few seconds: a herd that opens one link is one query."""
        now_s = self._monotonic_s()
        known = self._removed.get(link.id)
        if known is not None and (known[1] or now_s < known[0]):
            return known[1]
        removed = await self._records.is_removed(link.room, link.target.id)
        self._removed[link.id] = (now_s + QUOTE_FRESH_S, removed)
        self._removed.move_to_end(link.id)
        if len(self._removed) > QUOTES_REMEMBERED_MAX:
            self._removed.popitem(last=False)
        return removed


def _target(room: LiveRoom, wanted: Wanted) -> tuple[Target, Quote | None]:
    """What the link opens: it must be in the room now."""
    if wanted.comment is not None and wanted.product is not None:
        raise bad_field("comment", "comes instead of product")
    if wanted.comment is not None:
        entry = room.replica.comment(CommentId(wanted.comment))
        if entry is None:
            raise unknown("comment", f"or removed comment {wanted.comment}")
        said = orjson.loads(entry.payload)
        quote = Quote(masked(said["name"]), said["text"])
        return Target(TargetKind.COMMENT, wanted.comment, said["at_ms"]), quote
    if wanted.product is not None:
        if wanted.product not in _shelf(room):
            raise unknown("product", f"or not on the shelf: {wanted.product}")
        return Target(TargetKind.PRODUCT, wanted.product), None
    return Target(), None


def _shelf(room: LiveRoom) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in orjson.loads(room.replica.fields.get("shelf", b"[]"))}
