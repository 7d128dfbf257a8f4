"""What comes in over the connections of one worker: rated, handled in order, in fair turns.

Commands of one connection are handled strictly in order. One that has to wait holds back the
next ones of its own connection and nobody else's; only while it waits is there a task for it, and
none if it waits for a future that somebody else completes. A connection that sends more at once
than a turn takes is read no further until the others had theirs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from server.codec import PONG, Command, Malformed, Method
from server.codec.wire_frames import codec_of
from server.endings import end_tasks
from server.handlers import Handler, Promised, Reply
from server.rates import Rate
from server.replies import (
    Close,
    Closing,
    Fatal,
    Refused,
    internal,
    not_available,
    too_many_requests,
)
from server.settings import Limits
from server.viewer import Viewer

if TYPE_CHECKING:
    from server.gateway import Counts

_LOG = logging.getLogger("onair.gateway")


class Inbound:
    """One per worker; `handle` says who answers which command."""

    def __init__(self, limits: Limits, counts: Counts) -> None:
        self._limits = limits
        self._counts = counts
        self._rate = Rate(limits.commands_per_s, limits.commands_burst)
        self._user_rate = Rate(limits.user_commands_per_s, limits.user_commands_burst)
        self._errors_rate = Rate(limits.errors_per_s, limits.errors_burst)
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[Method, Handler] = {}

    def handle(self, handlers: dict[Method, Handler]) -> None:
        """Let these answer their commands; each command has one handler."""
        assert not self._handlers.keys() & handlers.keys()
        self._handlers.update(handlers)

    async def close(self) -> None:
        """Let go of commands that still wait for a store."""
        await end_tasks(self._tasks)

    # messages

    def received(self, viewer: Viewer, messages: list[bytes]) -> None:
        """What one read brought. UnicodeDecodeError: the bytes of a message are not UTF-8."""
        commands: list[Command] = []
        decode = codec_of(viewer.encoding).decode
        for message in messages:
            try:
                commands += decode(message)
            except Malformed:
                self._take(viewer, commands)
                if not viewer.ignoring and not viewer.closing:
                    message.decode()  # broken UTF-8 has a close code of its own, RFC 6455 8.1
                    viewer.close(Closing.BAD_REQUEST)
                return
        self._take(viewer, commands)

    def _take(self, viewer: Viewer, commands: list[Command]) -> None:
        if viewer.backlog is None:
            self._run(viewer, deque(commands))
        elif not viewer.ignoring:
            viewer.backlog.extend(self._commands_only(viewer, commands))

    def is_behind(self, viewer: Viewer) -> bool:
        """Whether so much waits for a connection's turn that no more is read from it."""
        most = self._limits.viewer_backlog_commands_max
        return viewer.backlog is not None and len(viewer.backlog) > most

    def rest(self, viewer: Viewer) -> None:
        """It had its turn: the next comes when all others that have sent something had theirs."""
        if not viewer.resting and not viewer.transport.is_closing():
            viewer.resting = True
            viewer.transport.pause_reading()
            self._counts.rests += 1
            asyncio.get_running_loop().call_soon(self._next_turn, viewer)

    def _next_turn(self, viewer: Viewer) -> None:
        viewer.resting = False
        if not viewer.waits:
            self._go_on(viewer)
        else:
            viewer.read_on()

    def _commands_only(self, viewer: Viewer, commands: list[Command]) -> Iterator[Command]:
        """Pongs are taken at once: they must not wait behind a command that waits for Redis."""
        for command in commands:
            if command is PONG:
                self._pong(viewer)
            else:
                yield command

    # commands

    def _run(self, viewer: Viewer, queue: deque[Command]) -> None:
        """Handle a turn's commands, or those until one has to wait; replies share one frame."""
        replies: list[bytes] = []
        left = self._limits.commands_per_turn
        while queue and not viewer.closing and not viewer.ignoring:
            if not left:
                viewer.backlog = queue
                self.rest(viewer)
                break
            left -= 1
            command = queue.popleft()
            answer = self._answer(viewer, command)
            if isinstance(answer, bytes):
                replies.append(answer)
            elif isinstance(answer, Close):
                viewer.send(replies)
                viewer.close(answer)
                return
            elif answer is not None:
                viewer.send(replies)
                viewer.backlog, viewer.waits = queue, True
                if isinstance(answer, Promised):
                    arrived = partial(self._arrived, viewer, command, answer)
                    answer.future.add_done_callback(arrived)
                else:
                    self._spawn(self._wait(viewer, command, answer))
                return
        viewer.send(replies)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, viewer: Viewer, command: Command, answer: Awaitable[Reply]) -> None:
        reply: Reply | Close
        try:
            reply = await answer
        except Exception as error:
            reply = self._failed(viewer, command, error)
        self._answered(viewer, reply)

    def _arrived(
        self, viewer: Viewer, command: Command, promised: Promised, future: asyncio.Future[Any]
    ) -> None:
        if future.cancelled():  # the worker ends
            return
        reply: Reply | Close
        try:
            reply = promised.reply(future)
        except Exception as error:
            reply = self._failed(viewer, command, error)
        self._answered(viewer, reply)

    def _failed(self, viewer: Viewer, command: Command, error: Exception) -> Reply | Close:
        if isinstance(error, Refused):
            return self._refuse(viewer, command, error)
        if isinstance(error, Fatal):
            return error.close
        _LOG.error("%s of connection %s failed", command.method, viewer.client_id, exc_info=error)
        return self._refuse(viewer, command, internal())

    def _answered(self, viewer: Viewer, reply: Reply | Close) -> None:
        """A command that waited is answered: now those behind it."""
        viewer.waits = False
        if isinstance(reply, Close):
            viewer.close(reply)
        elif reply is not None:
            viewer.send([reply])
        self._go_on(viewer)

    def _go_on(self, viewer: Viewer) -> None:
        waiting, viewer.backlog = viewer.backlog, None
        try:
            if waiting and not viewer.closing:
                self._run(viewer, waiting)
        except Exception:
            viewer.failed()
        if not viewer.resting:
            viewer.read_on()

    def _answer(
        self, viewer: Viewer, command: Command
    ) -> Reply | Close | Promised | Awaitable[Reply]:
        if command is PONG:
            self._pong(viewer)
            return None
        self._counts.commands += 1
        if not viewer.client_id and command.method is not Method.CONNECT:
            return Closing.BAD_REQUEST
        try:
            self._spend(viewer)
            handler = self._handlers.get(command.method)
            if handler is None:
                raise not_available(command.method or "this command")
            return handler(viewer, command)
        except Refused as refused:
            return self._refuse(viewer, command, refused)
        except Fatal as fatal:
            return fatal.close

    def _spend(self, viewer: Viewer) -> None:
        """One command of the connection's budget, and of the person's if they have several."""
        taken = self._rate.take(viewer.commands_due_s, 1)
        if taken.wait_ms:
            raise too_many_requests(taken.wait_ms, "connection")
        viewer.commands_due_s = taken.due_s
        person = viewer.person
        if person is not None and len(person.viewers) > 1:
            taken = self._user_rate.take(person.commands_due_s, 1)
            if taken.wait_ms:
                raise too_many_requests(taken.wait_ms, "user")
            person.commands_due_s = taken.due_s

    def _refuse(self, viewer: Viewer, command: Command, refused: Refused) -> Reply | Close:
        """An error reply; a connection that collects too many of them is closed."""
        self._counts.errors += 1
        taken = self._errors_rate.take(viewer.errors_due_s, 1)
        viewer.errors_due_s = taken.due_s
        if taken.wait_ms:
            return Closing.TOO_MANY_ERRORS
        if not command.id:
            return None  # `send` has no reply
        return viewer.codec.error(
            command.id, refused.code, refused.message, temporary=refused.temporary
        )

    def _pong(self, viewer: Viewer) -> None:
        """Exactly one pong per ping; others count as a broken client."""
        if not viewer.awaiting_pong:
            viewer.close(Closing.BAD_REQUEST)
        viewer.awaiting_pong = False
