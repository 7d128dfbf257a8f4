"""What a payment provider tells: believed by its signature, taken once, answered for its log."""

from __future__ import annotations

import logging
from hashlib import sha256

import orjson
from fastapi import APIRouter

from flash_sale.model import OrderId, Payment
from server.api.errors import Refused, documented, unavailable
from server.api.guard import PROVIDER, ProviderRoute, described
from server.api.order_models import PaymentAnswer, PaymentEvent
from server.api.services import Services, ServicesHere
from server.database.errors import DatabaseUnavailable
from server.database.sale_words import WebhookEvent

PAID = "payment.succeeded"
IGNORED = "ignored"

routes = APIRouter(route_class=ProviderRoute, tags=["payments"])

_log = logging.getLogger(__name__)


@routes.post(
    "/api/v1/payments/webhook",
    summary="Tell of a payment",
    operation_id="paymentWebhook",
    responses=documented(400, 401, 404, 409, 413, 415, 503),
    openapi_extra=described("支付结果通知", PROVIDER),
)
async def payment_webhook(body: PaymentEvent, services: ServicesHere) -> PaymentAnswer:
    """The provider signs the bytes of the body and sends the event until it gets a 200. An event
    takes effect once. Money that is not `accepted` is recorded and given back: the hold was over,
    the order was paid before, or the amount or currency is another. A payment that was told of
    another order before is a `mismatch` too, but is neither recorded nor given back here.
    """
    provider = services.settings.payment_provider
    meaning = _meaning(body)
    known = await _seen(services, provider, body.id)
    if known is None:
        # A hold does not wait for the ledger: the payment comes first, the record after it.
        outcome = IGNORED if body.type != PAID else await _pay(body, provider, services)
        event = WebhookEvent(provider, body.id, body.order, outcome, services.now_ms(), meaning)
        try:
            known = await services.events.store(event)
        except DatabaseUnavailable as error:
            _log.warning("%s", error)
            message = f"taken ({outcome}), but not recorded yet: send it again"
            raise unavailable(message) from error
    if known.body_digest != meaning:
        raise Refused(409, f"the event {body.id!r} came before and said something else", "id")
    return PaymentAnswer.model_validate({"outcome": known.outcome})


def _meaning(body: PaymentEvent) -> str:
    """A digest of what an event says; what a provider adds, such as a count, may differ."""
    facts = [body.type, body.order, body.payment, body.amount_minor, body.currency]
    return sha256(orjson.dumps(facts)).hexdigest()


async def _seen(services: Services, provider: str, event_id: str) -> WebhookEvent | None:
    try:
        return await services.events.seen(provider, event_id)
    except DatabaseUnavailable:
        return None  # a payment that was taken before takes no effect again


async def _pay(body: PaymentEvent, provider: str, services: Services) -> str:
    for field in ("order", "payment", "amount_minor", "currency"):
        if field not in body.model_fields_set:
            raise Refused(400, "is missing", field)
    payment = Payment(body.payment, OrderId(body.order), body.amount_minor, body.currency, provider)
    return (await services.desk.pay(payment)).outcome.value
