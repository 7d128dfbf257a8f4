"""A provider that is reached over HTTPS with signed JSON, and tells us of payments by webhook."""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import IO, Any

import orjson

from server.payments.provider import ProviderRefused, ProviderUnavailable
from server.payments.signature import HEADER, sign

ANSWER_WITHIN_S = 10.0
REASON_BYTES_MAX = 500
# Refusals that time or the operator can cure; any other 4xx is the provider's last word.
_TRY_AGAIN = frozenset({401, 403, 404, 407, 408, 409, 421, 423, 425, 429})


class WebhookProvider:
    """Asks for refunds by `POST <refund_url>` with a signed body and an `Idempotency-Key`.

    The body is `{"id", "type": "refund.requested", "payment", "order", "amount_minor",
    "currency"}`; any 2xx means that the provider has taken it on.
    """

    name = "webhook"

    def __init__(
        self, refund_url: str, secret: str, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._url = refund_url
        self._secret = secret
        self._now_s = now_s
        # No proxy of the environment, and no redirect: the body goes where the operator said.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())

    async def refund(
        self, refund_id: str, payment_id: str, order_id: str, amount_minor: int, currency: str
    ) -> None:
        """Ask the provider; see `PaymentProvider`. Takes about ANSWER_WITHIN_S at most."""
        if not self._url:
            raise ProviderUnavailable("ONAIR_PAYMENT_REFUND_URL is not set")
        body = orjson.dumps(
            {
                "id": refund_id,
                "type": "refund.requested",
                "payment": payment_id,
                "order": order_id,
                "amount_minor": amount_minor,
                "currency": currency,
            }
        )
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": refund_id,
            HEADER: sign(self._secret, body, int(self._now_s())),
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S * 2):
                await asyncio.to_thread(self._send, request)
        except TimeoutError as error:
            raise ProviderUnavailable("no answer in time") from error

    def _send(self, request: urllib.request.Request) -> None:
        """One request, in a thread. The time limit holds for each wait on the network."""
        try:
            with self._opener.open(request, timeout=ANSWER_WITHIN_S):
                return
        except urllib.error.HTTPError as answer:
            with answer:
                why = f"{answer.code} {_reason(answer)}".strip()
            if 400 <= answer.code < 500 and answer.code not in _TRY_AGAIN:
                raise ProviderRefused(why) from None
            raise ProviderUnavailable(why) from None
        except (OSError, http.client.HTTPException) as error:
            raise ProviderUnavailable(str(error) or type(error).__name__) from error


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer, not a way."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def _reason(answer: urllib.error.HTTPError) -> str:
    """The beginning of what the provider says, on one line."""
    try:
        text = answer.read(REASON_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
