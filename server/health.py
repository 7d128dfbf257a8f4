"""Is it alive, is it ready, and what has it done: for load balancers and for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flash_sale.model import Outcome
from rooms.adapters.script import RedisClient
from server.database.engine import Database
from server.database.records import DatabaseUnavailable
from server.embedded_redis import read_state
from server.gateway import Gateway
from server.ledger.metrics import LedgerCollector, state_of
from server.ledger.report import LedgerReport, consumer_name, read_reports
from server.live_rooms import LiveRooms


class Health:
    """`/healthz`, `/readyz` and `/metrics` of one worker."""

    def __init__(
        self,
        redis: RedisClient,
        database: Database,
        gateway: Gateway,
        rooms: LiveRooms,
        *,
        worker: str,
        within_s: float,
        embedded_in: Path | None,
        ledger_workers: int = 1,
        outcomes: Mapping[Outcome, int],
    ) -> None:
        self._consumers = [consumer_name(number) for number in range(1, ledger_workers + 1)]
        self._embedded_in = embedded_in
        self._redis = redis
        self._database = database
        self._gateway = gateway
        self._rooms = rooms
        self._within_s = within_s
        self._registry = CollectorRegistry()
        self._registry.register(_WorkerCollector(gateway, rooms, outcomes, worker))
        ProcessCollector(registry=self._registry)

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.alive),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def alive(self, request: Request) -> Response:
        """This worker answers."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """200 when traffic may come, else 503; the body says of each part how it is.

        Sales go on without the ledger, so that its state takes no traffic away.
        """
        redis, database, reports = await asyncio.gather(
            self._redis_state(), self._database_state(), self._ledger_reports()
        )
        feed = self._rooms.feed
        parts = {
            "redis": redis,
            "feed": "ok" if feed is not None and feed.connected else "reconnecting",
            "database": database,
            "accepting": "draining" if self._gateway.leaving else "ok",
        }
        ready = all(state == "ok" for state in parts.values())
        body = {"ready": ready, **parts, "ledger": state_of(reports)}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def _redis_state(self) -> str:
        try:
            async with asyncio.timeout(self._within_s):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            return f"down: {self._embedded_trouble() or error or type(error).__name__}"
        return "ok"

    def _embedded_trouble(self) -> str:
        """What the supervisor knows of its own Redis, if it is ours."""
        state = read_state(self._embedded_in) if self._embedded_in is not None else None
        if state is None:
            return ""
        return f"{state.status}, restarted {state.restarts} times; {state.last_error}".strip("; ")

    async def _database_state(self) -> str:
        try:
            async with asyncio.timeout(self._within_s):
                await self._database.ping()
        except (DatabaseUnavailable, TimeoutError) as error:
            return f"down: {error or type(error).__name__}"
        return "ok"

    async def _ledger_reports(self) -> list[LedgerReport]:
        """What ledger workers have said lately; nothing if Redis is away."""
        try:
            async with asyncio.timeout(self._within_s):
                return await read_reports(self._redis, self._consumers)
        except (RedisError, OSError, TimeoutError):
            return []

    async def metrics(self, request: Request) -> Response:
        """The text format of Prometheus, for the worker that happened to answer, and the ledger."""
        ledger = CollectorRegistry()
        ledger.register(LedgerCollector(await self._ledger_reports(), self._consumers))
        text = generate_latest(self._registry) + generate_latest(ledger)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


class _WorkerCollector(Collector):
    def __init__(
        self, gateway: Gateway, rooms: LiveRooms, outcomes: Mapping[Outcome, int], worker: str
    ) -> None:
        self._outcomes = outcomes
        self._gateway = gateway
        self._rooms = rooms
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        counts = self._gateway.counts
        gauges = {
            "onair_connections": ("Open connections", len(self._gateway.viewers)),
            "onair_rooms": ("Rooms in memory", len(self._rooms)),
        }
        counters = {
            "onair_accepted": ("Connections accepted", counts.connections),
            "onair_commands": ("Commands handled", counts.commands),
            "onair_command_errors": ("Commands answered with an error", counts.errors),
            "onair_rests": ("Turns that left commands for a later one", counts.rests),
        }
        for name, (text, value) in gauges.items():
            gauge = GaugeMetricFamily(name, text, labels=["worker"])
            gauge.add_metric([self._worker], value)
            yield gauge
        for name, (text, value) in counters.items():
            counter = CounterMetricFamily(name, text, labels=["worker"])
            counter.add_metric([self._worker], value)
            yield counter
        closed = CounterMetricFamily(
            "onair_closed", "Connections closed by this side", labels=["worker", "code"]
        )
        for code, number in counts.closed.items():
            closed.add_metric([self._worker, str(code)], number)
        yield closed
        orders = CounterMetricFamily(
            "onair_orders", "Purchases answered, by outcome", labels=["worker", "outcome"]
        )
        for outcome, number in self._outcomes.items():
            orders.add_metric([self._worker, outcome], number)
        yield orders
