"""Purchases: decisions in the engine beside one order per EVALSHA, and orders through WebSockets.

An order counts as done when its buyer has the answer and the ledger in SQL holds it. Rates are
open loop: latency runs from the instant at which an order was meant to be sent.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.bench.contenders import ROOM, Contender, running
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, CpuTime, cpu_time
from loadtest.buyers import Answers, Party
from loadtest.waiting import until

Progress = Callable[[str], None]
SKU = "bench-mug"
PLENTY = 100_000_000
DRAIN_WITHIN_S = 120.0
HOLD_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class OrdersRound:
    """One rate, one fresh sale. `drained_s`: from the first order until the ledger held all."""

    kind: str  # reserved, or sold_out
    per_s: int
    answers: Answers
    drained_s: float
    worker_cpu: CpuTime
    books_agree: bool
    ledger_orders: int

    @property
    def void(self) -> tuple[str, ...]:
        """Why the round must not be used."""
        answered, wanted = self.answers.outcomes.get(self.kind, 0), self.answers.sent
        reasons = []
        if answered < wanted:
            reasons.append(f"{wanted - answered} of {wanted} answers were not {self.kind}")
        if not self.books_agree:
            reasons.append("the books do not agree")
        if self.kind == "reserved" and self.ledger_orders != wanted:
            reasons.append(f"the ledger holds {self.ledger_orders} of {wanted} orders")
        return tuple(reasons)


@dataclass(slots=True)
class OrdersFigures:
    """What the scenario found: rounds of the engine and its peer, rounds through WebSockets."""

    engine: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[OrdersRound] = field(default_factory=list)

    def kinds(self) -> list[tuple[str, int]]:
        """Every kind and rate that was tried, once."""
        return list(dict.fromkeys((r.kind, r.per_s) for r in self.rounds))

    def valid(self, kind: str, per_s: int) -> int:
        """How many rounds of a kind and rate may be used."""
        return sum((r.kind, r.per_s) == (kind, per_s) and not r.void for r in self.rounds)


async def measure(plan: Plan, cores: Cores, say: Progress) -> OrdersFigures:
    """Both parts, one after the other. Raises `ContenderFailed` if the server does not start.

    Nothing is pinned: the figures are those of the whole machine, the generator on it too.
    """
    with cores.shared() as free:
        return await _measure(plan, free, say)


async def _measure(plan: Plan, cores: Cores, say: Progress) -> OrdersFigures:
    figures = OrdersFigures()
    for mode in ("everysec", "always"):
        say(f"engine, {mode}: {plan.engine_rounds} rounds of {plan.engine_orders} orders")
        figures.engine += await asyncio.to_thread(_engine, plan, mode)
    with running(cores, "onair") as (contender,):
        shop = Shop(contender)
        await asyncio.to_thread(shop.prepare)
        for kind, rates in (("reserved", plan.orders_per_s), ("sold_out", plan.refusals_per_s)):
            for per_s in rates:
                for number in range(plan.orders_rounds):
                    say(f"orders, {kind}, {per_s}/s, round {number + 1}")
                    figures.rounds.append(await _round(plan, contender, shop, kind, per_s))
    return figures


def _engine(plan: Plan, mode: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "loadtest.bench.engine_process", "--mode", mode]
    command += ["--orders", str(plan.engine_orders), "--rounds", str(plan.engine_rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    rounds: list[dict[str, Any]] = json.loads(done.stdout)
    return rounds


async def _round(
    plan: Plan, contender: Contender, shop: Shop, kind: str, per_s: int
) -> OrdersRound:
    sale = await asyncio.to_thread(shop.open_sale, PLENTY if kind == "reserved" else 1)
    party = Party(contender.port, ROOM)
    await party.join(await asyncio.to_thread(shop.tokens, plan.orders_buyers))
    try:
        if kind == "sold_out":
            await party.buy(sale, SKU, 1, 1)  # the only unit
        used, began = cpu_time(contender.web), time.perf_counter()
        count = round(per_s * plan.orders_seconds)
        answers = await party.buy(sale, SKU, count, per_s)
        used = cpu_time(contender.web) - used
        books = await drained(shop, sale)
        drained_s = time.perf_counter() - began
    finally:
        await party.leave()
    ledger = books["ledger"]["items"][0]
    return OrdersRound(
        kind=kind,
        per_s=per_s,
        answers=answers,
        drained_s=drained_s,
        worker_cpu=used,
        books_agree=books["agree"] is True,
        ledger_orders=int(ledger["reserved"]) + int(ledger["sold"]),
    )


async def drained(shop: Shop, sale: str) -> dict[str, Any]:
    """The books once the ledger has everything, or as they are when the time is up."""
    books: dict[str, Any] = {}
    deadline = time.perf_counter() + DRAIN_WITHIN_S
    while time.perf_counter() < deadline:
        books = await asyncio.to_thread(shop.books, sale)
        if books["agree"] is True and books["lag"] == 0:
            break
        await until(lambda: False, 0.05)
    return books


class Shop:
    """What a merchant does before and after: products, sales, tokens, books. Blocking calls."""

    def __init__(self, contender: Contender) -> None:
        self._base = f"http://127.0.0.1:{contender.port}"
        self._headers = dict(contender.publish_headers)
        self._sales = 0
        self._tokens: list[tuple[str, str]] = []

    def prepare(self) -> None:
        product = {"id": SKU, "title": "Mug", "price_minor": 8_900, "currency": "CNY"}
        self._call("POST", "/api/v1/products", product)

    def open_sale(self, stock: int) -> str:
        self._sales += 1
        sale = f"bench-{self._sales}"
        item = {"sku": SKU, "stock": stock, "per_user_max": stock}
        terms = {"id": sale, "room": ROOM, "hold_seconds": HOLD_SECONDS, "items": [item]}
        self._call("POST", "/api/v1/sales", terms)
        self._call("POST", f"/api/v1/sales/{sale}/arm", {})
        self._call("POST", f"/api/v1/sales/{sale}/open", {})
        return sale

    def tokens(self, count: int) -> list[tuple[str, str]]:
        """(user, token) of so many buyers; made once."""
        while len(self._tokens) < count:
            user = f"buyer-{len(self._tokens)}"
            body = {"user": user, "role": "viewer", "rooms": [ROOM], "name": user}
            answer = self._call("POST", "/api/v1/tokens", body | {"ttl_seconds": 3_600})
            self._tokens.append((user, answer["token"]))
        return self._tokens[:count]

    def books(self, sale: str) -> dict[str, Any]:
        return self._call("GET", f"/api/v1/sales/{sale}/books", None)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            self._base + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **self._headers},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            value: dict[str, Any] = json.load(answer)
        return value
