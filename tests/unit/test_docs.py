"""The documents name every setting, event, procedure and code that the server has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from server.csv_rows import ORDER_COLUMNS
from server.database.exported_tables import EXPORTED, IN_RECORDS, LEFT_OUT
from server.replies import Close, Closing, Unsubscribed
from server.settings import _PARSERS, Limits
from server.tools.export import MOVE_COLUMNS, PAYMENT_COLUMNS, REFUND_COLUMNS, columns_of

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs/PROTOCOL.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text("utf-8")
SOURCES = {path: path.read_text("utf-8") for path in (ROOT / "server").glob("*.py")}


def test_every_setting_is_in_operations() -> None:
    missing = [name for name in _PARSERS if f"`ONAIR_{name.upper()}`" not in OPERATIONS]
    assert missing == []


def test_every_limit_is_in_operations_with_its_default() -> None:
    missing = [
        f"{spec.name} {spec.default}"
        for spec in fields(Limits)
        if f"`{spec.name}` {spec.default}" not in OPERATIONS
    ]
    assert missing == []


def test_every_procedure_is_in_the_protocol() -> None:
    methods = {
        name for text in SOURCES.values() for name in re.findall(r'"([a-z]+\.[a-z]+)": Rpc\(', text)
    }
    assert len(methods) >= 12
    assert {name for name in methods if f"| `{name}` |" not in PROTOCOL} == set()


def test_every_event_is_in_the_protocol() -> None:
    events = set()
    for text in SOURCES.values():
        events |= set(re.findall(r'state_event\(\s*"([a-z.]+)"', text))
        events |= set(re.findall(r'"t": ?"([a-z.]+)"', text))
        events |= set(re.findall(r'\{"t":"([a-z.]+)"', text))
    assert {"product.pinned", "comment", "likes", "moderation"} <= events
    assert {name for name in events if f"`{name}`" not in PROTOCOL} == set()


@pytest.mark.parametrize("table", [Closing, Unsubscribed])
def test_every_close_code_is_in_the_protocol_and_has_a_reason(table: type) -> None:
    closes = [value for value in vars(table).values() if isinstance(value, Close)]
    assert closes
    for close in closes:
        assert f"{close.code} {close.reason}" in PROTOCOL, close
        assert close.reason
        assert len(close.reason.encode()) <= 123
        assert close.reason[0] not in '{["0123456789'


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_column_of_an_export_is_in_operations() -> None:
    for file, columns in (
        ("orders.csv", ORDER_COLUMNS),
        ("payments.csv", PAYMENT_COLUMNS),
        ("refunds.csv", REFUND_COLUMNS),
        ("moves.csv", MOVE_COLUMNS),
        *((one.file, columns_of(one)) for one in EXPORTED),
    ):
        row = next(line for line in OPERATIONS.splitlines() if line.startswith(f"| `{file}` |"))
        assert [name for name in columns if f"`{name}`" not in row] == [], file


def test_every_kind_of_an_export_and_every_table_left_out_is_named() -> None:
    guide = (ROOT / "docs" / "API.md").read_text("utf-8")
    kinds = [*(one.kind for one in EXPORTED), *IN_RECORDS.values()]
    assert [kind for kind in kinds if f"`{kind}`" not in guide] == []
    assert [table for table in LEFT_OUT if f"`{table}`" not in OPERATIONS] == []
