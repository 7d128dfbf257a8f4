"""The composition root: builds every part once, top to bottom, and connects them.

`create_app` makes an ASGI application whose lifespan opens and closes what it needs. No
globals, no work at import: a test calls it with other settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.model import Outcome, SaleId
from rooms.adapters.redis_feed import RedisFeed
from server.acts import Acts, RoomSeeds
from server.api import Services, build_api
from server.api.at_once import PATH, PublishAtOnce
from server.api.services import with_services
from server.channels import Channels
from server.control import CHANNEL, Control
from server.database.account_records import Accounts
from server.database.commission_records import CommissionRecords
from server.database.coupon_records import CouponRecords
from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.records import CatalogRecords, RoomRecords
from server.database.rehearsal_records import RehearsalRecords
from server.database.sale_records import SaleRecords
from server.endings import end_tasks
from server.feed import open_feed
from server.gateway import Gateway
from server.handshake import PATH as DOOR
from server.handshake import Door
from server.health import Health
from server.http_door import REFUSAL_OF
from server.ledger.audit import Auditor
from server.live_rooms import LiveRooms
from server.pages.assets import Assets
from server.payments.event_log import EventLog
from server.realtime import RoomRealtime
from server.redis_client import Client, ClientRole, connect
from server.rehearsal.runs import open_rehearsals
from server.rehearsal.shadow import stores_of
from server.rehearsal.wing import BELOW, OpenShop, Wing
from server.room_log import room_log, visit_log
from server.rpc import Procedures, Talk
from server.rpc_staff import Staff
from server.rpc_text import objection
from server.sale_cards import SaleCards
from server.sale_store import sale_store
from server.sales.announce import SaleNews
from server.sales.care import SaleCare
from server.sales.desk import SalesDesk
from server.sales.live_sale import Clocks, batch_limits
from server.sales.live_sales import LiveSales
from server.sales.rpc_orders import Orders, Steerings
from server.settings import Settings
from server.sharing.coupons import Coupons
from server.sharing.earnings import Earnings
from server.sharing.labels import Labels
from server.sharing.link_desk import open_link_desk
from server.sharing.reward_desk import open_reward_desk
from server.sharing.rpc_rewards import Rewards
from server.sharing.rpc_share import Sharing
from server.sharing.rpc_visits import Visits
from server.sharing.till import open_till
from server.sharing.visit_desk import VisitDesk
from server.sharing.watched import watched
from server.shop_routes import shop_routes
from server.tokens import Tokens
from server.word_file import text_filter


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Worker:
    """The parts of one worker, connected. `close` undoes `open_worker`."""

    name: str  # another life of the worker has another one
    settings: Settings
    gateway: Gateway
    rooms: LiveRooms
    sales: LiveSales
    news: SaleNews
    visits: VisitDesk
    door: Door
    health: Health
    services: Services
    feed: RedisFeed
    database: Database
    clients: tuple[Client, ...]
    tasks: list[asyncio.Task[None]]

    @property
    def redis(self) -> Client:
        """For commands."""
        return self.clients[0]

    @property
    def viewers(self) -> int:
        return len(self.gateway.viewers)

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Purchases answered so far."""
        return self.sales.outcomes

    async def show_out(self, seconds: float) -> None:
        """Close all connections over at most that time, and refuse new ones from now on."""
        await self.gateway.drain(seconds)

    async def drain(self, *, succeeded: bool = False) -> None:
        """Before the sockets go: refuse newcomers, close everybody in waves, store what is said.

        First `/readyz` says so, for `drain_ready_s`, while everything else goes on: nobody is to
        be sent here. A worker that was succeeded has no newcomers and need not wait.
        """
        limits = self.settings.limits
        self.gateway.leaving = True
        await asyncio.sleep(0 if succeeded else limits.drain_ready_s)
        await self.gateway.drain(limits.drain_seconds, answers_within_s=limits.decide_within_s)
        await self.rooms.say_goodbye()
        await self.sales.drain(self.settings.limits.decide_within_s)
        await self.visits.drain()

    async def close(self) -> None:
        """Stop reading, then let go of the stores."""
        await end_tasks(self.tasks)
        await self.gateway.close()
        self.news.close()
        await self.services.till.close()
        await self.services.events.close()
        await self.sales.close()
        await self.rooms.close()
        await self.visits.close()
        for client in self.clients:
            await client.aclose()
        await self.database.close()


async def open_worker(
    settings: Settings,
    redis_url: str,
    database_url: str,
    now_ms: Callable[[], int],
    viewers_beside: Callable[[], int] = lambda: 0,
) -> Worker:
    """Build everything. Raises what the stores raise when they cannot be reached.

    `viewers_beside` of this process count towards `viewers_max` too.
    """
    limits = settings.limits
    name = secrets.token_hex(6)
    commands = connect(redis_url, limits)
    listener = connect(redis_url, limits, role=ClientRole.LISTENER)
    for client in (commands, listener):
        await client.initialize()  # a cluster learns its nodes
    database = Database(
        database_url, threads_max=limits.database_threads_max, within_s=limits.database_within_s
    )
    records, catalog = RoomRecords(database), CatalogRecords(database)
    log = room_log(commands, name, settings)
    sale_records, order_records = SaleRecords(database), OrderRecords(database)
    store = sale_store(commands, settings)
    cards = SaleCards(sale_records, order_records, store)
    seeds = RoomSeeds(records, catalog, now_ms, cards.of_room, settings.rehearsal)
    tokens = Tokens(settings.token_secret, settings.token_jwks)
    rooms = LiveRooms(log, seeds, limits)
    gateway = Gateway(limits, tokens, rooms, insecure=settings.insecure, now_ms=now_ms)
    control = Control(
        commands,
        gateway,
        rooms,
        on_sale=lambda sale: sales.forget_unknown(SaleId(sale)),
        shows_rewards=lambda app: rewards.shows_rewards(app),
        on_ranking=lambda room: rewards.forget_ranking(room),
    )
    news = SaleNews(rooms, gateway, limits.orders_ticker_ms)
    sales = LiveSales(store, store, sale_records, limits, Clocks(now_ms), news.heard, control.sale)
    desk = SalesDesk(sales, store, store, sale_records, order_records, limits)
    acts = Acts(records, rooms, log, control, seeds, now_ms)
    gateway.handle(Channels(gateway, rooms, tokens, limits, log).handlers())
    words = text_filter(settings.blocked_words_file)
    talk = Talk(rooms, words, limits, now_ms)
    staff = Staff(rooms, acts, records, limits)
    link_desk = open_link_desk(settings, database, rooms.open, now_ms)
    till = open_till(desk, store, database, link_desk.links.find, limits, now_ms)
    ledger = Ledger(database)
    events = EventLog(ledger, batch_limits(limits))
    orders = Orders(desk, till, rooms, settings.payment_provider)
    visits = open_visit_desk(commands, gateway, settings, now_ms)
    sharing = Sharing(link_desk, visits.saw)
    rewards = open_reward_desk(settings, database, link_desk.policies, now_ms)
    tables = (
        talk,
        staff,
        orders,
        Steerings(desk, limits),
        sharing,
        Coupons(CouponRecords(database), limits, now_ms),
        Earnings(Accounts(database), CommissionRecords(database), limits, rewards.shows_rewards),
        Rewards(rewards),
    )
    procedures = [watched(table.procedures(), visits.saw) for table in tables]
    labels = Labels(link_desk.policies, limits.campaigns_new_per_day_max, now_ms)
    tracking = Visits(visits, link_desk.links, limits, labels).procedures()
    gateway.handle(Procedures(*procedures, tracking).handlers())
    feed = rooms.feed = sales.feed = open_feed(listener, control, sales, rooms, limits)
    tasks = [
        asyncio.create_task(work, name=label)
        for label, work in (
            ("feed", feed.run()),
            ("wheel", gateway.wheel.run()),
            ("rooms", rooms.keep()),
            ("sales", SaleCare(sales, rooms, news, limits).keep()),
        )
    ]
    worker = Worker(
        name=name,
        settings=settings,
        gateway=gateway,
        rooms=rooms,
        sales=sales,
        news=news,
        visits=visits,
        door=Door(gateway, tokens, settings, rewards.shows_rewards, viewers_beside),
        health=Health(
            commands,
            database,
            gateway,
            rooms,
            worker=name,
            within_s=limits.redis_within_ms / 1000,
            embedded_in=None if settings.redis_url else settings.data_dir,
            ledger_workers=settings.ledger_workers,
            outcomes=sales.outcomes,
        ),
        services=Services(
            settings=settings,
            database=database,
            rooms=records,
            catalog=catalog,
            tokens=tokens,
            realtime=RoomRealtime(rooms, control, limits.history_reply_events_max),
            acts=acts,
            desk=desk,
            till=till,
            links=link_desk,
            rewards=rewards,
            sales=sale_records,
            orders=order_records,
            ledger=ledger,
            events=events,
            cards=cards,
            auditor=Auditor(store, RedisLedgerStream(commands), sale_records, order_records),
            rehearsals=open_rehearsals(settings, database, now_ms),
            now_ms=now_ms,
            refuse_name=lambda name: objection(name, words),
        ),
        feed=feed,
        database=database,
        clients=(commands, listener),
        tasks=tasks,
    )
    try:
        await feed.subscribe(CHANNEL)
    except BaseException:
        await worker.close()
        raise
    return worker


def open_visit_desk(
    commands: Client, gateway: Gateway, settings: Settings, now_ms: Callable[[], int]
) -> VisitDesk:
    """The record of visits on this worker; it hears when a connection ends."""
    desk = VisitDesk(visit_log(commands, settings), settings.limits, now_ms)
    gateway.visit_ends = desk.gone
    return desk


_DOOR = DOOR.decode()


class App:
    """The ASGI application; `worker` exists while the lifespan runs.

    The wing is the second shop of this process, while there is a rehearsal. The shop itself pays
    one comparison a request for it.
    """

    def __init__(
        self, settings: Settings, redis_url: str, database_url: str, now_ms: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self.wing: Wing = Wing(
            settings, self._find_run, self._open_shadow, now_ms, self._show_missing
        )
        self._open: Callable[[], Awaitable[Worker]] = partial(
            open_worker, settings, redis_url, database_url, now_ms, lambda: self.wing.viewers
        )
        self._starlette = Starlette(lifespan=self._lifespan)
        self._api: ASGIApp | None = None
        self._door: ASGIApp = self._starlette
        self._publishing: ASGIApp = self._starlette
        self._assets = Assets()
        self.worker: Worker | None = None

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[dict[str, Any]]:
        self.worker = worker = await self._open()
        try:
            worker.services.rehearsals.wing = self.wing
            self._api = build_api(worker.services)
            app.router.routes[:] = shop_routes(worker, self._api, self._assets)
            self._door = worker.door
            self._publishing = PublishAtOnce(worker.services, self._api, self._starlette)
            yield {REFUSAL_OF: worker.door.refusal_of}
        finally:
            await self.wing.close()
            await worker.close()
            self.worker = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == _DOOR and scope["type"] == "websocket":
            await self._door(scope, receive, send)
        elif path == PATH:
            await self._publishing(scope, receive, send)
        elif path.startswith(BELOW):
            await self.wing(scope, receive, send)
        else:
            await self._starlette(scope, receive, send)

    async def _show_missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The shop's page for addresses without a page, in the reader's language."""
        await self._starlette({**scope, "path": "/static/"}, receive, send)

    async def _find_run(self) -> str | None:
        """The run that takes visitors now."""
        assert self.worker is not None
        run = await RehearsalRecords(self.worker.database).current()
        return run.id if run is not None and run.takes_visitors else None

    async def _open_shadow(self, shadow: Settings) -> OpenShop:
        """The shop again, of other settings. Its API is the same one: that takes seconds to make,
        and connections would wait for it."""
        assert self._api is not None
        stores = stores_of(shadow)
        worker = await open_worker(
            shadow, stores.redis_url, stores.database_url, self._now_ms, self._taken_of_shadow
        )
        api = with_services(self._api, worker.services)
        return OpenShop(worker, Starlette(routes=shop_routes(worker, api, self._assets)))

    def _taken_of_shadow(self) -> int:
        """What a rehearsal finds taken: the viewers of the shop, and some places that stay free."""
        assert self.worker is not None
        settings = self._settings
        spare = settings.viewers_max * settings.limits.rehearsal_spare_percent // 100
        return self.worker.viewers + spare


def create_app(
    settings: Settings,
    *,
    redis_url: str,
    database_url: str,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> App:
    """One worker as an ASGI application. Its stores are already running and migrated."""
    return App(settings, redis_url, database_url, now_ms)
