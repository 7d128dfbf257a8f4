"""What viewers missed, encoded once for all who missed the same: a cut network cuts many at once.

A room that stands at one offset has one answer to one position, so what is kept here is never
wrong; when the room goes on it is not asked for again, and falls out at the bound.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from rooms.log import Entry, Position
from rooms.replica import Replica
from server.codec import Codec

_ENTRY_BYTES = 400  # what one takes in here beside its answer


class Missed:
    """One per worker; keeps at most so many bytes, the longest unused go first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.kept_bytes = 0
        self._built: OrderedDict[Hashable, bytes] = OrderedDict()

    def since(self, replica: Replica, position: Position, codec: Codec) -> bytes | None:
        """All that was stored after a position, for `Codec.subscribe_result`.

        None: a part of it is kept no more, or the position is one of another history.
        """
        if position.epoch not in ("", replica.epoch):
            return None
        if position.offset == replica.top:
            return b""
        key = (*_place(replica, codec), position.offset)
        found = self._find(key)
        if found is None:
            recovery = replica.recover(position)
            if not recovery.recovered:
                return None
            found = self._build(key, codec, recovery.entries)
        return found

    def history(
        self, replica: Replica, codec: Codec, *, limit: int, since: Position | None, reverse: bool
    ) -> bytes | None:
        """The same of a part of the history, see `Replica.history`."""
        key = (*_place(replica, codec), limit, since, reverse)
        found = self._find(key)
        if found is None:
            entries = replica.history(limit=limit, since=since, reverse=reverse)
            if entries is None:
                return None
            found = self._build(key, codec, entries)
        return found

    def _find(self, key: Hashable) -> bytes | None:
        found = self._built.get(key)
        if found is not None:
            self._built.move_to_end(key)
        return found

    def _build(self, key: Hashable, codec: Codec, entries: Sequence[Entry]) -> bytes:
        built = codec.entries(entries)
        self._built[key] = built
        self.kept_bytes += len(built) + _ENTRY_BYTES
        while self.kept_bytes > self._bytes_max:
            _, gone = self._built.popitem(last=False)
            self.kept_bytes -= len(gone) + _ENTRY_BYTES
        return built


def _place(replica: Replica, codec: Codec) -> tuple[str, str, int, str]:
    return (replica.room_id, replica.epoch, replica.top, codec.subprotocol)
