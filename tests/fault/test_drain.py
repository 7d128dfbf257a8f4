"""The end of a web worker, step by step: who is told what, and who is answered first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from server.returns import RETURN_WITHIN_S
from tests.support.redis_server import RedisServer
from tests.support.wait import wait_until
from tests.support.worker_app import CHANNEL, ROOM, StartWorker, WorkerApp
from tests.support.ws_client import WireClient

SETTINGS = {"drain_ready_s": 8, "drain_seconds": 1, "ping_interval_s": 60}


def readiness(worker: WorkerApp) -> tuple[int, dict[str, Any], str]:
    """Status, body and the header Connection of `/readyz`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/readyz", timeout=10) as ok:
            return ok.status, json.load(ok), ok.headers.get("Connection", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers.get("Connection", "")


def open_sale(worker: WorkerApp) -> str:
    """A sale of tea in the room, open."""
    tea = {"id": "tea", "title": "Tea", "price_minor": 5_900, "currency": "CNY"}
    worker.call("POST", "/api/v1/products", tea)
    items = [{"sku": "tea", "stock": 10, "per_user_max": 5}]
    terms = {"id": "today", "room": ROOM, "hold_seconds": 600, "items": items}
    worker.call("POST", "/api/v1/sales", terms)
    for step in ("arm", "open"):
        worker.call("POST", f"/api/v1/sales/today/{step}", {})
    return "today"


async def test_the_balancer_is_told_first_then_newcomers_are_refused_and_the_asking_answered(
    own_redis: RedisServer, start_worker: StartWorker
) -> None:
    worker = start_worker(own_redis.url, **SETTINGS)
    sale = await asyncio.to_thread(open_sale, worker)
    viewer, _ = await WireClient.join(worker.ws_url, CHANNEL)
    buyer, _ = await WireClient.join(worker.ws_url, CHANNEL, worker.token("buyer"))
    assert (await asyncio.to_thread(readiness, worker))[0] == 200

    os.kill(worker.pid, signal.SIGTERM)
    told: list[Any] = []

    async def is_told() -> bool:
        told[:] = await asyncio.to_thread(readiness, worker)
        return bool(told[0] == 503)

    await wait_until(is_told, 20, "the balancer is told")
    assert (told[1]["accepting"], told[1]["redis"]) == ("draining", "ok")
    assert told[2] == "close"
    late, _ = await WireClient.join(worker.ws_url, CHANNEL)  # it was sent here before that
    assert not viewer.is_closed

    own_redis.pause()
    try:
        order = {"sale": sale, "sku": "tea", "qty": 1, "request_id": "at-the-last-moment"}
        command = buyer.command("rpc", {"method": "order.place", "data": order})
        await buyer.send(command)
        for one in (viewer, late):
            assert await one.closed() == (3001, "shutdown")
        with pytest.raises(InvalidStatus) as refused:
            await WireClient.open(worker.ws_url)
        response = refused.value.response
        assert response.status_code == 503
        assert 1 <= int(response.headers["Retry-After"]) <= RETURN_WITHIN_S
        assert not buyer.is_closed, "it waits for its answer"
    finally:
        own_redis.resume()
    answer = await buyer.answer(command)
    assert answer["data"]["outcome"] == "reserved"
    assert await buyer.closed() == (3001, "shutdown")
    await wait_until(lambda: not worker.is_running, 20, "it has ended")
    for client in (viewer, buyer, late):
        await client.close()
