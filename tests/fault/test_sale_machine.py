"""The state machine of tests/property/test_sale_oracle.py on a real Redis with the real scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from server.redis_client import connect
from server.settings import Limits
from tests.support.redis_server import RedisServer
from tests.support.sale_machine import SaleMachine
from tests.support.sale_on_redis import RedisBackend
from tests.support.sale_twins import Backend

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]


class MachineOnRedis(SaleMachine):
    """Its clock stands still between the steps, so every run of a seed is the same."""

    url = ""

    async def backend(self) -> Backend:
        client = connect(self.url)
        await client.execute_command("FLUSHALL")
        return RedisBackend(client, lambda: client.execute_command("SCRIPT", "FLUSH"))


class MachineOnMortalRedis(SaleMachine):
    """Its Redis is killed in the middle of the sale, and comes back with what it has on disk."""

    server: ClassVar[RedisServer]
    kills: ClassVar[int] = 0

    async def backend(self) -> Backend:
        client = connect(self.server.url, Limits(redis_within_ms=5_000))
        await client.execute_command("FLUSHALL")
        return RedisBackend(client, self.kill)

    async def kill(self) -> None:
        self.server.kill()
        self.server.wait_until_up()
        type(self).kills += 1


@pytest.fixture
def fast_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that does not sync after each of the many commands: nobody kills it."""
    server = RedisServer(tmp_path / "redis-data", durability="everysec")
    server.start()
    yield server
    server.stop()


def test_the_store_and_its_twin_agree_whatever_happens(fast_redis: RedisServer):
    MachineOnRedis.url = fast_redis.url
    run_state_machine_as_test(
        MachineOnRedis,
        settings=settings(
            max_examples=120,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=CHECKS,
        ),
    )


def test_the_store_and_its_twin_agree_also_when_redis_is_killed_in_between(own_redis: RedisServer):
    MachineOnMortalRedis.server = own_redis
    run_state_machine_as_test(
        MachineOnMortalRedis,
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=CHECKS,
        ),
    )
    assert MachineOnMortalRedis.kills > 3
