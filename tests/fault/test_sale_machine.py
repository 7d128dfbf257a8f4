"""The state machine of tests/property/test_sale_oracle.py on a real Redis with the real scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from flash_sale.adapters.redis_rebuild import RedisRebuild
from flash_sale.errors import NotOnSale
from flash_sale.model import Steering
from server.redis_client import Client, connect
from tests.support.mortal_redis import MortalRedis
from tests.support.redis_server import RedisServer
from tests.support.sale_machine import SALE, SaleMachine
from tests.support.sale_on_redis import RedisBackend
from tests.support.sale_twins import GRACE_MS, Backend

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]


class MachineOnRedis(SaleMachine):
    """Its clock stands still between the steps, so every run of a seed is the same."""

    url = ""
    client: Client

    async def backend(self) -> Backend:
        self.client = connect(self.url)
        await self.client.flushall()
        return RedisBackend(self.client, self.client.script_flush)

    @precondition(lambda self: self.steps > 20)
    @rule(lost=st.booleans(), pieces=st.sampled_from([1, 3, 500]))
    def rebuild(self, lost: bool, pieces: int) -> None:
        """From the moves alone, after the store was frozen or has lost everything."""
        self.run(self.make_anew(lost, pieces))

    async def make_anew(self, lost: bool, pieces: int) -> None:
        here = self.here
        if lost:
            await self.client.flushall()
            with pytest.raises(NotOnSale):
                await here.backend.sales.view(SALE)
        else:
            await here.steer(Steering.FREEZE, self.act())
            await here.check()
        await here.rebuild(RedisRebuild(self.client, GRACE_MS), pieces=pieces, lost=lost)


class MachineOnMortalRedis(SaleMachine):
    """Its Redis is killed in the middle of the sale, and comes back with what it has on disk."""

    server: ClassVar[MortalRedis]

    async def backend(self) -> Backend:
        client = connect(self.server.url)
        await client.execute_command("FLUSHALL")
        return RedisBackend(client, self.kill)

    async def kill(self) -> None:
        self.server.kill()
        self.server.start()


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
            max_examples=80,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=CHECKS,
        ),
    )


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[MortalRedis]:
    server = MortalRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def test_the_store_and_its_twin_agree_when_redis_is_killed_in_between(mortal_redis: MortalRedis):
    MachineOnMortalRedis.server = mortal_redis
    run_state_machine_as_test(
        MachineOnMortalRedis,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=CHECKS,
        ),
    )
    assert mortal_redis.kills > 5
