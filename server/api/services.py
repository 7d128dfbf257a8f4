"""Everything the HTTP API needs, made elsewhere and passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.records import CatalogRecords, RoomRecords
from server.database.sale_records import SaleRecords
from server.ledger.audit import Auditor
from server.payments.event_log import EventLog
from server.ports import Realtime, RoomActs
from server.rehearsal.runs import Rehearsals
from server.sale_cards import SaleCards
from server.sales.desk import SalesDesk
from server.settings import Settings
from server.sharing.link_desk import LinkDesk
from server.sharing.reward_desk import RewardDesk
from server.sharing.till import Till
from server.tokens import Tokens

_SERVICES = "onair.services"


def accept_any_name(_name: str) -> str | None:
    """No rule beyond those of text."""
    return None


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the API. `refuse_name` answers why a guest may not have a name, or None."""

    settings: Settings
    database: Database
    rooms: RoomRecords
    catalog: CatalogRecords
    tokens: Tokens
    realtime: Realtime
    acts: RoomActs
    desk: SalesDesk
    till: Till
    links: LinkDesk
    rewards: RewardDesk
    sales: SaleRecords
    orders: OrderRecords
    ledger: Ledger
    events: EventLog
    cards: SaleCards
    auditor: Auditor
    rehearsals: Rehearsals
    now_ms: Callable[[], int]
    refuse_name: Callable[[str], str | None] = accept_any_name


def services_of(request: Request) -> Services:
    """The services of the shop that a request came to."""
    services: Services = request.scope.get(_SERVICES) or request.app.state.services
    return services


def with_services(api: ASGIApp, services: Services) -> ASGIApp:
    """The same API in front of another shop. What its building has read of settings is as it was:
    the brand, and which routes there are."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await api({**scope, _SERVICES: services}, receive, send)

    return serve


async def _services_of(request: Request) -> Services:
    return services_of(request)  # a plain function as a dependency would go to a thread


ServicesHere = Annotated[Services, Depends(_services_of)]
