"""A listening socket for each web worker of a server, all on one address.

The kernel gives each newcomer to one of them by a hash of its address, so that workers get even
shares also when thousands come at once. Where it does not spread (`listening.SPREADS`), all workers
have the same socket, and whoever is quickest takes what is there.
"""

from __future__ import annotations

import socket

from server import listening


class Entrances:
    """One per supervisor. Numbers are those of the web workers, from 1."""

    def __init__(self, host: str, port: int) -> None:
        """Take the address. `BadSetting` names ONAIR_HOST or ONAIR_PORT and says why not."""
        first = listening.bind(host, port)
        self.port = int(first.getsockname()[1])
        self._place = listening.Place.of(first)
        self._sockets: dict[int, socket.socket] = {1: first}
        self._attended: set[int] = set()

    def open(self, workers: int) -> None:
        """Let newcomers wait at the entrances of so many workers. `BadSetting` as above."""
        for number in range(1, workers + 1 if listening.SPREADS else 2):
            listening.listen(self._at(number))

    def for_worker(self, number: int) -> int:
        """The descriptor for a worker that is being started, or for its successor."""
        self._attended.add(number)
        return self._at(number).fileno()

    def abandoned(self, number: int) -> None:
        """The worker died: nobody is sent there until the next one is up.

        When nobody else is there to be sent to, newcomers wait.
        """
        self._attended.discard(number)
        if listening.SPREADS and self._attended and number in self._sockets:
            self._sockets.pop(number).close()

    def close(self) -> None:
        """Let go of all of them; workers keep theirs for as long as they want."""
        for one in self._sockets.values():
            one.close()
        self._sockets.clear()

    def _at(self, number: int) -> socket.socket:
        """The socket of a number; a new one does not listen before its worker does."""
        number = number if listening.SPREADS else 1
        if number not in self._sockets:
            self._sockets[number] = self._place.beside()
        return self._sockets[number]
