"""The pages' routes: landing, viewer page, host console, merchant desk, their files, and 404.

Knows the brand and the room id in the address. Whether the room exists, and what is in it, the
page learns over the WebSocket like every other client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from server.pages.assets import CACHE_AND_ASK, CACHE_FOR_EVER, Assets, make_asset, send_asset
from server.pages.theme import theme_css
from server.pages.words import WORDS, choose_language
from server.settings import Settings

ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?\Z|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?\Z")
RETRY_AFTER_S = 2
_TEMPLATES = Path(__file__).parent / "templates"


def page_routes(
    settings: Settings,
    share_routes: Callable[[Pages], list[BaseRoute]] = lambda _pages: [],
    assets: Assets | None = None,
) -> list[BaseRoute]:
    """Everything a browser opens. `share_routes` are those of links, made of the same parts."""
    pages = Pages(settings, assets)
    return [
        *share_routes(pages),
        Route("/", pages.landing, name="landing"),
        Route("/r/{room}", pages.viewer, name="viewer"),
        Route("/host/{room}", pages.host, name="host"),
        Route("/merchant", pages.merchant, name="merchant"),
        Route("/static/{path:path}", pages.static, name="static"),
        Route("/theme.css", pages.theme, name="theme"),
        Route("/favicon.ico", pages.favicon, name="favicon"),
    ]


def content_security_policy(host: str) -> str:
    """The policy of every page. `host` is the request's Host header: sockets go nowhere else.

    Older Safari does not count a same-origin WebSocket as 'self', so both forms are named.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.match(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' https: data:",
            "media-src 'self' https: http: blob:",
            f"connect-src 'self'{sockets}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def host_of(request: Request) -> str:
    """The request's Host header if it can be one, else empty: it ends up in pages."""
    host = request.headers.get("host", "")
    return host if _HOST.match(host) else ""


class Pages:
    """The handlers and what they share: templates, files, theme and brand, all built once."""

    def __init__(self, settings: Settings, assets: Assets | None = None) -> None:
        self.assets = assets or Assets()
        self.theme_asset = make_asset(theme_css(settings.brand_color).encode(), "theme.css")
        self.templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals.update(
            asset=self.assets.url,
            theme_url=f"/theme.css?v={self._theme_version}",
            brand=settings.brand_name,
            brand_color=settings.brand_color,
            logo=settings.brand_logo_url,
            initial=settings.brand_name[:1].upper(),
            base=settings.base_path,
            rehearsal=settings.rehearsal,
            guests_may_speak=settings.guests_may_speak or settings.insecure,
            pages_pay=settings.payment_provider == "demo",
            name_chars_max=settings.limits.name_chars_max,
            text_chars_max=settings.limits.text_chars_max,
            notice_chars_max=settings.limits.notice_chars_max,
            reason_chars_max=settings.limits.reason_chars_max,
        )

    @property
    def _theme_version(self) -> str:
        return self.theme_asset.etag.strip('"')

    async def landing(self, request: Request) -> Response:
        """A quiet front page: no list of rooms, because links are given by the merchant."""
        return self.page(request, "landing.html", title="landing_title")

    async def viewer(self, request: Request) -> Response:
        """The room as its audience sees it."""
        return self._room_page(request, "viewer.html", title="viewer_title")

    async def host(self, request: Request) -> Response:
        """The console of hosts, moderators and merchants; who may do what, the server decides."""
        return self._room_page(request, "host.html", title="host_title")

    async def merchant(self, request: Request) -> Response:
        """The desk of merchants, over the HTTP API; whose rooms and sales, the token says."""
        return self.page(request, "merchant.html", title="merchant_title")

    async def static(self, request: Request) -> Response:
        """A file of the pages."""
        found = self.assets.serve(request, request.path_params["path"])
        return found or self.missing(request)

    async def theme(self, request: Request) -> Response:
        """The brand's colours as a stylesheet."""
        lasting = request.query_params.get("v") == self._theme_version
        return send_asset(request, self.theme_asset, CACHE_FOR_EVER if lasting else CACHE_AND_ASK)

    async def favicon(self, request: Request) -> Response:
        """For whatever asks without reading the page's link."""
        return send_asset(request, self.assets.files["favicon.svg"], CACHE_AND_ASK)

    def _room_page(self, request: Request, template: str, *, title: str) -> Response:
        room = request.path_params["room"]
        if not ROOM_ID.match(room):
            return self.missing(request)
        return self.page(request, template, title=title, room=room)

    def missing(self, request: Request) -> Response:
        """There is nothing here, in the reader's language."""
        return self.page(request, "missing.html", title="missing_title", status=404)

    def busy(self, request: Request) -> Response:
        """It cannot be looked up just now; the reader, or their browser, comes again."""
        answer = self.page(request, "busy.html", title="busy_title", status=503)
        answer.headers["retry-after"] = str(RETRY_AFTER_S)
        return answer

    def language(self, request: Request) -> str:
        """The language of a page: asked for in the address, else the browser's."""
        accepted = request.headers.get("accept-language", "")
        return choose_language(request.query_params.get("lang"), accepted)

    def page(
        self,
        request: Request,
        template: str,
        *,
        title: str,
        status: int = 200,
        room: str = "",
        share: str = "",
        card: object = None,
    ) -> Response:
        """A page. `title` is a word of ours or, with a `card` for previews, text of people's."""
        language = self.language(request)
        words = WORDS[language]
        context: dict[str, Any] = {
            "lang": language,
            "words": words,
            "title": words[title] if card is None else title,
            "room": room,
            "share": share,
            "card": card,
        }
        return HTMLResponse(
            self.templates.get_template(template).render(context),
            status_code=status,
            headers={
                "content-security-policy": content_security_policy(host_of(request)),
                "content-language": language,
                "vary": "Accept-Language",
                "cache-control": CACHE_AND_ASK,
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
                "permissions-policy": "camera=(), microphone=(), geolocation=()",
            },
        )
