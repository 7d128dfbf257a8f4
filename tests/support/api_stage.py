"""Everything behind the HTTP API as a worker builds it, but for rooms: real SQL, real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import sale_of_channel
from rooms.adapters.redis_feed import RedisFeed
from rooms.model import RoomId
from server.api import Services
from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.records import CatalogRecords, RoomRecords
from server.database.rehearsal_records import RehearsalRecords
from server.database.sale_records import SaleRecords
from server.endings import end_tasks
from server.ledger.audit import Auditor
from server.live_room import LiveRoom
from server.payments.event_log import EventLog
from server.redis_client import ClientRole, connect
from server.rehearsal.hall_client import HallClient
from server.rehearsal.runs import Rehearsals
from server.sale_cards import SaleCards
from server.sale_store import sale_store
from server.sales.desk import SalesDesk
from server.sales.live_sale import Clocks, batch_limits
from server.sales.live_sales import LiveSales
from server.settings import Settings
from server.sharing.link_desk import open_link_desk
from server.sharing.reward_desk import open_reward_desk
from server.sharing.till import open_till
from server.tokens import Tokens
from tests.support.api_parts import MemoryRealtime, StoredActs

NOW_MS = 1_800_000_000_000
NO_SERVER = Path("/nonexistent")  # a data directory that no supervisor holds


@contextlib.asynccontextmanager
async def opened_services(
    settings: Settings,
    database: Database,
    redis_url: str,
    realtime: MemoryRealtime,
    tell_sale: Callable[[str], Awaitable[None]],
) -> AsyncIterator[Services]:
    """The services of an API; the database stays the caller's. `tell_sale` hears of armed sales."""
    commands = connect(redis_url, settings.limits)
    listener = connect(redis_url, settings.limits, role=ClientRole.LISTENER)
    rooms, sales, orders = RoomRecords(database), SaleRecords(database), OrderRecords(database)
    store = sale_store(commands, settings)
    live = LiveSales(
        store,
        store,
        sales,
        settings.limits,
        Clocks(lambda: NOW_MS),
        on_told=lambda _sale, _told: None,
        tell_ledger=tell_sale,
    )

    def heard(channel: str, message: bytes) -> None:
        if sale_of_channel(channel) is not None:
            live.announced(channel, message)

    async def resumed(channels: Collection[str]) -> None:
        live.resumed()

    live.feed = feed = RedisFeed(
        listener,
        on_message=heard,
        on_resumed=resumed,
        subscribe_within_s=settings.limits.append_within_s,
    )
    feeding = asyncio.create_task(feed.run())
    desk = SalesDesk(live, store, store, sales, orders, settings.limits)
    link_desk = open_link_desk(settings, database, no_room, lambda: NOW_MS)
    till = open_till(desk, store, database, link_desk.links.find, settings.limits, lambda: NOW_MS)
    events = EventLog(Ledger(database), batch_limits(settings.limits))
    try:
        yield Services(
            settings=settings,
            database=database,
            rooms=rooms,
            catalog=CatalogRecords(database),
            tokens=Tokens(settings.token_secret),
            realtime=realtime,
            acts=StoredActs(rooms),
            desk=desk,
            till=till,
            links=link_desk,
            rewards=open_reward_desk(settings, database, link_desk.policies, lambda: NOW_MS),
            sales=sales,
            orders=orders,
            ledger=Ledger(database),
            events=events,
            cards=SaleCards(sales, orders, store),
            auditor=Auditor(store, RedisLedgerStream(commands), sales, orders),
            rehearsals=Rehearsals(
                settings,
                RehearsalRecords(database),
                HallClient(NO_SERVER),
                lambda: NOW_MS,
            ),
            now_ms=lambda: NOW_MS,
        )
    finally:
        await end_tasks([feeding])
        await till.close()
        await events.close()
        await live.close()
        await commands.aclose()
        await listener.aclose()


def impatient(settings: Settings) -> Settings:
    """Settings for a store that never answers: it is waited for a second."""
    return replace(settings, limits=replace(settings.limits, append_within_s=1))


async def no_room(_room: RoomId) -> LiveRoom | None:
    """No viewer is anywhere: nothing was said that a link could quote."""
    return None


async def tell_nobody(_sale: str) -> None:
    """No ledger worker waits for hints here."""
