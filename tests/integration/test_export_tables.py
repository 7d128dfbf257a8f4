"""Everything that sharing has left behind goes into an export: no table is forgotten."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from server.api import Services
from server.api.exports import ROWS_AT_ONCE
from server.database.engine import Database
from server.database.export_records import ExportRecords
from server.database.exported_tables import EXPORTED, IN_RECORDS, LEFT_OUT
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.tables import METADATA
from server.settings import Settings
from server.tools import export as tool
from server.tools.export import Exporter, TooManyRows, columns_of
from server.tools.progress import Progress
from tests.support.api_parts import MemoryRealtime
from tests.support.api_stage import opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient
from tests.support.export_rows import AT_MS, CODE, DEVICE, fill

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

Bearer = Callable[..., AsgiClient]
Lines = list[dict[str, Any]]
BY_KIND = {one.kind: one for one in EXPORTED}
WHOLE_SHOP = {"coupon_batch", "coupon", "transaction", "posting"}


@pytest.fixture
async def services(
    settings: Settings, realtime: MemoryRealtime, redis_url: str, database: Database
) -> AsyncIterator[Services]:
    """On each engine, with two rooms that have a row everywhere."""
    await fill(database, "demo", "other")
    async with opened_services(settings, database, redis_url, realtime, tell_nobody) as services:
        yield services


async def exported(client: AsgiClient) -> Lines:
    answer = await client.call("GET", "/api/v1/export")
    assert answer.status == 200
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1] == {"kind": "end", "rows": len(lines) - 1}
    return lines[:-1]


def the_one(lines: Lines, kind: str, room: str) -> dict[str, Any]:
    (found,) = (
        line[kind] for line in lines if line["kind"] == kind and room in json.dumps(line[kind])
    )
    row: dict[str, Any] = found
    return row


async def test_every_table_is_exported_or_left_out_for_a_reason(database: Database) -> None:
    stored = await database.run(lambda connection: sa.inspect(connection).get_table_names())
    assert set(METADATA.tables) == set(stored) - {"alembic_version"}
    straight = [one.table.name for one in EXPORTED]
    assert sorted([*straight, *IN_RECORDS, *LEFT_OUT]) == sorted(METADATA.tables)
    assert all(LEFT_OUT.values())
    assert not set(BY_KIND) & set(IN_RECORDS.values())
    assert len(BY_KIND) == len(EXPORTED)
    assert len({one.file for one in EXPORTED}) == len(EXPORTED)
    assert {one.kind for one in EXPORTED if one.whole_shop} == WHOLE_SHOP
    for one in EXPORTED:
        assert len(set(one.names.values())) == len(one.table.columns), one.kind
        assert set(one.json) <= set(one.names.values()), one.kind


async def test_the_export_has_the_rows_of_every_table_with_all_their_columns(
    key: AsgiClient,
) -> None:
    lines = await exported(key)
    counts = Counter(line["kind"] for line in lines)
    assert {kind: counts[kind] for kind in BY_KIND} == dict.fromkeys(BY_KIND, 2) | {"posting": 4}
    for line in lines:
        kind = line["kind"]
        if kind in BY_KIND:
            assert list(line[kind]) == list(BY_KIND[kind].names.values())
    sent = {line["kind"] for line in lines}
    assert sent >= {"room", "product", "sale"}


async def test_values_are_as_they_are_stored_but_for_devices(key: AsgiClient) -> None:
    lines = await exported(key)
    link = the_one(lines, "link", "demo")
    assert (link["room"], link["inviter"], link["markups"]) == ("demo", "ann", {"tea": 5})
    piece = the_one(lines, "visit_piece", "demo")
    assert piece["source"] == {"channel": "sms"}
    assert piece["events"] == [["enter", AT_MS, {}]]
    assert piece["guest"] is False
    assert the_one(lines, "grant", "demo")["code"] == f"{CODE[:-1]}d"
    assert the_one(lines, "arrival", "demo")["verdict"] == "valid"
    for kind in ("touch", "visit", "visit_piece", "arrival"):
        assert the_one(lines, kind, "demo")["device"] == "device-0"
    assert DEVICE not in json.dumps(lines)


async def test_a_merchant_gets_the_rows_of_their_rooms_and_nothing_of_the_whole_shop(
    key: AsgiClient, bearer: Bearer
) -> None:
    everything = await exported(key)
    assert await exported(bearer("*")) == everything
    theirs = [line for line in await exported(bearer("other")) if line["kind"] in BY_KIND]
    assert theirs == [
        line
        for line in everything
        if line["kind"] in set(BY_KIND) - WHOLE_SHOP and "other" in json.dumps(line)
    ]
    assert len(theirs) == len(BY_KIND) - len(WHOLE_SHOP)
    nowhere = await exported(bearer("elsewhere"))
    assert {line["kind"] for line in nowhere} == {"product"}  # products are every merchant's


async def test_piece_by_piece_nothing_is_left_out_or_told_twice(
    key: AsgiClient, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = await exported(key), await exported(bearer("other"))
    assert max(Counter(line["kind"] for line in at_once[0]).values()) < ROWS_AT_ONCE
    for rows in (1, 2, 3):
        monkeypatch.setattr("server.api.exports.ROWS_AT_ONCE", rows)
        assert (await exported(key), await exported(bearer("other"))) == at_once


def exporter(database: Database, directory: Path, rows_max: int = 1_000) -> Exporter:
    return Exporter(
        SaleRecords(database),
        OrderRecords(database),
        ExportRecords(database),
        directory,
        rows_max=rows_max,
        progress=Progress(),
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_the_command_writes_a_file_of_each_table_for_spreadsheets(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database, "demo", "other")
    monkeypatch.setattr(tool, "PIECE", 1)
    counts = await exporter(database, tmp_path).export(None)
    for one in EXPORTED:
        rows = rows_of(tmp_path / one.file)
        assert len(rows) == counts[one.file] == (4 if one.kind == "posting" else 2)
        assert list(rows[0]) == columns_of(one)
    arrival = rows_of(tmp_path / "arrivals.csv")[0]
    assert (arrival["entered_at"], arrival["visible_ms"], arrival["device"]) == (
        "2027-01-15T08:00:00.000Z",
        "61000",
        "device-0",
    )
    assert {row["amount"] for row in rows_of(tmp_path / "postings.csv")} == {"-40", "40"}
    assert rows_of(tmp_path / "coupon_claims.csv")[0]["request_id"] == "'=1+1"
    assert rows_of(tmp_path / "visits.csv")[0]["gone"] == "1"
    assert rows_of(tmp_path / "sanctions.csv")[0]["until"] == ""
    assert rows_of(tmp_path / "ladders.csv")[0]["ends_at"] == str(2**53)  # no calendar's


async def test_a_file_of_a_table_that_is_too_long_is_not_written(
    database: Database, tmp_path: Path
) -> None:
    await fill(database, "demo", "other")
    with pytest.raises(TooManyRows, match=r"shelf_items\.csv: more than 1 rows"):
        await exporter(database, tmp_path, rows_max=1).export(None)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("shelf_items")]
