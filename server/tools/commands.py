"""What reconcile, rebuild and export do: exit codes, what is printed. Options: `tools.options`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import orjson

from flash_sale.errors import SaleFrozen, SaleStoreUnavailable, StaleEpoch
from flash_sale.model import SaleState
from server.database.errors import DatabaseUnavailable
from server.database.export_records import ExportRecords
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import SaleRecord
from server.embedded_redis import RedisNotStarted
from server.redis_client import UnusableRedis
from server.settings import Settings
from server.tools import texts
from server.tools.export import Exporter, TooManyRows
from server.tools.progress import Progress
from server.tools.rebuild import NotRebuilt, Rebuilder
from server.tools.reconcile import Reconciled, Reconciler, exit_code
from server.tools.stores import (
    Stores,
    bring_up_to_date,
    data_dir_of,
    open_database,
    open_stores,
)
from server.tools.visits import rebuild_visits

_OUT_OF_REACH = (SaleStoreUnavailable, DatabaseUnavailable, UnusableRedis, RedisNotStarted)
UNCHECKED = 2


class Wrong(Exception):
    """The command cannot be done as it was asked for; the text says why."""


def _complain(text: str, code: int = 1) -> int:
    print(f"onair: {' '.join(text.split())}", file=sys.stderr)
    return code


async def _chosen(records: SaleRecords, sale: str | None) -> list[SaleRecord]:
    """The one that was named, or all that run."""
    if sale is None:
        return await records.running()
    record = await records.find(sale)
    if record is None:
        raise Wrong(f"--sale: there is no sale {sale}")
    return [record]


# reconcile


def reconcile(options: argparse.Namespace, environ: dict[str, str]) -> int:
    """Compare; prints what was found. 0 they agree, 1 they differ, 2 could not be compared."""
    settings = Settings.from_env(environ)
    try:
        found = asyncio.run(_reconcile_all(settings, options.sale, options.json))
    except (*_OUT_OF_REACH, Wrong) as error:
        return _complain(f"could not be compared: {error}", UNCHECKED)
    return exit_code(found)


async def _reconcile_all(settings: Settings, sale: str | None, as_json: bool) -> list[Reconciled]:
    found: list[Reconciled] = []
    progress = Progress()
    async with open_stores(settings, progress) as stores:
        reconciler = Reconciler(stores, progress)
        for record in await _chosen(stores.records, sale):
            progress.tick(f"comparing sale {record.terms.id}")
            one = await reconciler.reconcile(record)
            found.append(one)
            if as_json:
                print(orjson.dumps(texts.reconciled_json(one)).decode(), flush=True)
            else:
                print(texts.reconciled_text(one), flush=True)
    if not found and not as_json:
        print("no sale is running")
    return found


# rebuild


def rebuild(options: argparse.Namespace, environ: dict[str, str]) -> int:
    """Make sales in Redis anew, after asking, or visits in SQL. 0 rebuilt, 1 not."""
    settings = Settings.from_env(environ)
    try:
        if options.visits:
            count = asyncio.run(rebuild_visits(settings, Progress()))
            print(f"visits and their counters are made anew from {count} pieces of the record")
            return 0
        return asyncio.run(_rebuild_all(settings, options))
    except (*_OUT_OF_REACH, Wrong, SaleFrozen, StaleEpoch) as error:
        return _complain(f"not rebuilt: {error}")


async def _rebuild_all(settings: Settings, options: argparse.Namespace) -> int:
    progress = Progress()
    failed = 0
    async with open_stores(settings, progress) as stores:
        rebuilder = Rebuilder(stores, progress)
        records = await _chosen(stores.records, options.sale)
        if options.all and not options.force:
            records = await _in_need(rebuilder, records)
        if not records:
            print("no running sale needs to be rebuilt")
            return 0
        if not options.yes and not await _is_confirmed(rebuilder, records):
            return _complain("nothing was changed")
        for record in records:
            failed += not await _rebuild_one(rebuilder, record, force=options.force)
        await _wait_for_ledger(stores, records, progress)
    return 1 if failed else 0


async def _in_need(rebuilder: Rebuilder, records: list[SaleRecord]) -> list[SaleRecord]:
    needy = []
    for record in records:
        if await rebuilder.needs(record) is None:
            print(f"sale {record.terms.id} is well")
        elif record.state is not SaleState.DRAFT:
            needy.append(record)
    return needy


async def _is_confirmed(rebuilder: Rebuilder, records: list[SaleRecord]) -> bool:
    """Ask on the terminal. `Wrong` if nobody is there to answer."""
    if not sys.stdin.isatty():
        raise Wrong("this replaces what Redis holds; say --yes to go on without being asked")
    for record in records:
        why = await rebuilder.needs(record) or "it is well"
        print(f"sale {record.terms.id}: {why}", file=sys.stderr)
    print("Replace what Redis holds of this by what the ledger holds? [y/N] ", end="", flush=True)
    answer = await asyncio.to_thread(sys.stdin.readline)
    return answer.strip().lower() in {"y", "yes"}


async def _rebuild_one(rebuilder: Rebuilder, record: SaleRecord, *, force: bool) -> bool:
    try:
        rebuilt = await rebuilder.rebuild(record, force=force)
    except NotRebuilt as error:
        _complain(str(error))
        return False
    print(texts.rebuilt_text(rebuilt), flush=True)
    return True


async def _wait_for_ledger(stores: Stores, records: list[SaleRecord], progress: Progress) -> None:
    """While no server runs, the first moves of the new epochs are written here and now."""
    if stores.runs:
        return
    for record in records:
        for _ in range(100):
            if not await stores.stream.lag(record.terms.id):
                break
            progress.tick(f"sale {record.terms.id}: writing its first moves into the ledger")
            await asyncio.sleep(0.1)


# export


def export(options: argparse.Namespace, environ: dict[str, str]) -> int:
    """Write the files. 0 written, 1 not."""
    settings = Settings.from_env(environ)
    try:
        asyncio.run(_export_all(settings, options.out, options.sale))
    except (TooManyRows, Wrong) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"--out: {error.strerror or error}: {error.filename or options.out}")
    return 0


async def _export_all(settings: Settings, directory: Path, sale: str | None) -> None:
    with data_dir_of(settings) as locked:
        if locked:
            await bring_up_to_date(settings)
    async with open_database(settings) as database:
        records = SaleRecords(database)
        only = None if sale is None else (await _chosen(records, sale))[0]
        exporter = Exporter(
            records,
            OrderRecords(database),
            ExportRecords(database),
            directory,
            rows_max=settings.limits.export_rows_max,
            progress=Progress(),
        )
        await exporter.export(only)
