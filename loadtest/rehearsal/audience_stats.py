"""The silent audience in Locust's statistics and on its page, from what its processes show.

Audiences are processes of their own; each rewrites its `WHO.live.json` every second. Here it is
read and told to Locust as pushes (`WSR`) and connects (`WS`). A busy second is thinned out: this
shows, and proves nothing; what proves something is in the samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Response, request
from locust.env import Environment

LIVE: Final = "audience-*.live.json"
LOOK_S: Final = 1.0
KEY: Final = "rehearsal-audience"
STATISTICS: Final = "/stats/requests"
COLUMNS: Final = (
    ("who", "Process"),
    ("viewers", "Viewers"),
    ("events", "Events/s"),
    ("bytes", "Bytes/s"),
    ("errors", "Turned away"),
    ("skips", "Gaps"),
    ("behind", "Behind"),
    ("witnesses", "Witnesses"),
    ("missing", "Missed"),
    ("repeated", "Repeated"),
    ("disorder", "Out of order"),
    ("resumed", "Resumed"),
    ("slow", "Slow readers"),
    ("cpu_share", "CPU of a core"),
    ("lag_ms", "Lag (ms)"),
)

Row = dict[str, Any]


class Refused(Exception):
    """What Locust's statistics show as a failure."""


def follow(environment: Environment, directory: Path) -> None:
    """Tell Locust of the audiences of this run for as long as the process lives."""
    gevent.spawn(_follow, environment, directory)
    if environment.web_ui is not None:
        add_tab(environment, directory)


def add_tab(environment: Environment, directory: Path) -> None:
    """A table of the audiences beside the other tabs; call it after those were added."""
    web_ui = environment.web_ui
    assert web_ui is not None
    assert web_ui.app is not None
    shown: dict[str, Any] = dict(web_ui.template_args)
    columns = [{"key": name, "title": title} for name, title in COLUMNS]
    tab, table = {"title": "Audience", "key": KEY}, {"key": KEY, "structure": columns}
    web_ui.template_args |= {
        "extended_tabs": [*(shown.get("extended_tabs") or ()), tab],
        "extended_tables": [*(shown.get("extended_tables") or ()), table],
    }

    def extend(response: Response) -> Response:
        if request.path == STATISTICS and response.is_json:
            value = dict(response.json or {})
            others = value.get("extended_stats") or ()
            own = {"key": KEY, "data": list(rows(directory))}
            response.set_data(json.dumps({**value, "extended_stats": [*others, own]}))
        return response

    # the last one to be called, for others may write the list anew
    web_ui.app.after_request_funcs.setdefault(None, []).insert(0, extend)


def rows(directory: Path) -> Iterator[Row]:
    """A row for each audience, as it is now."""
    for live in shown_by(directory):
        values = {**live.get("heard", {}), **live}
        yield {name: values.get(name, "") for name, _title in COLUMNS}


class Seen:
    """Which seconds of which audience have been told already."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def fresh(self, live: dict[str, Any]) -> list[dict[str, Any]]:
        """The seconds that were not told before, in order."""
        who = str(live.get("who", ""))
        last = self._last.get(who, 0)
        found = [each for each in live.get("seconds", ()) if each["number"] > last]
        if found:
            self._last[who] = found[-1]["number"]
        return found


def requests_of(second: dict[str, Any]) -> Iterator[tuple[str, str, float, str]]:
    """(type, name, milliseconds, why it failed or nothing) of one second of an audience."""
    for name, took_ms in second.get("pushes", {}).items():
        for each in took_ms:
            yield "WSR", f"{name} (audience)", each, ""
    for each in second.get("connects", ()):
        yield "WS", "connect (audience)", each, ""
    for outcome in second.get("refused", ()):
        yield "WS", "connect (audience)", 0.0, outcome


def shown_by(directory: Path) -> Iterator[dict[str, Any]]:
    """What each audience shows now."""
    for path in sorted(directory.glob(LIVE)):
        with suppress(OSError, ValueError):
            live = json.loads(path.read_bytes())
            if isinstance(live, dict):
                yield live


def _follow(environment: Environment, directory: Path) -> None:
    seen = Seen()
    while True:
        for live in shown_by(directory):
            for second in seen.fresh(live):
                for kind, name, took_ms, why in requests_of(second):
                    environment.events.request.fire(  # type: ignore[no-untyped-call]
                        request_type=kind,
                        name=name,
                        response_time=took_ms,
                        response_length=0,
                        exception=Refused(why) if why else None,
                        context={},
                    )
        gevent.sleep(LOOK_S)
