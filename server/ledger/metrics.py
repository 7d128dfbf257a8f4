"""The reports of the ledger workers as a web worker shows them: a word for /readyz, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flash_sale.model import SaleId
from server.ledger.figures import metrics_of
from server.ledger.report import LedgerReport, SaleReport, newest_of_sales

BEHIND_AFTER_MS = 5_000  # an entry in hand that waits for longer is worth a look


def state_of(reports: Sequence[LedgerReport]) -> str:
    """`ok`; `behind` and why, when what is sold does not reach SQL; `down` when nobody reports."""
    if not reports:
        return "down: no ledger worker has reported lately"
    waiting = next((report.waiting_for for report in reports if report.waiting_for), "")
    if waiting:
        return f"behind: {waiting}"
    oldest_ms = max((sale.oldest_ms for sale in newest_of_sales(reports).values()), default=0)
    if oldest_ms > BEHIND_AFTER_MS:
        return f"behind: an entry has waited for {oldest_ms} ms"
    return "ok"


class LedgerCollector(Collector):
    """Gauges of one reading of the reports. What nobody reports is absent, and not zero."""

    def __init__(self, reports: Sequence[LedgerReport], consumers: Sequence[str]) -> None:
        self._reports = reports
        self._consumers = consumers

    def collect(self) -> Iterator[Metric]:
        reporting = {report.consumer for report in self._reports}
        up = GaugeMetricFamily(
            "onair_ledger_up", "Whether a ledger worker has reported lately", labels=["consumer"]
        )
        for consumer in self._consumers:
            up.add_metric([consumer], consumer in reporting)
        yield up
        if not self._reports:
            return
        newest = max(self._reports, key=lambda report: report.at_ms)
        for name, text, value in (
            ("onair_ledger_set_aside", "Entries that SQL refused for good", newest.set_aside),
            ("onair_refunds_due", "Refunds that were not sent yet", newest.refunds_due),
        ):
            yield GaugeMetricFamily(name, text, value)
        yield from _of_sales(newest_of_sales(self._reports))
        yield from metrics_of(one for report in self._reports for one in report.figures)


def _of_sales(sales: dict[SaleId, SaleReport]) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "onair_ledger_lag_entries", "Entries of the stream not in SQL yet", labels=["sale"]
    )
    oldest = GaugeMetricFamily(
        "onair_ledger_oldest_ms", "For how long the oldest entry in hand waits", labels=["sale"]
    )
    agree = GaugeMetricFamily(
        "onair_sale_books_agree", "Whether Redis and SQL say the same", labels=["sale"]
    )
    units = GaugeMetricFamily(
        "onair_sale_units", "Units by the books of Redis", labels=["sale", "sku", "state"]
    )
    for sale, report in sorted(sales.items()):
        lag.add_metric([sale], report.lag)
        oldest.add_metric([sale], report.oldest_ms)
        if report.agree is not None:
            agree.add_metric([sale], report.agree)
        for sku, counters in sorted(report.units.items()):
            for state, count in counters.items():
                units.add_metric([sale, sku, state], count)
    yield from (lag, oldest, agree, units)
