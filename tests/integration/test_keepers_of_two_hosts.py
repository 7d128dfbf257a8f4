"""Keepers of sharing on two hosts, whose workers are called alike: one of them keeps."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from server.database.engine import Database
from server.ledger import lease
from server.ledger.commissions import open_money_keeper
from server.ledger.figures import Figures
from server.ledger.rewards import open_rewards_keeper
from server.redis_client import Client
from server.settings import Settings

pytest_plugins = ["tests.support.databases"]
SETTINGS = Settings(token_secret="a secret of more than thirty-two characters")


async def written_to_ms() -> int:
    return 0


def money(client: Client, database: Database) -> Any:
    store: Any = None  # nothing is asked of it: nobody looks here
    return open_money_keeper(
        SETTINGS,
        commands=client,
        database=database,
        stock=store,
        sales=store,
        written_to_ms=written_to_ms,
        name="ledger-1",
        now_ms=lambda: 0,
    )


def rewards(client: Client, database: Database) -> Any:
    return open_rewards_keeper(
        SETTINGS,
        commands=client,
        database=database,
        written_to_ms=written_to_ms,
        figures=Figures(),
        name="ledger-1",
        now_ms=lambda: 0,
    )


@pytest.mark.parametrize("opened", [money, rewards])
async def test_workers_of_two_hosts_do_not_keep_at_once(
    redis_client: Client, database: Database, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.setattr(lease, "LIFE_MS", 60_000)
    monkeypatch.setattr(socket, "gethostname", lambda: "east")
    east = opened(redis_client, database)._lease
    monkeypatch.setattr(socket, "gethostname", lambda: "west")
    west = opened(redis_client, database)._lease
    assert await east.hold()
    assert not await west.hold()
    await east.release()
    assert await west.hold()


@pytest.mark.parametrize("opened", [money, rewards])
async def test_workers_of_two_servers_on_one_host_do_not_keep_at_once(
    redis_client: Client, database: Database, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.setattr(lease, "LIFE_MS", 60_000)
    monkeypatch.setattr(os, "getppid", lambda: 100)
    one = opened(redis_client, database)._lease
    again = opened(redis_client, database)._lease
    monkeypatch.setattr(os, "getppid", lambda: 200)
    other = opened(redis_client, database)._lease
    assert await one.hold()
    assert not await other.hold()
    assert await again.hold(), "the next process of a worker goes on at once"
