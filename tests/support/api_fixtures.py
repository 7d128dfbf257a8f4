"""The HTTP API on a real database, with real tokens, and clients that speak for each caller.

Take the fixtures with `pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]`.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from server.api import Services, build_api
from server.api.app import put_behind
from server.database.engine import Database, sqlite_url
from server.redis_client import Client
from server.settings import Limits, Settings
from tests.support.api_parts import API_KEY, PAYMENT_SECRET, MemoryRealtime
from tests.support.api_stage import opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient
from tests.support.shop import Shop

SECRET = "a secret that is long enough: 0123456789"


@pytest.fixture
def settings() -> Settings:
    """Guests may speak; pages of at most four rows, so that a few rows make several pages."""
    return Settings(
        api_key=API_KEY,
        token_secret=SECRET,
        guests_may_speak=True,
        payment_provider="webhook",
        payment_secret=PAYMENT_SECRET,
        brand_name="Tea House",
        limits=replace(Limits(), page_rows_max=4, shelf_products_max=5, skus_per_product_max=3),
    )


@pytest.fixture
def realtime() -> MemoryRealtime:
    return MemoryRealtime("demo", "two")


@pytest.fixture
async def services(
    tmp_path: Path,
    sqlite_template: Path,
    settings: Settings,
    realtime: MemoryRealtime,
    redis_url: str,
) -> AsyncIterator[Services]:
    path = tmp_path / "api.sqlite3"
    shutil.copy(sqlite_template, path)
    database = Database(sqlite_url(path), threads_max=4, within_s=5)
    async with opened_services(settings, database, redis_url, realtime, tell_nobody) as services:
        yield services
    await database.close()


@pytest.fixture
def shop(services: Services, redis_client: Client) -> Shop:
    """The same stores behind the API's back: its `drain` is the ledger worker."""
    return Shop(redis_client, services.database)


@pytest.fixture(scope="session")
def built() -> dict[Settings, FastAPI]:
    """APIs by their settings: making one, with its documents, takes longer than most tests."""
    return {}


@pytest.fixture
def key(services: Services, built: dict[Settings, FastAPI]) -> AsgiClient:
    """The holder of the API key."""
    api = built.get(services.settings)
    if api is None:
        api = built[services.settings] = build_api(services)
    put_behind(api, services)
    return AsgiClient(api, {"x-api-key": API_KEY})


@pytest.fixture
def nobody(key: AsgiClient) -> AsgiClient:
    """Somebody without key or token, at the same API."""
    return AsgiClient(key.app)


@pytest.fixture
def bearer(key: AsgiClient, services: Services) -> Callable[..., AsgiClient]:
    """A client with a token: `bearer("demo", role="merchant")`."""

    def make(*rooms: str, role: str = "merchant", user: str = "m-1", **extra: Any) -> AsgiClient:
        token = services.tokens.issue(user, role, rooms, "M", extra.pop("ttl_seconds", 60))
        return AsgiClient(key.app, {"authorization": f"Bearer {token}"})

    return make


@pytest.fixture
async def document(nobody: AsgiClient) -> dict[str, Any]:
    """The OpenAPI document, as anybody gets it."""
    answer = await nobody.call("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json
    return document
