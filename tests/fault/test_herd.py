"""More people at the door than can be let in: they are told when to come, and then they get in."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.redis_server import RedisServer
from tests.support.worker_app import CHANNEL, StartWorker, WorkerApp
from tests.support.ws_client import WireClient

PER_S = 10
HERD = 6 * PER_S


@dataclass
class Newcomer:
    """Comes, and comes again when it was told to. `waits_s` are what it was told."""

    waits_s: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    client: WireClient | None = None

    async def comes(self, worker: WorkerApp) -> None:
        while self.client is None:
            try:
                self.client = await WireClient.open(worker.ws_url)
            except InvalidStatus as refused:
                response = refused.response
                assert response.status_code == 503
                self.waits_s.append(int(response.headers["Retry-After"]))
                self.reasons.append(json.loads(response.body)["error"]["message"])
                await asyncio.sleep(self.waits_s[-1])


async def test_a_herd_is_let_in_at_the_rate_and_nobody_is_told_to_come_too_early_for_it(
    own_redis: RedisServer, start_worker: StartWorker
) -> None:
    worker = start_worker(own_redis.url, accepts_per_s=PER_S)
    herd = [Newcomer() for _ in range(HERD)]
    await asyncio.gather(*(one.comes(worker) for one in herd))
    refused = [one for one in herd if one.waits_s]
    assert HERD // 4 <= len(refused) <= HERD - PER_S
    assert {reason for one in refused for reason in one.reasons} == {"too many new connections"}
    told = {one.waits_s[0] for one in refused}
    assert len(told) >= 2, "not all are told the same"
    attempts = sum(len(one.waits_s) for one in herd) + HERD
    assert attempts <= 3 * HERD, "who came when told was let in, nearly always"
    for one in herd:
        assert one.client is not None
        await one.client.close()


async def test_a_full_worker_refuses_until_somebody_leaves(
    own_redis: RedisServer, start_worker: StartWorker
) -> None:
    worker = start_worker(own_redis.url, viewers_max=2)
    first, _ = await WireClient.join(worker.ws_url, CHANNEL)
    second, _ = await WireClient.join(worker.ws_url, CHANNEL)
    with pytest.raises(InvalidStatus) as refused:
        await WireClient.open(worker.ws_url)
    assert refused.value.response.status_code == 503
    assert b"at the limit viewers_max" in refused.value.response.body
    elsewhere = worker.ws_url.replace("/connection/", "/elsewhere/")
    with pytest.raises(InvalidStatus) as unknown:
        await WireClient.open(elsewhere)
    assert unknown.value.response.status_code in (403, 404)
    await first.close()
    third = Newcomer()
    await third.comes(worker)
    assert third.client is not None
    for client in (second, third.client):
        await client.close()
