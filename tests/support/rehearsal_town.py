"""Two shops on one server, with the same ids in both: the merchant's and, below it, its shadow.

A `Shopfront` is either of them as people and back ends reach it; nothing here knows how they are
kept apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.live_server import API_KEY, LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

ROOM = "garden"
CHANNEL = f"room:{ROOM}"
SALE = "spring"
SKU = "mug"
STOCK = 40
PRICE_MINOR = 4_900
PAYMENT_SECRET = "a secret of the payment provider of these tests 0123"
PLAN = {
    "title": "An evening",
    "items": [{"sku": SKU, "title": "Mug", "stock": STOCK, "price_minor": PRICE_MINOR}],
}
_MANY = {"first": 1, "count": 50}
_numbers = itertools.count(1)
# What counts people and orders. Other figures speak of this process and of times.
COUNTED = ("onair_connections", "onair_accepted", "onair_commands", "onair_closed", "onair_orders")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Shopfront:
    """One of the two shops: below `base`, opened by `key`; `token_of` signs for its people."""

    server: LiveServer
    base: str
    key: str
    payment_secret: str
    token_of: Callable[[str], str]
    clients: list[WireClient] = field(default_factory=list)
    links_followed: int = 0
    bought: int = 0
    livened: int = 0

    # HTTP

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, whatever the answer is; with the key unless `headers` are given."""
        return await asyncio.to_thread(self._ask, method, path, body, headers)

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str] | None) -> Answer:
        sent = {"X-API-Key": self.key} if headers is None else headers
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.server.base_url}{self.base}{path}",
            method=method,
            data=None if body is None else data,
            headers={"Content-Type": "application/json", **sent},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return _answer(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that must be a good one."""
        answer = await self.ask(method, path, body)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.body!r}"
        return answer.json

    async def text(self, path: str) -> str:
        answer = await self.ask("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body!r}"
        return answer.body.decode()

    # what there is to see and to buy

    async def furnish(self) -> None:
        """A live room with a product, a sale that is open, a ladder and coupons for friends."""
        goods = {"id": SKU, "title": "Mug", "price_minor": PRICE_MINOR, "currency": "CNY"}
        await self.call("POST", "/api/v1/products", goods)
        await self.call("POST", "/api/v1/rooms", {"id": ROOM, "title": "A garden"})
        await self.call("PATCH", f"/api/v1/rooms/{ROOM}", {"state": "live"})
        await self.call("PUT", f"/api/v1/rooms/{ROOM}/shelf", {"products": [SKU]})
        item = {"sku": SKU, "stock": STOCK, "per_user_max": STOCK}
        terms = {"id": SALE, "room": ROOM, "hold_seconds": 600, "items": [item]}
        await self.call("POST", "/api/v1/sales", terms)
        await self.call("POST", f"/api/v1/sales/{SALE}/arm", {})
        await self.call("POST", f"/api/v1/sales/{SALE}/open", {})
        await self._ladder()

    async def _ladder(self) -> None:
        batch = {"id": "friends", "title": "Friends", "kind": "amount", "currency": "CNY"}
        terms = {"amount_minor": 100, "issue_max": 50}
        await self.call("POST", "/api/v1/coupon-batches", batch | terms)
        tier = {"needs": 1, "kind": "coupon", "title": "Coupon", "stock": 50}
        often = 1_000
        thresholds = {
            "stay_ms": 1_000,
            "actions": 0,
            "settle_ms": 1_000,
            "persons_per_device_max": often,
            "arrivals_per_net_max": often,
            "arrivals_per_agent_max": often,
            "own_browser_max": often,
        }
        ladder = {
            "id": "friends",
            "room": ROOM,
            "title": "Friends",
            "currency": "CNY",
            "budget_minor": 100 * 50,
            "ends_at_ms": int(time.time() + 86_400) * 1000,
            "tiers": [tier | {"cost_minor": 100, "coupon_batch": "friends"}],
            "thresholds": thresholds,
        }
        await self.call("POST", "/api/v1/ladders", ladder)
        await self.call("POST", "/api/v1/ladders/friends/publish", {})

    # people

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}{self.base}/connection/websocket"

    async def enter(self, user: str, share: str = "") -> WireClient:
        """Somebody comes in, by a link if one is given, and stays until `leave`."""
        client, _ = await WireClient.join(self.ws_url, CHANNEL, self.token_of(user))
        self.clients.append(client)
        (now_ms,) = (await client.rpc("time.now", {})).values()
        came_ms = now_ms - 1_500  # the page was there a moment before it had joined
        came = {"t": "enter", "at_ms": came_ms, **({"share": share} if share else {})}
        events = [came, {"t": "visible", "at_ms": came_ms}, {"t": "beat", "at_ms": now_ms}]
        visit = {"visit": uuid.uuid4().hex, "seq": 1, "device": str(uuid.uuid4())}
        await client.rpc("visit.track", {"room": ROOM, "events": events, **visit})
        return client

    async def leave(self) -> None:
        for client in self.clients:
            await client.close()
        self.clients.clear()

    async def liven(self, *users: str) -> None:
        """Each comes by a link of the one before, says something, likes, buys one and pays it."""
        share = ""
        for user in users:
            self.livened += 1
            client = await self.enter(user, share)
            self.links_followed += bool(share)
            await client.rpc("comment.send", {"room": ROOM, "text": f"hello from {user}"})
            await client.rpc("like.add", {"room": ROOM, "n": 5})
            await self.pay((await self.buy(client))["order"])
            share = (await client.rpc("share.create", {"room": ROOM}))["code"]

    async def buy(self, client: WireClient) -> Any:
        """One unit, held for its buyer."""
        asked = {"sale": SALE, "sku": SKU, "qty": 1, "request_id": f"r-{next(_numbers)}"}
        placed = await client.rpc("order.place", asked)
        assert placed["outcome"] == "reserved", placed
        self.bought += 1
        return placed

    async def pay(self, order: dict[str, Any], *, secret: str = "") -> Answer:
        """The payment provider says that it has the money."""
        number = next(_numbers)
        told = {
            "id": f"event-{number}",
            "type": "payment.succeeded",
            "order": order["id"],
            "payment": f"payment-{number}",
            "amount_minor": order["amount_minor"],
            "currency": order["currency"],
        }
        body = json.dumps(told).encode()
        signed = signature_of(secret or self.payment_secret, body)
        headers = {"X-Payment-Signature": signed}
        answer = await self.ask("POST", "/api/v1/payments/webhook", body, headers=headers)
        if not secret:
            assert (answer.status, answer.json) == (200, {"outcome": "accepted"}), answer
        return answer

    async def invited(self) -> bool:
        """Whether everybody who came by a link was judged, and counts."""
        found = await self.call("GET", "/api/v1/ladders/friends/arrivals")
        return bool(found["counts"].get("valid", 0) == self.links_followed)

    # all that a merchant may look at

    async def seen(self) -> dict[str, str]:
        """What counters, lists, files and figures say, as text."""
        day = time.strftime("%Y-%m-%d", time.gmtime())
        paths = {
            "export": "/api/v1/export",
            "orders.csv": f"/api/v1/sales/{SALE}/orders.csv",
            "books": f"/api/v1/sales/{SALE}/books",
            "sale": f"/api/v1/sales/{SALE}",
            "rooms": "/api/v1/rooms",
            "products": "/api/v1/products",
            "orders": "/api/v1/orders",
            "visits": "/api/v1/visits",
            "counters": f"/api/v1/visits/counters?from_day={day}&to_day={day}",
            "links": "/api/v1/links",
            "ladder": "/api/v1/ladders/friends",
            "arrivals": "/api/v1/ladders/friends/arrivals",
            "ranking": "/api/v1/ladders/friends/ranking",
            "grants": "/api/v1/ladders/friends/grants",
            "coupons": "/api/v1/coupon-batches",
            "commissions": "/api/v1/commissions",
            **{f"by {by}": f"/api/v1/sources?by={by}" for by in ("channel", "inviter")},
        }
        found = {name: await self.text(path) for name, path in paths.items()}
        found["books"] = re.sub(r'"at_ms":\d+', "", found["books"])  # when they were compared
        metrics = (await self.text("/metrics")).splitlines()
        found["metrics"] = "\n".join(line for line in metrics if line.startswith(COUNTED))
        stats = await self.call("POST", "/api/presence_stats", {"channel": CHANNEL})
        events = await self.call("POST", "/api/history", {"channel": CHANNEL, "limit": 300})
        return found | {"presence": json.dumps(stats), "events": json.dumps(events)}

    async def settled(self) -> dict[str, str]:
        """`seen`, once the ledger has written everything and nothing moves any more.

        Visits are written after the orders of which they tell.
        """
        before: list[dict[str, str]] = []

        async def twice_the_same() -> bool:
            before.append(await self.seen())
            same = len(before) > 2 and before[-3] == before[-2] == before[-1]
            visits = json.loads(before[-1]["visits"])["visits"]
            done = {
                "orders": self.bought,
                "comments": self.livened,
                "likes": 5 * self.livened,
                "shares": self.livened,
            }
            told = {what: sum(visit[what] for visit in visits) for what in done} == done
            return same and told and '"agree":true' in before[-1]["books"]

        await wait_until(twice_the_same, 60, "nothing moves in the shop any more")
        return before[-1]


def _answer(status: int, response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status, headers, response.read())


def signature_of(secret: str, body: bytes) -> str:
    """The header of docs/PROTOCOL.md, as a provider makes it."""
    at_s = str(int(time.time()))
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


def real_shop(server: LiveServer) -> Shopfront:
    """The merchant's own."""
    return Shopfront(server, "", API_KEY, PAYMENT_SECRET, server.token)


async def open_rehearsal(shop: Shopfront) -> tuple[str, Shopfront]:
    """A rehearsal on the server of that shop: its id, and its shadow shop."""
    asked = {"title": "An evening", "plan": PLAN, "drive": False}
    run = await shop.call("POST", "/api/v1/rehearsals", asked)
    tokens = await shop.call("POST", f"/api/v1/rehearsals/{run['id']}/tokens", _MANY)
    signed: dict[str, str] = dict(tokens["tokens"])
    key = run["key"]
    return run["id"], Shopfront(shop.server, run["base"], key, key, signed.__getitem__)


async def purge_all(shop: Shopfront) -> None:
    """End whatever rehearsal there is."""
    for run in (await shop.call("GET", "/api/v1/rehearsals"))["rehearsals"]:
        await shop.call("DELETE", f"/api/v1/rehearsals/{run['id']}/data")
