"""What a ledger worker does for sharing: visits are written, arrivals judged, earnings decided."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from flash_sale.store import Sales, Stock
from rooms.adapters.redis_visits import RedisVisitLog
from rooms.adapters.script import RedisClient
from server.database.arrival_records import Arrivals
from server.database.binding_records import Bindings
from server.database.engine import Database
from server.ledger.commissions import open_money_keeper
from server.ledger.figures import Figures
from server.ledger.rewards import open_rewards_keeper
from server.ledger.visits import open_visit_keeper
from server.settings import Settings


class SaleStore(Stock, Sales, Protocol):
    """The store of sales, both of its sides."""


def sharing_works(
    settings: Settings,
    commands: RedisClient,
    database: Database,
    store: SaleStore,
    figures: Figures,
    name: str,
    now_ms: Callable[[], int],
) -> dict[str, Coroutine[Any, Any, None]]:
    """The work by its name, to be run until cancelled; `name` is the worker's stable one.

    Inviters are bound before arrivals are opened, in the transaction that stores their visits;
    arrivals and commissions are decided behind what that has stored.
    """
    limits = settings.limits
    visit_log = RedisVisitLog(commands, entries_max=limits.visit_backlog_entries_max)
    visits = open_visit_keeper(
        visit_log,
        commands,
        database,
        limits,
        figures,
        name=name,
        follow=(
            Bindings(limits.inviter_protected_days, limits.visit_retention_days).follow,
            Arrivals(limits.visit_idle_s).follow,
        ),
        now_ms=now_ms,
    )
    money = open_money_keeper(
        settings,
        commands=commands,
        database=database,
        stock=store,
        sales=store,
        written_to_ms=visit_log.written_to_ms,
        name=name,
        now_ms=now_ms,
    )
    rewards = open_rewards_keeper(
        settings,
        commands=commands,
        database=database,
        written_to_ms=visit_log.written_to_ms,
        figures=figures,
        name=name,
        now_ms=now_ms,
    )
    return {"visits": visits.run(), "money": money.run(), "rewards": rewards.run()}
