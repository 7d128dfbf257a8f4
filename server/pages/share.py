"""The page behind a share link: the viewer page of its room, with a card for whoever previews it.

Reads the link and the names of what it opens. What the code stands for beyond that, the page
asks over the WebSocket. Also the pictures of the link's QR code.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rooms.sharing.sources import ShareLink, TargetKind
from rooms.sharing.texts import shortened
from server.database.errors import DatabaseUnavailable
from server.database.records import CatalogRecords, RoomRecords
from server.pages.qr import MEDIA_TYPES, QrCodes
from server.pages.routes import Pages, host_of
from server.pages.words import WORDS
from server.replies import Refused
from server.sharing.link_desk import LinkDesk, Opened

NAMES_FRESH_S = 5.0
NAMES_REMEMBERED_MAX = 10_000
CACHE_A_DAY = "public, max-age=86400"
_WHOLE = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class Names:
    """What a link opens, as people call it. `image` is an address or a path, or empty."""

    room: str
    product: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What a preview of the page shows. `url` and `image` are whole addresses, or empty."""

    title: str
    description: str
    url: str
    image: str


class SharePages:
    """The handlers below `/s/`. `public_url` and `logo` are the shop's, or empty.

    A `public_url` may be a path only: the shop is there, wherever people open it.
    """

    def __init__(
        self,
        pages: Pages,
        desk: LinkDesk,
        rooms: RoomRecords,
        catalog: CatalogRecords,
        *,
        public_url: str,
        logo: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pages = pages
        self._desk = desk
        self._rooms = rooms
        self._catalog = catalog
        self._public_url = public_url
        self._logo = logo
        self._monotonic_s = monotonic_s
        self._codes = QrCodes()
        self._names: OrderedDict[str, tuple[float, Names]] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/s/{code}", self.opened, name="share"),
            Route("/s/{code}/qr.{kind:str}", self.qr, name="qr"),
        ]

    async def opened(self, request: Request) -> Response:
        """The room at what was shared; 404 for a code that this shop has not made."""
        code = request.path_params["code"]
        try:
            opened = await self._desk.open(code)
            names = await self._names_of(opened.link)
        except Refused:
            return self._pages.missing(request)
        except DatabaseUnavailable:
            return self._pages.busy(request)
        words = WORDS[self._pages.language(request)]
        card = self._card(request, opened, names, words)
        return self._pages.page(
            request,
            "viewer.html",
            title=card.title,
            room=opened.link.room,
            share=code,
            card=card,
        )

    async def qr(self, request: Request) -> Response:
        """The link's QR code as SVG or PNG. No storage is asked: the code shows who made it."""
        code, kind = request.path_params["code"], request.path_params["kind"]
        if kind not in MEDIA_TYPES or not self._desk.links.is_signed(code):
            return self._pages.missing(request)
        picture = await self._codes.picture(f"{self._site(request)}/s/{code}", kind)
        headers = {
            "cache-control": CACHE_A_DAY,
            "content-security-policy": "default-src 'none'; sandbox",
            "x-content-type-options": "nosniff",
        }
        return Response(picture, media_type=MEDIA_TYPES[kind], headers=headers)

    def _card(self, request: Request, opened: Opened, names: Names, words: dict[str, str]) -> Card:
        link, quote = opened
        site = self._site(request)
        title, description = names.room, words["card_room"]
        if link.target.kind is TargetKind.PRODUCT and names.product:
            title, description = names.product, words["card_product"].replace("{}", names.room)
        elif quote is not None:
            description = f"{quote.name}{words['card_says']}“{shortened(quote.text)}”"
        return Card(
            title=title,
            description=description,
            url=f"{site}/s/{request.path_params['code']}",
            image=_whole(site, names.image) or _whole(site, self._logo),
        )

    def _site(self, request: Request) -> str:
        """Where people open the pages: https://shop.example."""
        if self._public_url.startswith(_WHOLE):
            return self._public_url
        host = host_of(request)
        return f"{request.url.scheme}://{host}{self._public_url}" if host else ""

    async def _names_of(self, link: ShareLink) -> Names:
        """Looked up anew every few seconds: a herd that opens one link asks once."""
        now_s = self._monotonic_s()
        known = self._names.get(link.id)
        if known is not None and now_s < known[0]:
            return known[1]
        room = await self._rooms.find(link.room)
        names = Names("" if room is None else room.title)
        if link.target.kind is TargetKind.PRODUCT:
            product = await self._catalog.find(link.target.id)
            if product is not None:
                names = Names(names.room, product.title, product.image_url)
        self._names[link.id] = (now_s + NAMES_FRESH_S, names)
        self._names.move_to_end(link.id)
        if len(self._names) > NAMES_REMEMBERED_MAX:
            self._names.popitem(last=False)
        return names


def _whole(site: str, address: str) -> str:
    """A whole address for those who only have the page's text; empty if there is none."""
    whole = urljoin(f"{site}/", address) if address else ""
    return whole if whole.startswith(_WHOLE) else ""
