"""Refunds are asked for with signed requests, and every kind of answer has its meaning."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server.payments import ProviderRefused, ProviderUnavailable, provider_of
from server.payments.demo import DemoProvider, NoProvider
from server.payments.signature import HEADER, verify
from server.payments.webhook import WebhookProvider
from server.settings import Settings
from tests.support.redis_server import free_port

SECRET = "a payment secret of enough bytes: 0123456789"
NOW_S = 1_800_000_000


class Bank(ThreadingHTTPServer):
    """A provider's end: answers what it is told to, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.said, self.extra = 200, b"", {"X-Extra": "1"}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/refunds"


class _Handler(BaseHTTPRequestHandler):
    server: Bank

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.status)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.said)))
        self.end_headers()
        self.wfile.write(self.server.said)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def bank() -> Iterator[Bank]:
    server = Bank()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def ask(url: str) -> None:
    provider = WebhookProvider(url, SECRET, now_s=lambda: NOW_S + 0.9)
    await provider.refund("refund-1", "pay-1", "sale.0123", 9900, "CNY")


async def test_a_refund_is_asked_for_with_a_signature_that_the_provider_can_check(
    bank: Bank,
) -> None:
    await ask(bank.url)
    ((path, headers, body),) = bank.asked
    assert path == "/refunds"
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "refund-1"
    verify(
        SECRET,
        {name.lower(): value for name, value in headers.items()}[HEADER.lower()],
        body,
        NOW_S,
        0,
    )
    assert json.loads(body) == {
        "id": "refund-1",
        "type": "refund.requested",
        "payment": "pay-1",
        "order": "sale.0123",
        "amount_minor": 9900,
        "currency": "CNY",
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_means_taken(bank: Bank, status: int) -> None:
    bank.status = status
    await ask(bank.url)


@pytest.mark.parametrize("status", [400, 402, 410, 422])
async def test_a_refusal_is_final_and_says_why_on_one_line(bank: Bank, status: int) -> None:
    bank.status, bank.said = status, b"  charged\r\nback \x1b[31m\xff" + b"x" * 10_000
    with pytest.raises(ProviderRefused) as caught:
        await ask(bank.url)
    assert str(caught.value).startswith(f"{status} charged back [31m�xxx")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("status", [301, 307, 401, 404, 408, 429, 500, 503])
async def test_what_time_or_the_operator_can_cure_is_asked_again(bank: Bank, status: int) -> None:
    bank.status, bank.extra = status, {"Location": f"{bank.url}/elsewhere"}
    with pytest.raises(ProviderUnavailable, match=str(status)):
        await ask(bank.url)
    assert len(bank.asked) == 1  # nothing was sent to another address


async def test_a_provider_that_is_away_is_asked_again() -> None:
    with pytest.raises(ProviderUnavailable):
        await ask(f"http://127.0.0.1:{free_port()}/refunds")


async def test_without_an_address_the_refund_waits_for_the_operator() -> None:
    with pytest.raises(ProviderUnavailable, match="ONAIR_PAYMENT_REFUND_URL"):
        await ask("")


async def test_the_settings_name_the_provider() -> None:
    demo = provider_of(Settings(payment_provider="demo"))
    assert isinstance(demo, DemoProvider)
    await demo.refund("refund-1", "pay-1", "sale.0123", 9900, "CNY")
    none = provider_of(Settings())
    assert isinstance(none, NoProvider)
    with pytest.raises(ProviderRefused, match="ONAIR_PAYMENT_PROVIDER"):
        await none.refund("refund-1", "pay-1", "sale.0123", 9900, "CNY")
    webhook = provider_of(
        Settings(payment_provider="webhook", payment_secret=SECRET, payment_refund_url="")
    )
    assert (webhook.name, demo.name, none.name) == ("webhook", "demo", "none")
