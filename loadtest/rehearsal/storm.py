"""A storm of payment webhooks: real ones, again and again, and false ones between them.

Providers repeat themselves, and others pretend to be providers. Whatever comes, each order is paid
exactly once, and only by a message that is signed, fresh and about an order that there is.
"""

from __future__ import annotations

import hmac
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from loadtest.rehearsal.http import Api, ApiError
from loadtest.rehearsal.probing import FAILS, Line, Stall, holds

PATH: Final = "/api/v1/payments/webhook"
HEADER: Final = "X-Payment-Signature"
PER_S: Final = 50
ORDERS_MAX: Final = 300
AT_ONCE: Final = 8  # requests under way
STALE_S: Final = 3_600  # older than any server believes
SETTLED_WITHIN_S: Final = 30.0

# What a message is; `again` weighs more than the false ones, as with real providers.
REAL, AGAIN, SECOND, FORGED, STALE, UNKNOWN = (
    "real",
    "again",  # the same event once more
    "second",  # another payment for the same order
    "forged",
    "stale",
    "unknown",  # about an order that there is not
)
PER_ORDER: Final = (REAL, AGAIN, AGAIN, SECOND, FORGED, STALE, UNKNOWN)
# What the server may answer: a status, or an outcome. Which payment comes first nobody knows.
PAID: Final = frozenset(("accepted", "surplus"))
FALSE: Final = (FORGED, STALE, UNKNOWN)
RIGHT: Final[Mapping[str, frozenset[str]]] = {
    REAL: PAID,
    AGAIN: PAID,
    SECOND: PAID,
    FORGED: frozenset(("401",)),
    STALE: frozenset(("401",)),
    UNKNOWN: frozenset(("404",)),
}

Order = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook as it is sent, and what it is."""

    kind: str
    body: bytes
    signature: str


def signature(secret: str, body: bytes, at_s: int) -> str:
    """The header of a payment provider's message that is signed at that time."""
    text = f"{at_s}.".encode() + body
    return f"t={at_s},v1={hmac.digest(secret.encode(), text, sha256).hex()}"


def plan_of(orders: int, messages: int, seed: int) -> list[tuple[int, str]]:
    """(which order, what kind) of so many messages, mixed; each order's real one is among them."""
    mixed = random.Random(seed)
    wanted = [(number, REAL) for number in range(orders)]
    others = PER_ORDER[1:]
    wanted += [
        (place // len(others) % orders, others[place % len(others)])
        for place in range(max(0, messages - orders))
    ]
    mixed.shuffle(wanted)
    return wanted


def message(kind: str, order: Order, secret: str, at_s: int) -> Message:
    """The webhook of this kind about an order."""
    event = {
        "id": f"evt-{order['id']}",
        "type": "payment.succeeded",
        "order": order["id"],
        "payment": f"pay-{order['id']}",
        "amount_minor": order["amount_minor"],
        "currency": order["currency"],
    }
    if kind == SECOND:
        event |= {"id": f"evt-2-{order['id']}", "payment": f"pay-2-{order['id']}"}
    elif kind == UNKNOWN:
        event |= {"id": f"evt-x-{order['id']}", "payment": f"pay-x-{order['id']}"}
        event["order"] = f"{order['id']}-x"
    body = json.dumps(event).encode()
    key = secret[::-1] + "?" if kind == FORGED else secret
    return Message(kind, body, signature(key, body, at_s - STALE_S if kind == STALE else at_s))


class Storm:
    """Webhooks about the orders of one sale. `secret` signs what the shadow shop believes."""

    def __init__(
        self, shop: Api, secret: str, stall: Stall, websocket_url: str, seconds: int
    ) -> None:
        self._shop = shop
        self._secret = secret
        self._stall = stall
        self._url = websocket_url
        self._messages = seconds * PER_S
        self._orders: list[Order] = []

    def blow(self) -> dict[str, int]:
        """Send webhooks for the seconds of the storm, and count what came of them."""
        orders = len(self._orders)
        counts = Counter(orders=orders, messages=self._messages, failed=0, believed=0)
        for kind, outcome in self._send(plan_of(orders, self._messages, seed=orders)):
            if kind in FALSE and outcome in PAID:
                counts["believed"] += 1
            elif outcome not in RIGHT[kind]:
                counts["failed"] += 1
            elif kind in FALSE:
                counts["turned_away"] += 1
            else:
                counts[outcome] += 1
        return dict(counts)

    def buy(self) -> None:
        """What is to be paid for, by all buyers of the stall in turn. Raises `ApiError`."""
        stall = self._stall
        count = min(ORDERS_MAX, max(1, self._messages // len(PER_ORDER)))
        for first, (_user, token) in enumerate(stall.buyers):
            try:
                with Line(self._url, token) as line:
                    self._orders += [
                        line.buy(stall.sale, f"{stall.sale}-{number}")
                        for number in range(first, count, len(stall.buyers))
                    ]
            except FAILS as error:
                raise ApiError(0, f"nothing could be bought to be paid for: {error}") from None

    def _send(self, wanted: Sequence[tuple[int, str]]) -> list[tuple[str, str]]:
        """Send each at its time; (kind, what was answered)."""
        began_s = time.monotonic()

        def send(place: int) -> tuple[str, str]:
            number, kind = wanted[place]
            time.sleep(max(0.0, began_s + place / PER_S - time.monotonic()))
            told = message(kind, self._orders[number], self._secret, round(time.time()))
            return kind, self._answer(told)

        with ThreadPoolExecutor(AT_ONCE, "webhooks") as senders:
            return list(senders.map(send, range(len(wanted))))

    def _answer(self, told: Message) -> str:
        """The outcome of a payment, or the status of a refusal; 0: there was no answer."""
        headers = {HEADER: told.signature}
        try:
            answer = self._shop.send("POST", PATH, told.body, "application/json", headers=headers)
            return str(json.loads(answer.body).get("outcome"))
        except ApiError as error:
            return str(error.status)
        except ValueError:
            return "no JSON"

    def paid_once(self) -> int:
        """How many orders are paid by exactly one payment, once the ledger holds them all."""
        with ThreadPoolExecutor(AT_ONCE, "orders") as readers:
            return sum(readers.map(self._is_paid_once, self._orders))

    def _is_paid_once(self, order: Order) -> bool:
        found: dict[str, Any] = {}

        def is_paid() -> bool:
            try:
                found.update(self._shop.call("GET", f"/api/v1/orders/{order['id']}"))
            except ApiError:  # not in the ledger yet
                return False
            return found["state"] == "paid" and bool(_accepted(found))

        return holds(is_paid, SETTLED_WITHIN_S) and len(_accepted(found)) == 1


def _accepted(order: Order) -> list[Mapping[str, Any]]:
    return [each for each in order["payments"] if each["outcome"] == "accepted"]
