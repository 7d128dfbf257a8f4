"""Every address of a shop, in the order in which they are looked at."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from starlette.routing import BaseRoute, Mount, WebSocketRoute
from starlette.types import ASGIApp

from server.api import Services
from server.handshake import Door
from server.health import Health
from server.pages.assets import Assets
from server.pages.routes import Pages, page_routes
from server.pages.share import SharePages
from server.settings import Settings


class Shop(Protocol):
    """What of a worker answers addresses."""

    settings: Settings
    door: Door
    health: Health
    services: Services


def shop_routes(shop: Shop, api: ASGIApp, assets: Assets) -> list[BaseRoute]:
    """The routes of one shop; the API answers whatever no other does."""
    pages = page_routes(shop.settings, partial(share_routes, shop.services), assets)
    return [
        WebSocketRoute("/connection/websocket", shop.door),
        *shop.health.routes(),
        *pages,
        Mount("/", app=api),
    ]


def share_routes(services: Services, pages: Pages) -> list[BaseRoute]:
    """The pages behind share links."""
    settings = services.settings
    shared = SharePages(
        pages,
        services.links,
        services.rooms,
        services.catalog,
        public_url=settings.public_url,
        logo=settings.brand_logo_url,
    )
    return shared.routes()
