"""Takes newcomers from a listening socket, so many in one turn of the loop and no more.

The event loop by itself accepts everybody who waits before it does anything else: of a herd of
thousands each costs a handshake, and a purchase waits behind all of them. Here the rest waits in
the kernel's queue, where it costs nothing, and every turn serves newcomers and everybody else.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

_LOG = logging.getLogger("onair.porter")
_SHORT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE_S = 1.0  # when the machine has no more open files or memory for them


class Porter:
    """One per bound socket, which it owns and lets listen. To uvicorn it is an `asyncio.Server`."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        per_turn_max: int,
        backlog: int,
    ) -> None:
        listening.setblocking(False)
        listening.listen(backlog)
        self._listening = listening
        self._make_protocol = make_protocol
        self._per_turn_max = per_turn_max
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Let in who has been waiting, then nobody any more. After an end it does nothing."""
        if self._listening.fileno() < 0:
            return
        while self._let_in_one():
            pass
        self.hand_over()

    def hand_over(self) -> None:
        """Let nobody in any more: who waits is for another process with the same socket."""
        if self._pause is None:
            self._loop.remove_reader(self._listening.fileno())
        else:
            self._pause.cancel()
        self._listening.close()

    async def wait_closed(self) -> None:
        """Return when everybody who was let in has a protocol."""
        if self._entering:
            await asyncio.wait(self._entering)

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._knocked)

    def _knocked(self) -> None:
        """Called again in every turn in which somebody waits."""
        for _ in range(self._per_turn_max):
            if not self._let_in_one():
                return

    def _let_in_one(self) -> bool:
        """False: nobody waits, or nobody can be let in now."""
        try:
            newcomer, _address = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:
            return True  # gone again; the next one may wait
        except OSError as error:
            if error.errno not in _SHORT_OF:
                raise
            self._rest(error)
            return False
        newcomer.setblocking(False)
        entering: Coroutine[Any, Any, Any] = self._loop.connect_accepted_socket(
            self._make_protocol, newcomer
        )
        task = self._loop.create_task(entering)
        self._entering.add(task)
        task.add_done_callback(self._entered)
        return True

    def _rest(self, error: OSError) -> None:
        if self._pause is not None:
            return
        _LOG.error("nobody can be let in for %.0f s: %s", _PAUSE_S, error)
        self._loop.remove_reader(self._listening.fileno())
        self._pause = self._loop.call_later(_PAUSE_S, self._open)

    def _entered(self, task: asyncio.Task[Any]) -> None:
        self._entering.discard(task)
        if not task.cancelled() and isinstance(task.exception(), Exception):
            _LOG.warning("a newcomer was lost: %s", task.exception())
