"""Viewers who speak: likes and comments, each sent at its intended time; and one who floods.

Every answer is counted, and timed from the instant at which its command was meant to go out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest import frames
from loadtest.buyers import Answers, Asker, Party, Shared
from loadtest.dialects import Centrifuge

OK = Asker.DONE
FLOOD_COMMANDS = 100  # in one write
FLOOD_BUFFER_BYTES = 65_536
_TICK_S = 0.001
_LOOK_S = 0.05


@dataclass(slots=True)
class Speakers(Party):
    """Speakers in one room of one server."""

    speakers: list[Asker] = field(default_factory=list)

    async def enter(self, tokens: list[tuple[str, str]]) -> None:
        """Bring in one for each (user, token). Raises `OSError` if one does not get in."""
        loop = asyncio.get_running_loop()
        for user, token in tokens:
            speaker = Asker(user, Centrifuge(self.room, token), self.shared)
            await loop.create_connection(lambda one=speaker: one, self.host, self.port)  # type: ignore[misc]
            self.speakers.append(speaker)
            self.buyers.append(speaker)
            assert speaker.opened is not None
            await speaker.opened

    async def say(
        self, command: Callable[[int], bytes], count: int, per_s: float, *, within_s: float = 30
    ) -> Answers:
        """Send so many commands, from all in turn; `command` makes one with the id it is given."""
        speakers = self.speakers

        def send(turn: int, due_s: float) -> None:
            number = self.next_id()
            speaker = speakers[turn % len(speakers)]
            speaker.due_s[number] = due_s
            speaker.say(command(number))

        return await self.open_loop(send, count, per_s, within_s)


def like(room: str) -> Callable[[int], bytes]:
    """One like for each command."""
    head = b'{"rpc":{"method":"like.add","data":{"room":"%s","n":1}},"id":' % room.encode()
    return lambda number: b"%s%d}" % (head, number)


def comment(room: str) -> Callable[[int], bytes]:
    """A comment of its own for each command."""
    head = b'{"rpc":{"method":"comment.send","data":{"room":"%s","text":"is it ' % room.encode()
    return lambda number: b'%sin stock, number %d?"}},"id":%d}' % (head, number, number)


class Rude(Asker):
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
