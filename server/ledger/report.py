"""What each ledger worker says of itself every second, and how web workers read it.

A report is one key with a short life: a worker that is gone is silent, and that shows.
Refuses to know how entries are written or books are compared; it is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from redis.exceptions import RedisError

from flash_sale.catalog import SkuId
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import SaleId, SkuBooks
from flash_sale.store import LedgerStream
from rooms.adapters.script import RedisClient
from server.database.errors import DatabaseUnavailable
from server.database.ledger_records import Ledger
from server.ledger.figures import Figure, Figures
from server.ledger.writer import Writer

LIFE_MS = 10_000
INTERVAL_S = 1.0

_LOG = logging.getLogger("onair.ledger")


@dataclass(frozen=True, slots=True)
class SaleReport:
    """How one running sale stands between the store and the ledger."""

    lag: int  # entries of its stream that are not committed
    oldest_ms: int  # for how long the oldest entry in hand has waited; 0: none is in hand
    agree: bool | None = None  # None: not compared yet, or the comparison was not possible
    why: str = ""  # why they do not agree, or could not be compared
    units: Mapping[SkuId, Mapping[str, int]] = field(default_factory=dict)  # by sku and state


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """The state of one ledger worker at `at_ms`."""

    consumer: str
    at_ms: int
    set_aside: int
    refunds_due: int
    waiting_for: str  # why nothing can be written now; empty: it can
    sales: Mapping[SaleId, SaleReport]
    figures: tuple[Figure, ...] = ()


def consumer_name(number: int) -> str:
    """The stable name of ledger worker `number`; after a restart it is the same again."""
    return f"ledger-{number}"


def _key(consumer: str) -> str:
    return f"onair:ledger:{consumer}"


@dataclass(frozen=True, slots=True)
class _Audit:
    agree: bool | None
    why: str
    units: Mapping[SkuId, Mapping[str, int]]


class Audits:
    """The newest comparison of each sale's books, as the auditor told it."""

    def __init__(self) -> None:
        self._newest: dict[SaleId, _Audit] = {}

    def audited(
        self, sale: SaleId, agree: bool | None, items: Iterable[SkuBooks], why: str = ""
    ) -> None:
        """Take in a comparison of store and ledger. `items` are the store's counters.

        `agree` None: they could not be compared now, and `why` says the reason.
        """
        units = {
            books.sku: {
                "available": books.available,
                "reserved": books.reserved,
                "sold": books.sold,
                "waiting": books.waiting,
            }
            for books in items
        }
        self._newest[sale] = _Audit(agree, why, units)

    def keep_only(self, sales: Iterable[SaleId]) -> None:
        """Forget the sales that run no longer."""
        running = set(sales)
        self._newest = {sale: one for sale, one in self._newest.items() if sale in running}

    def of(self, sale: SaleId, lag: int, oldest_ms: int) -> SaleReport:
        audit = self._newest.get(sale)
        if audit is None:
            return SaleReport(lag, oldest_ms)
        return SaleReport(lag, oldest_ms, audit.agree, audit.why, audit.units)


class Reporter:
    """Says every second how the writer of this process is doing. Start `run` and `count`."""

    def __init__(
        self,
        client: RedisClient,
        stream: LedgerStream,
        writer: Writer,
        ledger: Ledger,
        audits: Audits,
        consumer: str,
        *,
        now_ms: Callable[[], int],
        figures: Figures | None = None,
    ) -> None:
        self._figures = figures or Figures()
        self._client = client
        self._stream = stream
        self._writer = writer
        self._ledger = ledger
        self._audits = audits
        self._consumer = consumer
        self._now_ms = now_ms
        self._set_aside = 0
        self._refunds_due = 0

    async def run(self) -> None:
        """Report until cancelled. While Redis is away there is nobody to tell."""
        while True:
            try:
                await publish(self._client, await self._report())
            except (RedisError, OSError, SaleStoreUnavailable) as error:
                _LOG.debug("no report: %s", error)
            await asyncio.sleep(INTERVAL_S)

    async def count(self) -> None:
        """Count what the reports say of SQL, until cancelled.

        Beside `run`: SQL may take long to answer, and the reports must say so meanwhile.
        """
        while True:
            try:
                self._set_aside = await self._ledger.set_aside_count()
                self._refunds_due = await self._ledger.refunds_due_count()
            except DatabaseUnavailable as error:  # the writer says it
                _LOG.debug("nothing was counted: %s", error)
            await asyncio.sleep(INTERVAL_S)

    async def _report(self) -> LedgerReport:
        sales = {}
        for sale in self._writer.followed:
            lag = await self._stream.lag(sale)
            sales[sale] = self._audits.of(sale, lag, self._writer.oldest_ms(sale))
        return LedgerReport(
            consumer=self._consumer,
            at_ms=self._now_ms(),
            set_aside=self._set_aside,
            refunds_due=self._refunds_due,
            waiting_for=self._writer.waiting_for,
            sales=sales,
            figures=self._figures.told(),
        )


async def publish(client: RedisClient, report: LedgerReport) -> None:
    """Put a report where web workers look. Raises what the client raises."""
    await client.set(_key(report.consumer), orjson.dumps(report, default=tuple), px=LIFE_MS)


async def read_reports(client: RedisClient, consumers: Iterable[str]) -> list[LedgerReport]:
    """The reports of those consumers that have lately made one. Raises as `publish` does."""
    reports = []
    for consumer in consumers:
        found = await client.get(_key(consumer))
        if found is not None:
            reports.append(_parse(found))
    return reports


def newest_of_sales(reports: Iterable[LedgerReport]) -> dict[SaleId, SaleReport]:
    """One report for each sale: the newest; a comparison of its books is taken where there is one.

    Every ledger worker sees the same lag, but only one compares books.
    """
    found: dict[SaleId, SaleReport] = {}
    for report in sorted(reports, key=lambda one: one.at_ms):
        for sale, one in report.sales.items():
            before = found.get(sale)
            if before is not None:
                audit = one if one.units else before
                oldest_ms = max(before.oldest_ms, one.oldest_ms)
                found[sale] = SaleReport(one.lag, oldest_ms, audit.agree, audit.why, audit.units)
            else:
                found[sale] = one
    return found


def _parse(text: bytes | str) -> LedgerReport:
    value = orjson.loads(text)
    sales = {SaleId(sale): SaleReport(**one) for sale, one in value.pop("sales").items()}
    told = value.pop("figures", ())
    figures = tuple(Figure(name, tuple(labels), count) for name, labels, count in told)
    return LedgerReport(**value, sales=sales, figures=figures)
