"""One person's WebSocket: signs in, may join the room, asks, and comes back when it is cut off.

A greenlet of its own reads it, answers pings, and connects anew after a loss, with jitter; a room
is resumed where it was left. Instants are Unix microseconds of this machine's clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import gevent
import orjson
import websocket
from gevent.event import AsyncResult, Event

from loadtest.frames import CLOSE, PING, TEXT, FrameReader, FramingError, close_code
from loadtest.rehearsal.users.clock import now_us

OPEN_WITHIN_S: Final = 10.0
ANSWER_WITHIN_S: Final = 10.0  # a little more than the server gives itself to decide
WAITING_MAX: Final = 64  # answers that one connection waits for
READ_BYTES: Final = 65_536
SILENCE_S: Final = 40.0  # without even a ping the connection is taken for lost
RETRY_S: Final = 0.5  # the first pause before coming back is up to so long, then twice, ...
RETRY_S_MAX: Final = 5.0
PONG: Final = "{}"
CONNECT_ID: Final = 1
SUBSCRIBE_ID: Final = 2
FIRST_ID: Final = 3
STAY_AWAY: Final = ((3500, 3999), (4500, 4999))  # close codes after which nobody may come back

Told = Callable[[str, int, int, int, str], None]  # name, intended, begun, done, outcome
Hears = Callable[[dict[str, Any], int], None]  # an event of the room, and when it came


class NoAnswer(Exception):
    """Nothing came back: what was asked for took effect once or not at all. Ask again."""


class Refused(Exception):
    """The server does not let this person in. `outcome` is `error` and the code."""

    def __init__(self, outcome: str, *, for_good: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. `rest` are its bytes after the number of the command."""

    heard_us: int
    rest: bytes

    @property
    def digest(self) -> str:
        """The same for the same bytes."""
        return blake2b(self.rest, digest_size=8).hexdigest()

    def read(self) -> tuple[int, dict[str, Any]]:
        """The error's code, or 0, and the result."""
        value = orjson.loads(b"{" + self.rest)
        error = value.get("error")
        if error is not None:
            return int(error.get("code", 0)) or 100, {}
        return 0, value.get("rpc", {}).get("data") or {}


@dataclass(frozen=True, slots=True)
class Door:
    """Where to connect, and as whom. Without a token one is an anonymous guest."""

    url: str
    token: str = ""
    room: str = ""  # joined, if it is given


class Sockets(Protocol):
    """Whoever counts open connections, and mistakes of the generator's own."""

    sockets: int

    def failed(self, greenlet: object, /) -> None: ...


class Line:
    """A connection that is kept open from `start` until `close`."""

    __slots__ = ("_closed", "_door", "_epoch", "_greenlet", "_heard_us", "_hears", "_next",
                 "_offset", "_opening", "_reader", "_ready", "_sockets", "_told", "_waiting",
                 "_web", "over")  # fmt: skip

    def __init__(
        self, door: Door, *, sockets: Sockets, told: Told, hears: Hears | None = None
    ) -> None:
        self._door = door
        self._sockets = sockets
        self._told = told
        self._hears = hears
        self._web: Any = None
        self._reader = FrameReader()
        self._ready = Event()
        self._waiting: dict[int, AsyncResult] = {}
        self._next = FIRST_ID
        self._heard_us = 0  # anything at all
        self._opening = 0  # answers to the opening that are still to come
        self._offset: int | None = None
        self._epoch = ""
        self._greenlet: Any = None
        self._closed = False
        self.over = False  # the server said to stay away

    # for its person

    def start(self, intended_us: int) -> None:
        """Connect now; it was meant to be at `intended_us`. Does not wait."""
        self._greenlet = gevent.spawn(self._live, intended_us)
        self._greenlet.link_exception(self._sockets.failed)

    def is_ready(self, within_s: float) -> bool:
        """Wait until the connection is open; False if it is not in time."""
        return bool(self._ready.wait(within_s))

    def ask(self, method: str, data: bytes, within_s: float = ANSWER_WITHIN_S) -> Answer:
        """One procedure; `data` is its JSON. Raises `NoAnswer`."""
        if self.over or not self._ready.wait(within_s):
            raise NoAnswer("not connected")
        if len(self._waiting) >= WAITING_MAX:
            raise NoAnswer(f"{WAITING_MAX} answers are waited for already")
        number, self._next = self._next, self._next + 1
        waiting = self._waiting[number] = AsyncResult()
        try:
            self._say(
                b'{"id":%d,"rpc":{"method":"%s","data":%s}}' % (number, method.encode(), data)
            )
            answer: Answer = waiting.get(timeout=within_s)
        except (OSError, websocket.WebSocketException) as error:
            raise NoAnswer(str(error)) from None
        except gevent.Timeout:
            self._doubt(within_s)
            raise NoAnswer(f"none within {within_s:g} s") from None
        finally:
            self._waiting.pop(number, None)
        return answer

    def close(self) -> None:
        """Leave. Safe to repeat; whoever waits for an answer gets none."""
        self._closed = True
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        self._hang_up("closed")

    # its greenlet

    def _live(self, intended_us: int) -> None:
        name, pause_s = "connect", RETRY_S
        while True:
            begun_us, was_open, outcome = now_us(), False, "unknown"
            try:
                self._open()
                self._read_opening()
                was_open = True
                self._told(name, intended_us, begun_us, now_us(), "ok")
                self._read()
            except Refused as refused:
                outcome, self.over = refused.outcome, refused.for_good
            except (OSError, websocket.WebSocketException, FramingError, ValueError):
                pass
            self._hang_up("the connection was lost")
            if self._closed:
                return
            if was_open:
                name, pause_s = "reconnect", RETRY_S
            if not was_open or self.over:
                self._told(name, intended_us, begun_us, now_us(), outcome)
            if self.over:
                return
            intended_us = now_us() + int(random.uniform(0, pause_s) * 1_000_000)
            pause_s = min(RETRY_S_MAX, pause_s * 2)
            gevent.sleep(max(0, intended_us - now_us()) / 1_000_000)

    def _open(self) -> None:
        try:
            self._web = websocket.create_connection(
                self._door.url, timeout=OPEN_WITHIN_S, suppress_origin=True
            )
        except websocket.WebSocketBadStatusException as error:
            raise Refused(f"error {error.status_code}") from None
        self._sockets.sockets += 1
        connect = {"token": self._door.token} if self._door.token else {}
        lines = [orjson.dumps({"id": CONNECT_ID, "connect": connect})]
        if self._door.room:
            subscribe: dict[str, Any] = {"channel": f"room:{self._door.room}"}
            if self._offset is not None:
                subscribe |= {"recover": True, "offset": self._offset, "epoch": self._epoch}
            lines.append(orjson.dumps({"id": SUBSCRIBE_ID, "subscribe": subscribe}))
        self._opening = len(lines)
        self._say(b"\n".join(lines))

    def _read_opening(self) -> None:
        """Until the server has let us in. Raises `Refused`."""
        self._reader = FrameReader()
        while self._opening:
            self._take(self._web.sock.recv(READ_BYTES))
        self._web.sock.settimeout(SILENCE_S)
        self._ready.set()

    def _read(self) -> None:
        receive = self._web.sock.recv
        while True:
            self._take(receive(READ_BYTES))

    def _take(self, data: bytes) -> None:
        heard_us = self._heard_us = now_us()
        if not data:
            raise ConnectionError("the server closed the connection")
        for opcode, payload in self._reader.feed(data):
            if opcode == TEXT:
                for line in payload.split(b"\n"):
                    self._hear(line, heard_us)
            elif opcode == PING:
                self._web.pong(payload)
            elif opcode == CLOSE:
                code, reason = close_code(payload)
                for_good = any(least <= code <= most for least, most in STAY_AWAY)
                if for_good:
                    raise Refused(f"error {code}", for_good=True)
                raise ConnectionError(reason)

    def _hear(self, line: bytes, heard_us: int) -> None:
        if line == b"{}":
            self._say(PONG)
        elif line.startswith(b'{"id":'):
            comma = line.find(b",")
            number = int(line[6:comma])
            if number < FIRST_ID:
                self._enter(orjson.loads(line))
                return
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                waiting.set(Answer(heard_us, line[comma + 1 :]))
        elif self._hears is not None and line:
            publication = orjson.loads(line).get("push", {}).get("pub")
            if publication is not None:
                self._heard(publication, heard_us)

    def _enter(self, reply: dict[str, Any]) -> None:
        """One answer to the opening. What a resumed room brings is late for a reason: not told."""
        error = reply.get("error")
        if error is not None:
            raise Refused(f"error {error.get('code')}")
        self._opening -= 1
        joined = reply.get("subscribe")
        if joined is None:
            return
        self._epoch = joined.get("epoch", "")
        if not joined.get("recovered"):
            self._offset = joined.get("offset", 0)
        for publication in joined.get("publications") or ():
            self._offset = publication.get("offset") or self._offset

    def _heard(self, publication: dict[str, Any], heard_us: int) -> None:
        offset = publication.get("offset", 0)
        if offset:
            self._offset = offset
        data = publication.get("data")
        if self._hears is not None and isinstance(data, dict):
            self._hears(data, heard_us)

    def _doubt(self, silent_s: float) -> None:
        """No answer came: if nothing else did, the network is cut, and only a new line can help."""
        if self._web is not None and now_us() - self._heard_us > silent_s * 900_000:
            self._web.shutdown()

    def _say(self, text: bytes | str) -> None:
        if self._web is None:
            raise ConnectionError("not connected")
        self._web.send(text)

    def _hang_up(self, why: str) -> None:
        self._ready.clear()
        web, self._web = self._web, None
        if web is not None:
            self._sockets.sockets -= 1
            web.shutdown()
        lost = ConnectionError(why)
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.set_exception(lost)
