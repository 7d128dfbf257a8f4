"""The shadow shop as a rehearsal uses it: opened, looked at, told how far it is, and purged.

Blocking calls of the API of rehearsals. The key of a run opens nothing but this run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from loadtest.rehearsal.http import Api, ApiError
from loadtest.rehearsal.plan import BadPlan, Plan
from loadtest.rehearsal.trouble import Trouble

OPEN_WITHIN_S: Final = 90.0
PURGE_WITHIN_S: Final = 60.0
LOOK_WITHIN_S: Final = 2.0
UPLOAD_WITHIN_S: Final = 30.0
WHY_CHARS_MAX: Final = 500
TOKENS_A_CALL: Final = 5_000
RUNS: Final = "/api/v1/rehearsals"


@dataclass(frozen=True, slots=True)
class Shadow:
    """One rehearsal on a server: `api` has the run's key, `server` the one that opened it.

    `shop` is the API of the shadow shop.
    """

    run: str
    plan: Plan
    server: Api
    api: Api
    shop: Api

    @classmethod
    def open(cls, server: Api, plan: Plan) -> Self:
        """Open a shadow shop there. Raises `Trouble` with what the server says against it."""
        body = {"title": plan.title, "plan": plan.to_json(), "drive": False}
        try:
            made = server.call("POST", RUNS, body, within_s=OPEN_WITHIN_S)
        except ApiError as error:
            raise Trouble(_why_not(server, error)) from None
        base_url = server.base_url.rstrip("/")
        return cls(
            run=made["id"],
            plan=plan,
            server=server,
            api=Api(base_url, made["key"]),
            shop=Api(base_url + made["base"], made["key"]),
        )

    @classmethod
    def attach(cls, server: Api, run: str) -> Self:
        """One that is open already; `server` has its key. Raises `Trouble`."""
        try:
            found = server.call("GET", f"{RUNS}/{run}")
            plan = Plan.from_json(found["plan"])
        except (ApiError, BadPlan) as error:
            raise Trouble(f"{run}: {error}") from None
        shop = Api(server.base_url.rstrip("/") + found["base"], server.key)
        return cls(run, plan, server, server, shop)

    @property
    def websocket_url(self) -> str:
        scheme, _, rest = self.shop.base_url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/connection/websocket"

    def tokens(self, first: int, count: int, role: str = "viewer") -> list[list[str]]:
        """(user, token) of so many people, the first of them number `first` (from 1)."""
        made: list[list[str]] = []
        while len(made) < count:
            body = {"first": first + len(made), "count": min(TOKENS_A_CALL, count - len(made))}
            answer = self._call("POST", "tokens", body | {"role": role}, within_s=UPLOAD_WITHIN_S)
            made += answer["tokens"]
        return made

    def look(self) -> dict[str, Any]:
        """What the server says of itself now."""
        found: dict[str, Any] = self._call("GET", "observed", within_s=LOOK_WITHIN_S)
        return found

    def told(self, progress: Mapping[str, Any]) -> bool:
        """Tell how far it is. True: somebody at the desk wants it to stop."""
        answer = self._call("PUT", "progress", progress, within_s=LOOK_WITHIN_S)
        return bool((answer or {}).get("stop"))

    def gave_up(self, why: str) -> None:
        """Tell, if the server can be reached, that there will be no verdict."""
        told = {"phase": "failed", "at_ms": time.time_ns() // 1_000_000}
        with suppress(ApiError):
            self.told(told | {"why": " ".join(why.split())[:WHY_CHARS_MAX]})

    def upload(self, findings: Mapping[str, Any]) -> None:
        """Give the server the findings: with them the rehearsal is done."""
        self._call("PUT", "report", findings, within_s=UPLOAD_WITHIN_S)

    def upload_page(self, page: str) -> None:
        """Give the server the report for people, to be read at the desk."""
        path = f"{RUNS}/{self.run}/report.html"
        self.api.send("PUT", path, page.encode(), "text/html", within_s=UPLOAD_WITHIN_S)

    def purge(self) -> None:
        """Close the shadow shop and remove all that it holds; safe to repeat."""
        self._call("DELETE", "data", within_s=PURGE_WITHIN_S)

    def previous(self) -> Mapping[str, Any] | None:
        """What the newest other rehearsal of this title found, as far as the server keeps it."""
        try:
            for one in self.server.call("GET", RUNS)["rehearsals"]:
                is_other = one["id"] != self.run and one["plan"].get("title") == self.plan.title
                if is_other and "json" in one["reports"]:
                    found: Mapping[str, Any] = self.server.call("GET", f"{RUNS}/{one['id']}/report")
                    return found
        except ApiError:  # the key of a run opens no history
            return None
        return None

    def _call(self, method: str, what: str, body: object = None, *, within_s: float) -> Any:
        return self.api.call(method, f"{RUNS}/{self.run}/{what}", body, within_s=within_s)


def _why_not(server: Api, error: ApiError) -> str:
    """What to tell whoever wanted to rehearse."""
    if error.status in (401, 403):
        return f"{server.base_url}: the key is not this server's API key; `onair key` prints it"
    if error.status == 404:
        return f"{server.base_url}: this is no onair server that knows rehearsals"
    return str(error)
