"""Storms over a sale: lost replies, payments at the very deadline, webhooks that come again."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from server.payments.signature import HEADER, sign
from tests.support.redis_server import plain_redis
from tests.support.sale_stage import Stage, staged
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import wait_until

SECRET = "a secret that only a payment provider knows, 0123456789"

pytestmark = pytest.mark.usefixtures("new_table")


async def test_replies_lost_after_the_work_was_done_are_asked_for_again(
    tmp_path: Path, seed: int
) -> None:
    with plain_redis("--appendonly", "yes", "--appendfsync", "always") as port:
        async with TcpProxy(port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with staged(tmp_path, "replies dropped", seed, ONAIR_REDIS_URL=url) as stage:
                await stage.open()
                chance = random.Random(seed)
                proxy.loses_reply = lambda: chance.random() < 0.03
                await wait_until(lambda: proxy.replies_lost >= 25, 60, "replies are lost")
                proxy.loses_reply = lambda: False
                stage.over()
                verdict = await stage.judged()
                assert verdict.is_clean, f"seed {seed}: {verdict}"


async def test_payments_and_expiries_at_the_same_instant_have_one_winner_each(
    tmp_path: Path, seed: int
) -> None:
    async with staged(
        tmp_path, "expiry and payment storm", seed, ONAIR_PAYMENT_GRACE_MS="1"
    ) as stage:
        await stage.open(hold_seconds=1, buyers=60, pays=1.0, cancels=0.0, at_deadline=True)
        stage.over()
        await stage.crowd.progress(200)
        verdict = await stage.judged()
        assert verdict.is_clean, f"seed {seed}: {verdict}"
        states = Counter(row["state"] for row in await stage.ledger())
        assert states["paid"] > 5, states
        assert states["expired"] > 5, states
        paid = sum(request.paid for request in stage.crowd.history.requests)
        assert states["paid"] == paid, f"seed {seed}: {states}, {paid} were told that they paid"
        late = [row["id"] for row in await stage.ledger() if row["state"] == "expired"]
        told = [await stage.server.acall("GET", f"/api/v1/orders/{order}") for order in late]
        outcomes = Counter(payment["outcome"] for order in told for payment in order["payments"])
        assert outcomes["late"] > 0, outcomes
        assert outcomes["accepted"] == 0, outcomes


async def test_webhooks_that_come_again_pay_once(tmp_path: Path, seed: int) -> None:
    async with staged(
        tmp_path,
        "webhooks repeated",
        seed,
        ONAIR_PAYMENT_PROVIDER="webhook",
        ONAIR_PAYMENT_SECRET=SECRET,
    ) as stage:
        await stage.open(pays=0.0, cancels=0.0)
        await stage.crowd.progress(100)
        await stage.crowd.stop()
        orders = [r.order for r in stage.crowd.history.requests if r.order is not None]
        held = [order for order in orders if order["state"] == "reserved"][:60]
        chance = random.Random(seed)
        bodies = [_event(number, order) for number, order in enumerate(held)]
        storm = [body for body in bodies for _ in range(4)]
        chance.shuffle(storm)
        statuses = await asyncio.gather(*(_post(stage, body) for body in storm))
        assert set(statuses) == {200}, Counter(statuses)
        assert set(await asyncio.gather(*(_post(stage, body) for body in bodies))) == {200}
        changed = bodies[0].replace(b"8900", b"8901")
        assert changed != bodies[0]
        assert await _post(stage, changed) == 409
        assert await _post(stage, bodies[0], at_s=int(time.time()) - 4_000) == 401
        stage.over()
        verdict = await stage.judged(more=0)
        assert verdict.is_clean, f"seed {seed}: {verdict}"
        for order in held[:10]:
            told = await stage.server.acall("GET", f"/api/v1/orders/{order['id']}")
            assert told["state"] == "paid"
            assert [payment["outcome"] for payment in told["payments"]] == ["accepted"]
        books = await stage.books()
        sold = sum(item["sold"] for item in books["redis"]["items"])
        assert sold == sum(order["qty"] for order in held)


def _event(number: int, order: dict[str, object]) -> bytes:
    event = {
        "id": f"event-{number}",
        "type": "payment.succeeded",
        "order": order["id"],
        "payment": f"payment-{number}",
        "amount_minor": order["amount_minor"],
        "currency": order["currency"],
    }
    return json.dumps(event).encode()


async def _post(stage: Stage, body: bytes, at_s: int | None = None) -> int:
    """The status of one webhook; one that is told to come again (503) does."""
    for _ in range(20):
        status = await asyncio.to_thread(_post_once, stage, body, at_s)
        if status != 503:
            break
    return status


def _post_once(stage: Stage, body: bytes, at_s: int | None) -> int:
    request = urllib.request.Request(
        f"{stage.server.base_url}/api/v1/payments/webhook",
        body,
        {
            "Content-Type": "application/json",
            HEADER: sign(SECRET, body, int(time.time()) if at_s is None else at_s),
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
