"""One command from its options to its exit code: a server, a shadow shop, the run, the verdict.

Whatever happens, the shadow shop is purged and what was started is ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal import finder, judging, records
from loadtest.rehearsal.children import raise_open_files
from loadtest.rehearsal.director import Rehearsal
from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.generators import LOOPBACK, Load
from loadtest.rehearsal.http import Api, ApiError, address
from loadtest.rehearsal.own_server import own_server
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.progress import Display
from loadtest.rehearsal.report import build
from loadtest.rehearsal.shadow import Shadow
from loadtest.rehearsal.trouble import Trouble

DATA_DIR: Final = "ONAIR_DATA_DIR"
FINDINGS: Final = "findings.json"
PAGE: Final = "report.html"
ENGLISH: Final = "en"

Stopped = Callable[[], str]


def perform(options: argparse.Namespace, plan: Plan | None, stopped: Stopped) -> int:
    """Rehearse as the options say; no plan: that of the run. Raises `Trouble` and `CutShort`."""
    display = Display(sys.stdout)
    raise_open_files()
    with ExitStack() as stack:
        directory = _directory(options.out)
        stack.callback(_forget_empty, directory)
        server = _server(options, directory, stack, display)
        if plan is None:
            shadow = Shadow.attach(server, options.attach)
        else:
            shadow = Shadow.open(server, plan)
        stack.enter_context(_purged(shadow, display, keep=options.keep))
        rehearsal = Rehearsal(shadow, directory, display, _load(options, shadow.plan), stopped)
        rehearsal.run()
        if options.find:
            finder.search(rehearsal)
        findings = judging.judge(directory)
        for language in dict.fromkeys((findings.language, ENGLISH)):
            display.say(findings.sentences[language])
        _publish(findings, shadow, directory, display)
        display.say(f"report: {directory / PAGE}")
    return findings.verdict.exit_code


def _directory(wanted: Path | None) -> Path:
    """The new directory of the run. Raises `Trouble`."""
    if wanted is None:
        home = Path(os.environ.get(DATA_DIR, ".onair")) / "rehearsals"
        wanted = home / time.strftime("%Y%m%d-%H%M%S")
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise Trouble(f"--out: {wanted} is not empty")
    except OSError as error:
        raise Trouble(f"--out: {error}") from None
    return wanted.resolve()


def _forget_empty(directory: Path) -> None:
    """A run that never began leaves no directory behind."""
    with suppress(OSError):
        directory.rmdir()


def _server(
    options: argparse.Namespace, directory: Path, stack: ExitStack, display: Display
) -> Api:
    """The one that runs already, or one of its own. Raises `Trouble`."""
    if not options.against:
        display.say("starting a server for the rehearsal")
        own = stack.enter_context(own_server(directory))
        return Api(own.base_url, own.key)
    try:
        address(options.against)
    except ValueError as error:
        raise Trouble(f"--against: {error}") from None
    return Api(options.against, options.key)


def _load(options: argparse.Namespace, plan: Plan) -> Load:
    return Load(
        workers=options.workers or plan.generator.locust_workers,
        elsewhere=options.expect_workers,
        bind=options.bind if options.expect_workers else LOOPBACK,
        port=options.port,
        web_port=options.web_port if options.web else 0,
    )


@contextmanager
def _purged(shadow: Shadow, display: Display, *, keep: bool) -> Iterator[None]:
    """At the end the shadow shop is closed and emptied, unless it is kept."""
    try:
        yield
    except BaseException as error:
        shadow.gave_up(str(error) or type(error).__name__)
        raise
    finally:
        if keep:
            display.say(f"{shadow.run} stays open: {shadow.shop.base_url}/r/{shadow.run}")
        else:
            try:
                shadow.purge()
            except ApiError as error:
                display.say(f"{shadow.run} is not purged yet: {error}")


def _publish(findings: Findings, shadow: Shadow, directory: Path, display: Display) -> None:
    """Both reports as files beside the run's, and at the server for the desk.

    The findings come first: a page that cannot be made costs the page only.
    """
    earlier = _newest(directory, findings.title) or shadow.previous()
    found = findings.to_json()
    records.write_json(directory / FINDINGS, found)
    _kept(display, lambda: shadow.upload(found))
    page = build(findings, earlier)
    (directory / PAGE).write_text(page, encoding="utf-8")
    _kept(display, lambda: shadow.upload_page(page))


def _kept(display: Display, upload: Callable[[], None]) -> None:
    """Give the server something, or say why it does not keep it."""
    try:
        upload()
    except ApiError as error:
        display.say(f"the server does not keep the report: {error}")


def _newest(directory: Path, title: str) -> Mapping[str, Any] | None:
    """What the last rehearsal of this title found whose directory lies beside this one."""
    found: list[Mapping[str, Any]] = []
    for path in directory.parent.glob(f"*/{FINDINGS}"):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["title"] == title and path.parent != directory:
                found.append(value | {"ended_at_ms": int(value["ended_at_ms"])})
        except (OSError, ValueError, TypeError, KeyError):  # another program's file
            continue
    return max(found, key=lambda value: value["ended_at_ms"], default=None)
