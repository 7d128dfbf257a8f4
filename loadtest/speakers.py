"""Viewers who speak: likes and comments, each sent at its intended time; and one who floods.

Every answer is counted, and timed from the instant at which its command was meant to go out.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from loadtest import frames
from loadtest.buyers import Answers, Buyer, Party, Shared
from loadtest.dialects import Centrifuge
from loadtest.samples import Spread
from loadtest.waiting import until

OK = "ok"
FLOOD_COMMANDS = 100  # in one write
FLOOD_BUFFER_BYTES = 65_536
_TICK_S = 0.001
_ALREADY_S = 0.01
_LOOK_S = 0.05


class Speaker(Buyer):
    """One connection; an answer is `ok` or an error's code."""

    __slots__ = ()

    def _answered(self, line: bytes) -> None:
        due_s = self.due_s.pop(int(line[6 : line.index(b",")]), None)
        if due_s is None:
            return
        self.samples_ms.append((time.perf_counter() - due_s) * 1000)
        error = orjson.loads(line).get("error") if b'"error"' in line else None
        self.outcomes[OK if error is None else f"error {error.get('code')}"] += 1


@dataclass(slots=True)
class Speakers(Party):
    """Speakers in one room of one server."""

    speakers: list[Speaker] = field(default_factory=list)

    async def enter(self, tokens: list[tuple[str, str]]) -> None:
        """Bring in one for each (user, token). Raises `OSError` if one does not get in."""
        loop = asyncio.get_running_loop()
        for user, token in tokens:
            speaker = Speaker(user, Centrifuge(self.room, token), self.shared)
            await loop.create_connection(lambda one=speaker: one, self.host, self.port)  # type: ignore[misc]
            self.speakers.append(speaker)
            self.buyers.append(speaker)
            assert speaker.opened is not None
            await speaker.opened

    async def say(
        self, command: Callable[[int], bytes], count: int, per_s: float, *, within_s: float = 30
    ) -> Answers:
        """Send so many commands, from all in turn; `command` makes one with the id it is given."""
        self.shared.outcomes.clear()
        del self.shared.samples_ms[:]
        behind_ms = array("d")
        began, sent, speakers = time.perf_counter() + _ALREADY_S, 0, self.speakers
        while sent < count:
            now = time.perf_counter()
            due = min(count, int((now - began) * per_s) + 1) if now >= began else 0
            while sent < due:
                due_s = began + sent / per_s
                behind_ms.append(max(0.0, time.perf_counter() - due_s) * 1000)
                number = self._next_id
                self._next_id += 1
                speaker = speakers[sent % len(speakers)]
                speaker.due_s[number] = due_s
                speaker.say(command(number))
                sent += 1
            await asyncio.sleep(_TICK_S)
        await until(lambda: len(self.shared.samples_ms) >= count, within_s)
        return Answers(
            sent=count,
            outcomes=dict(self.shared.outcomes),
            unanswered=count - len(self.shared.samples_ms),
            seconds=time.perf_counter() - began,
            late_ms=Spread.of(self.shared.samples_ms),
            behind_ms=Spread.of(behind_ms),
        )


def like(room: str) -> Callable[[int], bytes]:
    """One like for each command."""
    head = b'{"rpc":{"method":"like.add","data":{"room":"%s","n":1}},"id":' % room.encode()
    return lambda number: b"%s%d}" % (head, number)


def comment(room: str) -> Callable[[int], bytes]:
    """A comment of its own for each command."""
    head = b'{"rpc":{"method":"comment.send","data":{"room":"%s","text":"is it ' % room.encode()
    return lambda number: b'%sin stock, number %d?"}},"id":%d}' % (head, number, number)


class Rude(Speaker):
    """A connection that is written to without end, and takes no notice of being closed."""

    __slots__ = ()

    @property
    def waiting_bytes(self) -> int:
        """What the server has not taken off its hands; -1: the connection is gone."""
        return -1 if self._transport is None else self._transport.get_write_buffer_size()

    def throw(self, wire: bytes) -> None:
        """Send finished frames."""
        if self._transport is not None:
            self._transport.write(wire)


@dataclass(slots=True)
class Flood:
    """One viewer who sends likes as fast as they are taken off its hands, and is back at once when
    its connection is gone."""

    port: int
    room: str
    host: str = "127.0.0.1"
    sent: int = 0  # commands
    connections: int = 0

    async def pour(self, seconds: float) -> None:
        """Go on for so long, whatever the server does."""
        loop, until_s = asyncio.get_running_loop(), time.perf_counter() + seconds
        make = like(self.room)
        block = b"".join(
            frames.client_frame(make(number), mask=frames.NO_MASK)
            for number in range(10, 10 + FLOOD_COMMANDS)
        )
        while time.perf_counter() < until_s:
            rude = Rude("", Centrifuge(self.room), Shared(), self.host)
            opened = rude.opened
            assert opened is not None
            try:
                await loop.create_connection(lambda one=rude: one, self.host, self.port)  # type: ignore[misc]
                await opened
            except OSError:
                await asyncio.sleep(_LOOK_S)
                continue
            self.connections += 1
            while time.perf_counter() < until_s and rude.waiting_bytes >= 0:
                if rude.waiting_bytes < FLOOD_BUFFER_BYTES:
                    rude.throw(block)
                    self.sent += FLOOD_COMMANDS
                await asyncio.sleep(_TICK_S)
            rude.leave()
