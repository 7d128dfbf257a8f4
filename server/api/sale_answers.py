"""What the routes of sales share: finding a sale for a caller, showing it, and acts of staff."""

from __future__ import annotations

from typing import Any

from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Act, SaleState, SaleView
from rooms.model import RoomId
from server.api.errors import Refused
from server.api.guard import Caller
from server.api.people import new_id
from server.api.sale_models import SaleBody
from server.api.services import Services
from server.database.sale_words import LedgerBooks, SaleRecord
from server.sale_cards import view_of_ledger
from server.sale_json import sale_json


async def find_sale(
    sale_id: str, caller: Caller, services: Services, *, staff: bool = False
) -> SaleRecord:
    """A sale that the caller may manage, or (`staff`) run. 404 for those of other rooms too."""
    record = await services.sales.find(sale_id)
    if record is None or not caller.hosts(record.terms.room):
        raise unknown_sale(sale_id)
    if not staff:
        caller.check_room(record.terms.room)
    return record


def unknown_sale(sale_id: str) -> Refused:
    return Refused(404, f"there is no sale {sale_id!r}", "id")


async def shown(record: SaleRecord, services: Services) -> SaleBody:
    """A sale as it is now, from the store if it is there and can be reached."""
    terms = record.terms
    if record.state is SaleState.DRAFT:
        full = {
            item.sku: LedgerBooks(item.stock, 0, 0, 0, 0, 0, item.stock) for item in terms.items
        }
        return sale_body(sale_json(view_of_ledger(record, full), terms.items), record, "draft")
    view: SaleView | None = None
    if record.settled_at_ms is None:
        try:
            view = await services.cards.view(record)
        except SaleStoreUnavailable:
            view = None
    if view is None:
        view = view_of_ledger(record, await services.orders.books(terms.id))
    source = "store" if view.at.now_ms else "ledger"
    return sale_body(sale_json(view, terms.items), record, source)


def sale_body(told: dict[str, Any], record: SaleRecord, source: str) -> SaleBody:
    """What everybody sees of a sale, and what staff alone see of it."""
    bounds = {
        item.sku: {"floor_minor": item.floor_minor, "markup_max_minor": item.markup_max_minor}
        for item in record.terms.items
    }
    items = [item | bounds[item["sku"]] for item in told["items"]]
    more = {"offer_seconds": record.terms.offer_ms // 1000, "source": source, "items": items}
    return SaleBody.model_validate(told | more)


def act_of(
    word: str,
    request_id: str | None,
    reason: str,
    record: SaleRecord,
    caller: Caller,
    services: Services,
) -> Act:
    """Who does what, and why. An id that the caller gave is the caller's own, for this word."""
    limits = services.settings.limits
    if len(reason) > limits.reason_chars_max:
        raise Refused(413, f"is longer than {limits.reason_chars_max} characters", "reason")
    if request_id is not None:
        check_request_id(request_id, services)
    user = caller.identity.user_id
    role = caller.identity.role_in(RoomId(record.terms.room))
    return Act(f"{word}:{user}:{request_id or new_id()}", user, role, reason)


def check_request_id(request_id: str, services: Services) -> None:
    most = services.settings.limits.request_id_chars_max
    if len(request_id) > most:
        raise Refused(400, f"must be 1 to {most} characters", "request_id")
