"""One look at a whole shadow shop: what its workers say, how its books stand, what it costs.

Every web worker tells the shadow's Redis each second what it has done; whoever is asked adds up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.errors import NotOnSale, SaleFrozen
from flash_sale.model import SaleId, SkuBooks
from rooms.adapters.script import RedisClient
from server.database.sale_records import SaleRecords
from server.ledger.report import (
    LedgerReport,
    SaleReport,
    consumer_name,
    newest_of_sales,
    read_reports,
)
from server.rehearsal.ports import ShadowParts
from server.sale_store import sale_store
from server.settings import Settings

INTERVAL_S: Final = 1.0
FRESH_MS: Final = 5_000  # a worker that has been silent for longer has no viewers any more
KEPT_S: Final = 86_400
SALES_MAX: Final = 20  # whose books are read at one look
_WORKERS: Final = "onair:rehearsal:workers"

_LOG = logging.getLogger("onair.rehearsal")


@dataclass(frozen=True, slots=True)
class Process:
    """What a process has used since it began. `name` such as `web worker 1`, `redis`."""

    name: str
    pid: int
    cpu_s: float
    rss_bytes: int
    shadow: bool = False  # it serves the rehearsal alone


@dataclass(frozen=True, slots=True)
class Look:
    """The shadow shop at one instant, over all its workers."""

    at_ms: int
    viewers: int
    workers: int  # web workers that have spoken lately
    outcomes: dict[str, int] = field(default_factory=dict)
    lag_entries: int = 0  # of the ledger, over all sales
    lag_ms: int = 0  # for how long the oldest of them has waited
    ledger: str = ""  # why it cannot write; empty: it can
    books: dict[str, Any] = field(default_factory=dict)  # by sale


async def tell(parts: ShadowParts, now_ms: Callable[[], int]) -> None:
    """Say every second what this worker has done, until cancelled.

    What a worker has counted stays when it dies: its next life has another name.
    """
    while True:
        told = {
            "at_ms": now_ms(),
            "viewers": parts.viewers,
            "outcomes": {str(outcome): count for outcome, count in parts.outcomes.items()},
        }
        try:
            await parts.redis.hset(_WORKERS, parts.name, orjson.dumps(told))
            await parts.redis.expire(_WORKERS, KEPT_S)
        except (RedisError, OSError) as error:
            _LOG.debug("nobody was told: %s", error)
        await asyncio.sleep(INTERVAL_S)


async def look(parts: ShadowParts, now_ms: int) -> Look:
    """What all workers have told, and how each running sale stands, be the ledger alive or not.

    Raises `RedisError`, `OSError` or `SaleStoreUnavailable` while the shadow's Redis is away,
    `DatabaseUnavailable` while its SQL is.
    """
    told = await _told(parts.redis)
    fresh = [one for one in told if one["at_ms"] > now_ms - FRESH_MS]
    outcomes: Counter[str] = Counter()
    for one in told:
        outcomes.update(one["outcomes"])
    workers = range(1, parts.settings.ledger_workers + 1)
    reports = await read_reports(parts.redis, map(consumer_name, workers))
    running = [record.terms.id for record in await SaleRecords(parts.database).running()]
    sales = running[-SALES_MAX:]
    entries, waited_ms = await _lag(parts.redis, sales, now_ms)
    return Look(
        at_ms=now_ms,
        viewers=sum(one["viewers"] for one in fresh),
        workers=len(fresh),
        outcomes=dict(outcomes),
        lag_entries=entries,
        lag_ms=waited_ms,
        ledger=_trouble(reports),
        books=await _books(parts, sales, newest_of_sales(reports)),
    )


async def _lag(redis: RedisClient, sales: Iterable[SaleId], now_ms: int) -> tuple[int, int]:
    """(entries that the ledger lacks, for how long the oldest has waited), from the streams."""
    stream = RedisLedgerStream(redis)
    entries = waited_ms = 0
    for sale in sales:
        lag = await stream.lag(sale)
        since_ms = await stream.waits_since_ms(sale) if lag else None
        entries += lag
        waited_ms = max(waited_ms, now_ms - (now_ms if since_ms is None else since_ms))
    return entries, waited_ms


async def _told(redis: RedisClient) -> list[dict[str, Any]]:
    found = await redis.hgetall(_WORKERS)
    return [orjson.loads(text) for text in found.values()]


def _trouble(reports: Iterable[LedgerReport]) -> str:
    found = [report.waiting_for for report in reports]
    if not found:
        return "no ledger worker has reported lately"
    return next(filter(None, found), "")


async def _books(
    parts: ShadowParts, sales: Iterable[SaleId], reports: Mapping[SaleId, SaleReport]
) -> dict[str, Any]:
    """The store's counters of each sale now, and whether the ledger agreed with it lately."""
    store = sale_store(parts.redis, parts.settings)
    found: dict[str, Any] = {}
    for sale in sales:
        try:
            view = await store.view(sale)
        except (NotOnSale, SaleFrozen):
            continue
        report = reports.get(sale)
        found[sale] = {
            "state": view.state.value,
            "agree": None if report is None else report.agree,
            "why": "" if report is None else report.why,
            "items": [_counters(books) for books in view.items],
        }
    return found


def _counters(books: SkuBooks) -> dict[str, Any]:
    return {
        "sku": books.sku,
        "initial": books.initial,
        "available": books.available,
        "reserved": books.reserved,
        "sold": books.sold,
        "refunded": books.refunded,
    }


def processes_of(told: Iterable[dict[str, Any]]) -> list[Process]:
    """What those processes use now; those that have ended are left out. Reads `/proc`."""
    return [process for one in told if (process := _process(one)) is not None]


def _process(told: dict[str, Any]) -> Process | None:
    pid = int(told["pid"])
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold blanks
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return Process(
        name=str(told["name"]),
        pid=pid,
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        shadow=bool(told.get("shadow")),
    )


def environment_of(settings: Settings, redis_version: str) -> dict[str, Any]:
    """The machine and the server as they are, for a report. Names no secret and no address."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    database = settings.database_url or "sqlite"
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "memory_bytes": pages,
        "redis": redis_version,
        "redis_embedded": settings.redis_url is None,
        "database": database.partition(":")[0].partition("+")[0],
        "durability": settings.durability,
        "workers": settings.workers,
        "ledger_workers": settings.ledger_workers,
        "viewers_max": settings.viewers_max,
        "limits": asdict(settings.limits),
    }
