"""Payments by signed webhook: believed only when signed, taken once, never lost, given back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from flash_sale.model import PaymentOutcome, SaleId
from server.api import Services, build_api
from server.database.engine import Database, sqlite_url
from server.database.ledger_records import Ledger
from server.payments.event_log import EventLog
from server.payments.signature import HEADER, sign
from server.sales.live_sale import batch_limits
from tests.support.api_parts import API_KEY, PAYMENT_SECRET, MemoryRealtime
from tests.support.api_sales import (
    ORDERS,
    PRICE_MINOR,
    SALE,
    WEBHOOK,
    counters,
    event_of,
    furnish,
    open_sale,
    paid,
    reserved,
    told,
)
from tests.support.api_stage import NOW_MS, impatient, opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.redis_server import free_port
from tests.support.shop import Shop

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

NOW_S = NOW_MS // 1000
SPRING = SaleId(SALE)


@pytest.fixture(autouse=True)
async def furnished(key: AsgiClient) -> None:
    await furnish(key)
    await open_sale(key)


@pytest.fixture
async def order(key: AsgiClient) -> str:
    """An order that holds a unit."""
    return str((await reserved(key))["id"])


async def state_of(key: AsgiClient, order: str) -> str:
    return str((await key.call("GET", f"{ORDERS}/{order}")).json["state"])


async def test_a_signed_payment_pays_without_any_key(
    key: AsgiClient, nobody: AsgiClient, order: str
) -> None:
    answer = await told(nobody, event_of(order))
    assert (answer.status, answer.json) == (200, {"outcome": "accepted"})
    assert await state_of(key, order) == "paid"
    assert await counters(key) == (3, 2, 0, 1)


async def test_an_event_that_comes_again_takes_no_effect_and_gets_its_answer(
    key: AsgiClient, nobody: AsgiClient, shop: Shop, order: str
) -> None:
    answers = [await told(nobody, event_of(order)) for _ in range(3)]
    answers.append(await told(nobody, event_of(order, attempt=2, sent_at=NOW_S)))
    assert {(answer.status, answer.body) for answer in answers} == {
        (200, b'{"outcome":"accepted"}')
    }
    # the provider may also send the same payment in an event of another id
    assert (await told(nobody, event_of(order, id="evt-9"))).json == {"outcome": "accepted"}
    await shop.drain(SPRING)
    assert len(await shop.orders.payments(order)) == 1
    assert await shop.orders.refunds(SALE, None, 10) == []


async def test_an_event_that_says_something_else_under_the_same_id_is_a_conflict(
    key: AsgiClient, nobody: AsgiClient, order: str
) -> None:
    await told(nobody, event_of(order))
    for change in ({"amount_minor": 1}, {"payment": "pay-2"}, {"type": "payment.failed"}):
        check_error(await told(nobody, event_of(order, **change)), 409, "id", "something else")
    assert await counters(key) == (3, 2, 0, 1)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"amount_minor": PRICE_MINOR - 1}, "mismatch"),
        ({"amount_minor": PRICE_MINOR + 1}, "mismatch"),
        ({"amount_minor": 0}, "mismatch"),
        ({"currency": "USD"}, "mismatch"),
        ({"currency": "cny"}, "mismatch"),
    ],
)
async def test_money_of_another_amount_or_currency_is_owed_back_and_pays_nothing(
    key: AsgiClient,
    nobody: AsgiClient,
    shop: Shop,
    order: str,
    change: dict[str, Any],
    outcome: str,
) -> None:
    answer = await told(nobody, event_of(order, **change))
    assert (answer.status, answer.json) == (200, {"outcome": outcome})
    assert await state_of(key, order) == "reserved"
    await shop.drain(SPRING)
    (payment,) = await shop.orders.payments(order)
    assert payment.outcome is PaymentOutcome.MISMATCH
    assert [owed.reason for owed in await shop.orders.refunds(SALE, None, 10)] == ["mismatch"]
    assert (await told(nobody, event_of(order, 2))).json == {"outcome": "accepted"}


async def test_money_that_comes_too_late_or_twice_is_owed_back(
    key: AsgiClient, nobody: AsgiClient, shop: Shop, order: str
) -> None:
    await key.call("POST", f"{ORDERS}/{order}/cancel", {})
    assert (await told(nobody, event_of(order))).json == {"outcome": "late"}
    bought = await paid(key, "bob", 2)
    assert (await told(nobody, event_of(bought, 3))).json == {"outcome": "surplus"}
    assert await counters(key) == (3, 2, 0, 1)
    await shop.drain(SPRING)
    owed = {refund.payment_id: refund.reason for refund in await shop.orders.refunds(SALE, None, 9)}
    assert owed == {"pay-1": "late", "pay-3": "surplus"}


def signed(raw: bytes, *, secret: str = PAYMENT_SECRET, at_s: int = NOW_S) -> str:
    return sign(secret, raw, at_s)


@pytest.mark.parametrize(
    ("header_of", "why"),
    [
        (lambda raw: None, "is missing"),
        (lambda raw: "", "is missing"),
        (lambda raw: "nonsense", "t must be given once"),
        (lambda raw: signed(raw, secret="another secret of enough bytes: 0123456789"), "match"),
        (lambda raw: signed(raw + b" "), "match"),
        (lambda raw: signed(raw, at_s=NOW_S - 301), "too old"),
        (lambda raw: signed(raw, at_s=NOW_S + 301), "too early"),
        (lambda raw: signed(raw).replace("v1=", "v0="), "v1 must be given"),
        (lambda raw: f"t={NOW_S},v1=é", "v1 must be given"),
    ],
)
async def test_what_the_provider_did_not_sign_is_not_believed(
    key: AsgiClient, order: str, header_of: Callable[[bytes], str | None], why: str
) -> None:
    raw = orjson.dumps(event_of(order))
    header = header_of(raw)
    headers = {} if header is None else {HEADER: header}
    # the API key does not stand in for a signature
    answer = await key.call("POST", WEBHOOK, raw=raw, headers=headers)
    check_error(answer, 401, None, why)
    assert await state_of(key, order) == "reserved"


@pytest.mark.parametrize("away_s", [-300, 300])
async def test_a_message_within_the_tolerance_is_believed(
    nobody: AsgiClient, order: str, away_s: int
) -> None:
    raw = orjson.dumps(event_of(order))
    headers = {HEADER: signed(raw, at_s=NOW_S + away_s)}
    assert (await nobody.call("POST", WEBHOOK, raw=raw, headers=headers)).status == 200


async def test_the_signature_is_of_the_bytes_as_they_were_sent(
    nobody: AsgiClient, order: str
) -> None:
    raw = orjson.dumps(event_of(order), option=orjson.OPT_INDENT_2) + b"\n\n"
    headers = {HEADER: signed(raw)}
    assert (await nobody.call("POST", WEBHOOK, raw=raw, headers=headers)).status == 200
    answer = await nobody.call("POST", WEBHOOK, raw=raw.strip(), headers=headers)
    check_error(answer, 401, None, "does not match")


async def test_without_a_provider_nothing_is_believed(services: Services, order: str) -> None:
    for provider in ("none", "demo"):
        settings = replace(services.settings, payment_provider=provider)
        client = AsgiClient(build_api(replace(services, settings=settings)))
        check_error(await told(client, event_of(order)), 401, None, "takes no messages")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"id": 7}, "id"),
        ({"type": ""}, "type"),
        ({"type": None}, "type"),
        ({"order": 7}, "order"),
        ({"payment": "a b"}, "payment"),
        ({"payment": ""}, "payment"),
        ({"payment": "a\x1db"}, "payment"),
        ({"amount_minor": "9900"}, "amount_minor"),
        ({"amount_minor": 99.0}, "amount_minor"),
        ({"amount_minor": -1}, "amount_minor"),
        ({"amount_minor": 2**53}, "amount_minor"),
        ({"currency": "C N Y"}, "currency"),
        ({"currency": "YUANYUANYUAN"}, "currency"),
    ],
)
async def test_an_event_that_makes_no_sense_is_refused_by_its_field(
    key: AsgiClient, nobody: AsgiClient, order: str, change: dict[str, Any], field: str
) -> None:
    check_error(await told(nobody, event_of(order) | change), 400, field)
    assert await state_of(key, order) == "reserved"


@pytest.mark.parametrize("field", ["order", "payment", "amount_minor", "currency"])
async def test_a_payment_says_what_of_how_much(
    key: AsgiClient, nobody: AsgiClient, order: str, field: str
) -> None:
    event = event_of(order)
    del event[field]
    check_error(await told(nobody, event), 400, field, "is missing")
    assert await state_of(key, order) == "reserved"


async def test_events_of_other_types_are_recorded_and_nothing_more(
    key: AsgiClient, nobody: AsgiClient, services: Services, order: str
) -> None:
    for number, event in enumerate(
        ({"id": "evt-1", "type": "payment.failed", "order": order}, {"id": "evt-2", "type": "x"})
    ):
        for _ in range(2):
            answer = await told(nobody, event)
            assert (answer.status, answer.json) == (200, {"outcome": "ignored"}), number
        stored = await services.events.seen("webhook", event["id"])
        assert stored is not None
        assert stored.outcome == "ignored"
    assert await state_of(key, order) == "reserved"


async def test_a_payment_for_no_order_is_not_found_and_may_be_sent_again(
    nobody: AsgiClient, services: Services, order: str
) -> None:
    for unknown in ("nothing", f"{SALE}.{'0' * 24}", f"nowhere.{'0' * 24}"):
        check_error(await told(nobody, event_of(unknown)), 404, "order")
    assert await services.events.seen("webhook", "evt-1") is None
    assert (await told(nobody, event_of(order))).json == {"outcome": "accepted"}


async def test_a_hold_is_paid_while_the_ledger_is_away_and_recorded_afterwards(
    key: AsgiClient, services: Services, order: str, tmp_path: Path
) -> None:
    away = Database(sqlite_url(tmp_path / "away" / "no.sqlite3"), threads_max=1, within_s=1)
    events = EventLog(Ledger(away), batch_limits(services.settings.limits))
    ledgerless = replace(services, ledger=Ledger(away), events=events)
    client = AsgiClient(build_api(ledgerless))
    answer = await told(client, event_of(order))
    check_error(answer, 503, None, "taken (accepted)")
    assert int(answer.headers["retry-after"]) >= 1
    await events.close()
    await away.close()
    assert await state_of(key, order) == "paid"
    back = AsgiClient(build_api(services))
    assert (await told(back, event_of(order))).json == {"outcome": "accepted"}
    assert await services.events.seen("webhook", "evt-1") is not None
    assert await counters(key) == (3, 2, 0, 1)


async def test_while_the_store_is_away_the_provider_is_told_to_come_back(
    key: AsgiClient, services: Services, order: str
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with opened_services(
        impatient(services.settings), services.database, nowhere, MemoryRealtime(), tell_nobody
    ) as cut_off:
        client = AsgiClient(build_api(cut_off), {"x-api-key": API_KEY})
        answer = await told(client, event_of(order))
        check_error(answer, 503, None, "again")
        assert int(answer.headers["retry-after"]) >= 1
    assert await services.events.seen("webhook", "evt-1") is None
    assert (await told(AsgiClient(key.app), event_of(order))).json == {"outcome": "accepted"}
