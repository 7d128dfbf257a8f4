"""Puts the HTTP API together. Knows its parts; decides nothing."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from server.api import (
    commissions,
    coupons,
    exports,
    ladder_results,
    ladders,
    links,
    orders,
    payments,
    people,
    products,
    realtime,
    rehearsal_links,
    rehearsal_reports,
    rehearsals,
    rooms,
    sales,
    sources,
    steering,
    visits,
)
from server.api.docs import add_docs
from server.api.errors import add_handlers
from server.api.headers import SecurityHeaders
from server.api.services import Services
from server.rates import Rate, RateTable

ADDRESSES_MAX = 10_000
API_VERSION = "1"
ROUTERS = (
    people.key_routes,
    people.open_routes,
    rooms.routes,
    products.routes,
    sales.routes,
    sales.staff_routes,
    steering.routes,
    links.routes,
    sources.routes,
    coupons.routes,
    commissions.routes,
    visits.routes,
    ladders.routes,
    ladder_results.routes,
    orders.key_routes,
    orders.routes,
    exports.routes,
    payments.routes,
    realtime.routes,
    rehearsals.routes,
    rehearsals.run_routes,
    rehearsal_reports.routes,
    rehearsal_links.link_routes,
    rehearsal_links.page_routes,
)


def build_api(services: Services) -> FastAPI:
    """The HTTP API as one ASGI application, to be mounted at the root of the server.

    It answers every path it does not know with a JSON 404. It owns none of its services: who
    made them closes them.
    """
    # Their routes themselves: a router that is included makes each of its routes a second time.
    routes = [route for router in ROUTERS for route in router.routes]
    api = FastAPI(
        routes=routes,
        title=f"{services.settings.brand_name} API",
        version=API_VERSION,
        openapi_url=None,  # served by us, complete
        docs_url=None,  # ours needs no script and no internet
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(SecurityHeaders)],
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    put_behind(api, services)
    add_handlers(api)
    add_docs(api, services.settings)
    return api


def put_behind(api: FastAPI, services: Services) -> None:
    """Let an API answer with these services from now on. Their settings are those of before."""
    api.state.services = services
    per_minute = services.settings.limits.guests_per_address_per_min
    api.state.guest_rate = RateTable(Rate(per_minute / 60, per_minute), ADDRESSES_MAX)
