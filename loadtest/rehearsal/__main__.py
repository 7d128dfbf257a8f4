"""The command `onair rehearse`: a plan in, one sentence out, and an exit code that says it too.

0: GO. 1: NO-GO, or something to mend, as one line. 2: void or stopped: nothing was proved, or the
command line was wrong. Only a bug shows a traceback.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from loadtest.rehearsal.plan import BadPlan
from loadtest.rehearsal.shipped import SHIPPED, find, read
from loadtest.rehearsal.trouble import CutShort, Trouble

KEY: Final = "REHEARSAL_KEY"
STOPPED_CODE: Final = 2
WEB_PORT: Final = 8089
LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_EPILOG: Final = f"""\
Exit code: 0 GO, 1 NO-GO or something to mend, 2 void or stopped (nothing was proved).

Without --against a server is started for it, on a data directory of its own, and ended. It works
as ONAIR_WORKERS, ONAIR_LEDGER_WORKERS and ONAIR_DURABILITY say; no other setting is taken over.
With --against the rehearsal runs beside the real shop, in a shadow of it: other stores, other
secrets. What is measured is that machine, so its real viewers feel it.

  onair rehearse                                     the plan `default`, on this machine
  onair rehearse --plan big-day --show > mine.toml   begin a plan of your own
  onair rehearse --plan mine.toml --against https://shop.example.com
  onair rehearse --join 192.168.1.10                 on each more load machine

Shipped plans: {", ".join(SHIPPED)}. The runbook is docs/REHEARSAL.md.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    os.umask(0o077)  # the files of a run hold keys and tokens
    try:
        if options.show:
            print(find(options.plan).read_text(encoding="utf-8"), end="")
            return 0
        if importlib.util.find_spec("locust") is None:
            raise Trouble("Locust is not installed: `make setup`, or pip install 'onair[loadtest]'")
        return _rehearse(options)
    except (BadPlan, Trouble) as error:
        print(f"onair: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except (CutShort, OSError) as error:  # such as a full disk
        print(f"onair: {error}; nothing was proved", file=sys.stderr)
        return STOPPED_CODE


def _rehearse(options: argparse.Namespace) -> int:
    plan = None if options.join or options.attach else read(options.plan, options.seed)
    stops = Stops()
    from loadtest.rehearsal import joining, performance  # what they need takes seconds to import

    if options.join:
        return joining.join(options.join, options.port, options.workers or 1, stops)
    return performance.perform(options, plan, stops)


class Stops:
    """Ctrl-C and SIGTERM, remembered: a rehearsal ends in order, and leaves nothing behind.

    A second one does not wait until the rehearsal looks: what was begun is ended all the same.
    """

    def __init__(self) -> None:
        self._name = ""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._heard)

    def __call__(self) -> str:
        """Which one came, or nothing."""
        return self._name

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self._name:
            raise CutShort(f"stopped by {self._name}, twice")
        self._name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onair rehearse",
        description="Rehearse the big day: the load of a plan against a shadow shop, the books "
        "afterwards, and a verdict with its proof.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--plan",
        default="default",
        metavar="FILE",
        help="what is promised: a TOML file or the name of a shipped plan; default: default",
    )
    add("--show", action="store_true", help="print the plan's file, and do nothing else")
    add("--seed", type=int, metavar="N", help="who does what and when; default: as the plan says")
    add("--out", type=Path, metavar="DIR", help="for the report; default: .onair/rehearsals/...")
    add("--find", action="store_true", help="afterwards raise the load in steps to the knee")

    server = parser.add_argument_group("a server that runs already")
    add = server.add_argument
    add("--against", metavar="URL", help="rehearse there, beside the real shop")
    add("--key", help=f"its API key; default: the variable {KEY}, which `ps` does not show")
    add("--keep", action="store_true", help="leave the shadow shop open, to look at it")
    add("--attach", metavar="RUN", help="drive a rehearsal that is open; its key is the run's")

    load = parser.add_argument_group("who makes the load")
    add = load.add_argument
    add("--workers", type=int, metavar="N", help="Locust processes here; default: as in the plan")
    add("--expect-workers", type=int, default=0, metavar="N", help="and so many elsewhere")
    add("--bind", default="0.0.0.0", metavar="ADDRESS", help="where those find this machine")
    add("--port", type=int, default=0, help="and at which port; default: 5557")
    add("--join", metavar="HOST", help="make load for the rehearsal that HOST directs")
    add("--web", action="store_true", help="show Locust's own page, with a tab of the sale")
    add("--web-port", type=int, default=WEB_PORT, metavar="PORT", help=f"default: {WEB_PORT}")
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What argparse cannot say. Ends with exit code 2 and one line."""
    options.key = options.key or os.environ.pop(KEY, "")
    if options.against and not options.key:
        parser.error(f"--against: the server's API key is needed, by --key or {KEY}")
    if options.keep and not options.against:
        parser.error("--keep: only with --against; a server of its own ends with the rehearsal")
    if options.attach and not options.against:
        parser.error("--attach: needs --against")
    if options.expect_workers > 0 and not options.against and options.bind not in LOCAL:
        parser.error("--expect-workers: other machines need a server that they reach: --against")
    if (options.workers or 1) < 1 or options.workers == 0 or options.expect_workers < 0:
        parser.error("--workers: at least 1; --expect-workers: at least 0")


if __name__ == "__main__":
    sys.exit(main())
