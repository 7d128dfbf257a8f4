"""The command lines of reconcile, rebuild and export. What they do is imported when one runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

AddCommand = Callable[..., argparse.ArgumentParser]

_JOINS = (
    "\n\nJoins the server that runs on this data directory; if none runs, Redis is started for the"
    "\nduration, and what its streams still hold is written into SQL first."
)


def add_commands(command: AddCommand) -> None:
    """Add the three to a parser; `command(name, summary, more)` gives each its own."""
    reconcile = command(
        "reconcile",
        "compare Redis and the ledger, unit by unit and order by order",
        f"{_JOINS}\nChanges nothing else. Exit code: 0 they agree, 1 they differ, 2 could not be "
        "compared.",
    )
    reconcile.add_argument("--sale", metavar="ID", help="one sale; default: all that run")
    reconcile.add_argument("--json", action="store_true", help="print JSON, one object per sale")
    reconcile.set_defaults(run=_reconcile)

    rebuild = command(
        "rebuild",
        "make a sale in Redis anew from the ledger, under a new epoch; or visits from their record",
        f"{_JOINS}\nThe sale is frozen meanwhile. Says what the ledger holds and what is missing."
        "\nWith --visits: visits, counters, people and devices in SQL are made anew from the record"
        "\nof visits; what happens meanwhile is written after."
        "\nExit code: 0 rebuilt, 1 not.",
    )
    which = rebuild.add_mutually_exclusive_group(required=True)
    which.add_argument("--sale", metavar="ID", help="one sale")
    which.add_argument("--all", action="store_true", help="every running sale that needs it")
    which.add_argument("--visits", action="store_true", help="visits and what is counted of them")
    rebuild.add_argument("--force", action="store_true", help="also a sale that is well")
    rebuild.add_argument("--yes", action="store_true", help="do not ask")
    rebuild.set_defaults(run=_rebuild)

    export = command(
        "export",
        "write everything as CSV files, or the orders, payments, refunds and moves of a sale",
        "\n\nReads SQL only; a server may run. Files that are there are replaced.",
    )
    export.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to")
    export.add_argument("--sale", metavar="ID", help="one sale; default: all")
    export.set_defaults(run=_export)


def _reconcile(options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server.tools import commands

    return commands.reconcile(options, environ)


def _rebuild(options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server.tools import commands

    return commands.rebuild(options, environ)


def _export(options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server.tools import commands

    return commands.export(options, environ)
