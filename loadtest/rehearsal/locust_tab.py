"""A tab of Locust's web page that Locust has no figures for: stock, money and the ledger's lag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from flask import Response, request
from locust.env import Environment

from loadtest.rehearsal.books import Counters, sides
from loadtest.rehearsal.company import CannotRun, Company
from loadtest.rehearsal.outcomes import RESERVED
from loadtest.rehearsal.records import Second, record_of

KEY: Final = "rehearsal-books"
TAIL_BYTES: Final = 131_072  # of the timeline's file; a line is far shorter

Row = dict[str, Any]


def add_tab(environment: Environment, company: Company) -> None:
    """Add it to the web page of this process."""
    web_ui = environment.web_ui
    assert web_ui is not None
    assert web_ui.app is not None
    web_ui.template_args |= {
        "extended_tabs": [{"title": "Stock and books", "key": KEY}],
        "extended_tables": [
            {
                "key": KEY,
                "structure": [
                    {"key": name, "title": title}
                    for name, title in (
                        ("sku", "SKU"),
                        ("initial", "On sale"),
                        ("sold", "Sold (paid)"),
                        ("reserved", "Held"),
                        ("available", "Left"),
                        ("oversold", "Oversold"),
                        ("ledger_sold", "Sold by the ledger"),
                        ("acknowledged", "Orders acknowledged"),
                        ("lag", "Ledger lag"),
                    )
                ],
            }
        ],
    }

    @web_ui.app.after_request
    def extend(response: Response) -> Response:
        if request.path == "/stats/requests" and response.is_json:
            stats = [{"key": KEY, "data": list(rows(company))}]
            response.set_data(json.dumps({**(response.json or {}), "extended_stats": stats}))
        return response


def rows(company: Company) -> Iterator[Row]:
    """A row for each sku, and one for the whole, from the newest look at the server."""
    try:
        second = last_second(company.directory / "timeline.jsonl")
    except CannotRun:
        return
    if second is not None:
        yield from table(second)


def table(second: Second) -> Iterator[Row]:
    try:
        books = sides(second.books)
    except ValueError:
        books = {}
    stock = books.get("redis") or books.get("books") or []
    ledger = {each.sku: each for each in books.get("ledger", ())}
    for each in stock:
        yield _row(each, ledger.get(each.sku)) | {"acknowledged": "", "lag": ""}
    whole = _whole(stock)
    yield _row(whole, _whole(list(ledger.values()))) | {
        "acknowledged": second.outcomes.get(RESERVED, 0),
        "lag": f"{second.lag_entries} entries, {second.lag_ms} ms",
    }


def _row(each: Counters, ledger: Counters | None) -> Row:
    initial = each.initial if each.initial is not None else ""
    taken = each.sold + each.reserved
    return {
        "sku": each.sku,
        "initial": initial,
        "sold": each.sold,
        "reserved": each.reserved,
        "available": each.available,
        "oversold": max(0, taken - each.initial) if each.initial is not None else "",
        "ledger_sold": "" if ledger is None else ledger.sold,
    }


def _whole(counters: list[Counters]) -> Counters:
    initials = [each.initial for each in counters]
    return Counters(
        sku="all",
        initial=None if None in initials else sum(each or 0 for each in initials),
        available=sum(each.available for each in counters),
        reserved=sum(each.reserved for each in counters),
        sold=sum(each.sold for each in counters),
    )


def last_second(path: Path) -> Second | None:
    """The newest whole line of a timeline; None before there is one."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    return record_of(Second, lines[-1].decode()) if lines else None
