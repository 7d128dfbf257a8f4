"""A customer who buys a few times a second through a drill: whether the shop sells, and since when.

Each attempt is what a newcomer does: connect, sign in, buy one unit of a sale of the drill's own,
and ask again with the same request id until it is decided. So each unit is known, and the
books of that sale say whether an acknowledged purchase was lost or taken twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import websocket

from loadtest.rehearsal.http import Api, ApiError
from loadtest.rehearsal.outcomes import RESERVED
from loadtest.rehearsal.stage import CURRENCY, open_sale

EVERY_S: Final = 0.2
LOOK_EVERY_S: Final = 0.05
ATTEMPT_WITHIN_S: Final = 3.0
STEADY: Final = 3  # attempts in a row that succeed, before it counts as recovered
USERS: Final = 10  # who buy in turn, so that nobody reaches a limit
EACH_MAX: Final = 1_000
PRODUCT: Final = "drill"
PRICE_MINOR: Final = 100
HOLD_S: Final = 3_600  # longer than any drill: nothing comes back by itself
_ANSWERS_MAX: Final = 1_000  # messages to look through for one answer


@dataclass(frozen=True, slots=True)
class Attempt:
    """One purchase by the probe, by this machine's clock. `why` it failed, or empty."""

    began_s: float
    done_s: float
    why: str = ""


def recovered_at(attempts: Sequence[Attempt], ended_s: float) -> float | None:
    """When purchases succeeded again for good, not before `ended_s`; None: not yet.

    It takes `STEADY` successes in a row that were begun after the end.
    """
    since = list(attempts)
    for place in range(len(since) - 1, -1, -1):
        if since[place].why:
            since = since[place + 1 :]
            break
    if sum(attempt.began_s >= ended_s for attempt in since) < STEADY:
        return None
    return max(ended_s, since[0].done_s)


def holds(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until it does; False if it does not by then."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


@dataclass(frozen=True, slots=True)
class Stall:
    """A sale of a drill's own, in a room of its own, and who buys there: (user, token)."""

    room: str
    sale: str
    buyers: Sequence[Sequence[str]]

    @classmethod
    def open(cls, shop: Api, name: str, buyers: Sequence[Sequence[str]]) -> Self:
        """Open it in the shadow shop. Raises `ApiError`."""
        goods = {"id": PRODUCT, "title": PRODUCT, "price_minor": PRICE_MINOR}
        try:
            shop.call("POST", "/api/v1/products", goods | {"currency": CURRENCY})
        except ApiError as error:
            if error.status != 409:  # another drill has made it
                raise
        shop.call("POST", "/api/v1/rooms", {"id": name, "title": name})
        stock = len(buyers) * EACH_MAX
        open_sale(shop, name, name, PRODUCT, stock, EACH_MAX, HOLD_S)
        return cls(name, name, buyers)


class Declined(OSError):
    """The shop has decided, and not for a purchase: the same request gets the same answer again."""


class Line:
    """A connection to the shadow shop that asks one thing at a time. A context."""

    def __init__(self, url: str, token: str, within_s: float = ATTEMPT_WITHIN_S) -> None:
        """Connect and sign in. Raises `OSError`, `websocket.WebSocketException`, `ValueError`."""
        self._within_s = within_s
        web: Any = websocket.create_connection(  # untyped in parts
            url, timeout=within_s, suppress_origin=True, http_no_proxy=["*"]
        )
        self._web = web
        self._number = 0
        try:
            self._ask({"connect": {"token": token}})
        except BaseException:
            self._web.shutdown()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._web.shutdown()

    def buy(self, sale: str, request_id: str) -> dict[str, Any]:
        """One unit. Raises as `__init__` does, also when the answer is another than reserved."""
        data = {"sale": sale, "sku": PRODUCT, "qty": 1, "request_id": request_id}
        result = self._ask({"rpc": {"method": "order.place", "data": data}})["rpc"]["data"]
        if result.get("outcome") != RESERVED:
            raise Declined(f"the outcome is {result.get('outcome')}")
        order: dict[str, Any] = result["order"]
        return order

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._web.send(json.dumps({"id": self._number, **command}))
        deadline = time.monotonic() + self._within_s
        for _ in range(_ANSWERS_MAX):
            for text in str(self._web.recv()).splitlines():
                value = json.loads(text)
                if value == {}:
                    self._web.send("{}")
                elif value.get("id") == self._number:
                    if "error" in value:
                        raise OSError(f"error {value['error'].get('code')}")
                    found: dict[str, Any] = value
                    return found
            if time.monotonic() > deadline:
                break
        raise TimeoutError("no answer")


FAILS: Final = (OSError, ValueError, KeyError, websocket.WebSocketException)


class Probe:
    """Buys in a thread of its own, from `start` until `stop`."""

    def __init__(self, websocket_url: str, stall: Stall) -> None:
        self.acknowledged = 0  # purchases that were answered
        self.unanswered = 0  # 1 while nobody knows what became of the newest one
        self._number = 0  # of the request
        self._url = websocket_url
        self._stall = stall
        self._attempts: list[Attempt] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    @property
    def attempts(self) -> list[Attempt]:
        """All so far."""
        return list(self._attempts)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the attempt that is going on. Safe to repeat."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def failed(self, began_s: float, until_s: float) -> int:
        """How many attempts failed that were going on in that time."""
        failed = (each for each in self.attempts if each.why)
        return sum(each.began_s <= until_s and each.done_s >= began_s for each in failed)

    def is_steady(self) -> bool:
        """Whether it buys without trouble just now."""
        newest = self._attempts[-STEADY:]
        return len(newest) == STEADY and not any(each.why for each in newest)

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._ended.is_set():
            self._attempts.append(self._buy())
            due_s = max(due_s + EVERY_S, time.monotonic())
            self._ended.wait(due_s - time.monotonic())

    def _buy(self) -> Attempt:
        """The same purchase as the last time, unless that is decided."""
        stall, number = self._stall, self._number
        _user, token = stall.buyers[number % len(stall.buyers)]
        began_s, why = time.time(), ""
        try:
            with Line(self._url, token) as line:
                line.buy(stall.sale, f"{stall.sale}-{number}")
            self.acknowledged += 1
        except FAILS as error:
            why = str(error) or type(error).__name__
            self.unanswered = int(not isinstance(error, Declined))
        else:
            self.unanswered = 0
        self._number += not self.unanswered
        return Attempt(began_s, time.time(), why)
