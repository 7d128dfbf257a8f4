"""Who may make which link, and what a code opens; the same for viewers and for merchants' calls.

Answers what is wrong as `Refused`, as every procedure does.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.model import CommentId, RoomId
from rooms.sharing.policy import ChannelPolicy, Policies
from rooms.sharing.sources import Quote, ShareLink, Source, Target, TargetKind
from rooms.sharing.texts import Shared
from server.database.engine import Database
from server.database.share_records import LinkPlace, ShareRecords, TooManyLinks
from server.live_room import LiveRoom
from server.replies import bad_field, not_allowed, overloaded, rejected, too_fast, unknown
from server.sales.answers import masked
from server.settings import Settings
from server.sharing.keys import derived_key
from server.sharing.links import Links
from server.sharing.policies import load_policies

OpenRoom = Callable[[RoomId], Awaitable[LiveRoom | None]]
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
    by_shop: bool = False  # the shop itself makes as many links as it likes


@dataclass(frozen=True, slots=True)
class Place:
    """A room, and what of it a link may open: its products by id, its comments as their JSON."""

    room: str
    title: str
    products: Mapping[str, str]  # id -> title
    comment: Callable[[str], bytes | None]


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
        open_room: OpenRoom,
        brand: str,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.links = links
        self.policies = policies
        self._records = records
        self._open_room = open_room
        self._brand = brand
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._removed: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def make(self, place: Place, wanted: Wanted, app: str = "") -> ShareLink:
        """The link, made or found. Raises `Refused`, and `DatabaseUnavailable`."""
        if wanted.channel not in self.policies:
            raise bad_field("channel", "is none of the channels of this shop")
        if not self.policy(wanted.channel, app).may_share:
            raise not_allowed(f"channel: {wanted.channel} is not for sharing")
        target, quote = _target(place, wanted)
        markups = {sku: minor for sku, minor in wanted.markups.items() if minor}
        if markups:
            if not self.may_resell(app):
                raise not_allowed(f"markups: links are shared plainly inside {app}")
            await self._check_markups(place.room, markups)
        try:
            return await self.links.create(
                place.room,
                Source(wanted.channel, wanted.campaign, wanted.staff, wanted.inviter),
                target,
                markups=markups,
                inviter_name=masked(wanted.inviter_name) if wanted.inviter else "",
                quote=quote,
                bounded=not wanted.by_shop,
            )
        except TooManyLinks as full:
            raise too_fast(full.free_at_ms - self._now_ms()) from None

    async def live_place(self, room_id: str) -> Place | None:
        """A room as its viewers see it; None if there is none, error 503 if it cannot be opened."""
        try:
            room = await self._open_room(RoomId(room_id))
        except (Overloaded, RoomLogUnavailable):
            raise overloaded("the room's store cannot be reached") from None
        return None if room is None else place_of(room)

    async def page(
        self,
        after: LinkPlace | None,
        limit: int,
        *,
        room: str | None = None,
        inviter: str | None = None,
        campaign: str | None = None,
        among: Collection[str] | None = None,
    ) -> list[ShareLink]:
        """As `ShareRecords.page`."""
        return await self._records.page(
            after, limit, room=room, inviter=inviter, campaign=campaign, among=among
        )

    async def open(self, code: str) -> Opened:
        """What a code opens; error 404 for one that this shop has not made."""
        link = await self.links.find(code)
        if link is None:
            raise unknown("code", code)
        if link.quote is None or await self._is_removed(link):
            return Opened(link, None)
        return Opened(link, link.quote)

    def channel(self, asked: str | None, app: str, usual: str) -> str:
        """The channel of a link that somebody makes in the browser of `app`: that app's own, where
        its policy holds for everything in it. Error 400 for one that this shop does not have.
        """
        if asked is not None and asked not in self.policies:
            raise bad_field("channel", "is none of the channels of this shop")
        inside = app in self.policies
        return app if inside and (asked is None or self.policies.of(app).app) else asked or usual

    def policy(self, channel: str, app: str = "") -> ChannelPolicy:
        """What holds for a channel inside the browser of `app`."""
        return self.policies.of(channel, app)

    def shared(self, place: Place, link: ShareLink) -> Shared:
        """The names for the texts of a link that was just made there."""
        quote = link.quote
        return Shared(
            brand=self._brand,
            room=place.title,
            kind=link.target.kind,
            product=place.products.get(link.target.id, ""),
            quote_name="" if quote is None else quote.name,
            quote_text="" if quote is None else quote.text,
        )

    def may_resell(self, app: str) -> bool:
        """Whether prices of one's own may be offered inside the browser of `app`: what they bring
        is a reward for sharing.
        """
        inside = self.policies.of(app)
        return app not in self.policies or not inside.app or inside.show_rewards

    async def for_resale(self, room_id: str, product: str) -> dict[str, int]:
        """What a reseller may add to a unit of each sku of a product, where that is anything."""
        caps = await self._records.markup_caps(room_id, product=product)
        return {sku: minor for sku, minor in sorted(caps.items()) if minor}

    async def _check_markups(self, room_id: str, markups: Mapping[str, int]) -> None:
        caps = await self._records.markup_caps(room_id, skus=list(markups))
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


def open_link_desk(
    settings: Settings, database: Database, open_room: OpenRoom, now_ms: Callable[[], int]
) -> LinkDesk:
    """The desk of one worker, with the merchant's policies; `BadSetting` if those are no use."""
    records = ShareRecords(database)
    links = Links(
        records,
        derived_key(settings, "share links"),
        settings.limits,
        now_ms,
        public_url=settings.public_url,
    )
    policies = load_policies(settings.channel_policies_file)
    return LinkDesk(links, policies, records, open_room, settings.brand_name, now_ms)


def place_of(room: LiveRoom) -> Place:
    """A room as its viewers see it."""
    fields, replica = room.replica.fields, room.replica

    def comment(comment_id: str) -> bytes | None:
        entry = replica.comment(CommentId(comment_id))
        return None if entry is None else entry.payload

    shelf = orjson.loads(fields.get("shelf", b"[]"))
    return Place(
        room=room.room_id,
        title=orjson.loads(fields["room"])["title"],
        products={product["id"]: product["title"] for product in shelf},
        comment=comment,
    )


def _target(place: Place, wanted: Wanted) -> tuple[Target, Quote | None]:
    """What the link opens: it must be in the room now."""
    if wanted.comment is not None and wanted.product is not None:
        raise bad_field("comment", "comes instead of product")
    if wanted.comment is not None:
        payload = place.comment(wanted.comment)
        if payload is None:
            raise unknown("comment", f"or removed comment {wanted.comment}")
        said = orjson.loads(payload)
        quote = Quote(masked(said["name"]), said["text"])
        return Target(TargetKind.COMMENT, wanted.comment, said["at_ms"]), quote
    if wanted.product is not None:
        if wanted.product not in place.products:
            raise unknown("product", f"or not on the shelf: {wanted.product}")
        return Target(TargetKind.PRODUCT, wanted.product), None
    return Target(), None
