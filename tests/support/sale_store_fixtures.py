"""The store of sales beside its twin, on the Redis of the tests.

Take it with `pytest_plugins = ["tests.support.sale_store_fixtures"]`.
"""

from __future__ import annotations

import pytest

from server.redis_client import Client
from tests.support.sale_machine import terms_of
from tests.support.sale_on_redis import RedisBackend
from tests.support.sale_twins import Twins


@pytest.fixture
async def twins(redis_client: Client) -> Twins:
    """A sale of 3 teas, 2 oils and 1 jam; 2 of each for everybody. Not armed yet."""
    terms = terms_of([3, 2, 1], [2, 2, 2], starts_at_ms=None, ends_at_ms=None)
    return Twins(RedisBackend(redis_client, redis_client.script_flush), terms)
