"""The remote procedures of those who share, and of those who open what was shared."""

from __future__ import annotations

from typing import Any

from rooms.sharing.sources import TargetKind
from rooms.sharing.texts import share_texts
from rooms.sharing.visits import Seen
from server import rpc_requests as ask
from server.replies import sign_in_first
from server.rpc import Result, Rpc, joined
from server.sharing.link_desk import LinkDesk, Wanted, place_of
from server.sharing.open_visit import Saw
from server.sharing.policies import policy_json
from server.viewer import Viewer

COPY = "copy"  # the channel of those who do not say and are in no app


class Sharing:
    """`share.create` and `share.open`. `saw` hears of every link that somebody makes."""

    def __init__(self, desk: LinkDesk, saw: Saw) -> None:
        self._desk = desk
        self._saw = saw

    def procedures(self) -> dict[str, Rpc]:
        return {
            "share.create": Rpc(ask.ShareCreate, self._create),
            "share.open": Rpc(ask.ShareOpen, self._open),
        }

    async def _create(self, viewer: Viewer, request: ask.ShareCreate) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("share")
        place = place_of(joined(viewer, request.room))
        app = viewer.origin.app
        wanted = Wanted(
            channel=self._desk.channel(request.channel, app, COPY),
            inviter=viewer.user_id,
            inviter_name=viewer.identity.name or viewer.user_id,
            product=request.product,
            comment=request.comment,
            markups=request.markups or {},
        )
        link = await self._desk.make(place, wanted, app)
        self._saw(viewer, place.room, Seen.SHARE, link=link.id)
        url = self._desk.links.url_of(link)
        caps: dict[str, int] = {}
        if request.product and self._desk.may_resell(app):
            caps = await self._desk.for_resale(place.room, request.product)
        return {
            "code": self._desk.links.code_of(link),
            "url": url,
            "qr": f"{url}/qr.svg",
            "policy": policy_json(self._desk.policy(wanted.channel, app)),
            "texts": share_texts(self._desk.shared(place, link), wanted.channel),
            **({"markup_max": caps} if caps else {}),
        }

    async def _open(self, viewer: Viewer, request: ask.ShareOpen) -> Result:
        link, quote = await self._desk.open(request.code)
        own = link.source.inviter == viewer.user_id  # who buys for himself pays the shop's price
        opened: dict[str, Any] = {
            "room": link.room,
            "target": {"kind": link.target.kind.value, "id": link.target.id},
            "at_ms": link.target.at_ms,
            "inviter": link.inviter_name,
            "channel": link.source.channel,
            "policy": policy_json(self._desk.policy(link.source.channel, viewer.origin.app)),
            "markups": {} if own else dict(link.markups),
        }
        if link.target.kind is TargetKind.COMMENT and quote is not None:
            opened["comment"] = {
                "id": link.target.id,
                "name": quote.name,
                "text": quote.text,
                "at_ms": link.target.at_ms,
            }
        return opened
