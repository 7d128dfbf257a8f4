"""One worker's copy of a room: its newest events and its snapshot fields.

Pure: same entries in, same answers out. Knows no sockets, no clock and no Redis, and never
looks into the JSON it carries. Every viewer of a worker stands at `top`, so recovery,
history and the first picture of a room are answered from here without a round trip.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice

from rooms.errors import Gap
from rooms.log import Batch, Entry, Loaded, Position
from rooms.model import CommentId, RoomId, UserId

COMMENT = "comment"
COMMENT_REMOVED = "comment.removed"
COMMENT_PINNED = "comment.pinned"

# What stands in the place of events that held the text of a comment, once that is removed.
_REDACTED = {
    COMMENT: b'{"t":"comment","id":"%s","removed":true}',
    COMMENT_PINNED: b'{"t":"comment.pinned","comment":{"id":"%s","removed":true}}',
}


@dataclass(frozen=True, slots=True)
class Recovery:
    """The answer to a client that comes back: `entries` are all it missed, if `recovered`."""

    recovered: bool
    entries: tuple[Entry, ...] = ()


class Replica:
    """Entries are applied in order of their offset, each exactly once."""

    def __init__(self, room_id: RoomId, loaded: Loaded, *, events_max: int) -> None:
        self.room_id = room_id
        self.epoch = loaded.epoch
        self.top = loaded.top
        self.fields = dict(loaded.fields)
        self.likes_total = loaded.likes_total
        self.banned = loaded.banned
        self.sanctions_version = loaded.sanctions_version
        self._events_max = events_max
        self._ring: deque[Entry] = deque()
        self._comments: dict[CommentId, int] = {}  # id -> offset, oldest first
        self._likes: dict[CommentId, int] = {}
        for entry in loaded.entries:
            self._keep(entry)
        for comment_id, count in loaded.comment_likes.items():
            if comment_id in self._comments:
                self._likes[comment_id] = count

    def apply(self, batch: Batch) -> list[Entry]:
        """Take in a batch; returns its entries that are new here.

        A batch that was already seen, wholly or in part, is no error. Raises `Gap`, having
        changed nothing, when entries before it are missing or the epoch is another one.
        """
        if batch.epoch != self.epoch:
            raise Gap(f"room {self.room_id}: epoch {batch.epoch} follows {self.epoch}")
        new = [entry for entry in batch.entries if entry.offset > self.top]
        if new and new[0].offset != self.top + 1:
            raise Gap(f"room {self.room_id}: offset {new[0].offset} follows {self.top}")
        for entry in new:
            self.top = entry.offset
            self._keep(entry)
            if entry.field:
                self.fields[entry.field] = entry.value
        self.likes_total = max(self.likes_total, batch.likes_total)
        for comment_id, count in batch.comment_likes.items():
            if comment_id in self._comments:
                self._likes[comment_id] = max(count, self._likes.get(comment_id, 0))
        return new

    def _keep(self, entry: Entry) -> None:
        self._ring.append(entry)
        if entry.name == COMMENT:
            self._comments[CommentId(entry.subject)] = entry.offset
        elif entry.name == COMMENT_REMOVED:
            self._redact(CommentId(entry.subject))
        if len(self._ring) > self._events_max:
            gone = self._ring.popleft()
            if gone.name == COMMENT and self._comments.get(CommentId(gone.subject)) == gone.offset:
                del self._comments[CommentId(gone.subject)]
                self._likes.pop(CommentId(gone.subject), None)

    def _redact(self, comment_id: CommentId) -> None:
        """Keep the offsets of a removed comment and its pins, but never send its text again."""
        self._comments.pop(comment_id, None)
        self._likes.pop(comment_id, None)
        for place, entry in enumerate(self._ring):
            if entry.subject == comment_id and entry.name in _REDACTED:
                payload = _REDACTED[entry.name] % comment_id.encode()
                self._ring[place] = replace(entry, payload=payload)

    def comment(self, comment_id: CommentId) -> Entry | None:
        """A comment that is still in the window and was not removed."""
        offset = self._comments.get(comment_id)
        return None if offset is None else self._ring[offset - self._ring[0].offset]

    def recent_comments(self, most: int) -> list[Entry]:
        """The newest comments, oldest first, removed ones left out."""
        first = self._ring[0].offset if self._ring else 0
        offsets = list(islice(reversed(self._comments.values()), most))
        return [self._ring[offset - first] for offset in reversed(offsets)]

    def comment_likes(self, comments: list[Entry]) -> dict[CommentId, int]:
        """Likes of those of the given comments that have any."""
        ids = [CommentId(entry.subject) for entry in comments]
        return {one: self._likes[one] for one in ids if one in self._likes}

    def after(self, offset: int) -> tuple[Entry, ...] | None:
        """All entries after an offset, or None when some of them are no longer here."""
        if offset > self.top:
            return None
        if offset == self.top:
            return ()
        if not self._ring or offset + 1 < self._ring[0].offset:
            return None
        return tuple(islice(self._ring, offset + 1 - self._ring[0].offset, None))

    def recover(self, position: Position) -> Recovery:
        """What a returning client missed. An empty epoch matches any."""
        if position.epoch and position.epoch != self.epoch:
            return Recovery(recovered=False)
        missed = self.after(position.offset)
        return Recovery(recovered=False) if missed is None else Recovery(True, missed)

    def history(self, *, limit: int, since: Position | None, reverse: bool) -> list[Entry] | None:
        """Stored entries: oldest first after `since` (exclusive), or newest first with `reverse`.

        `limit` 0 gives none. None: `since` lies in another epoch or beyond what is kept.
        """
        if since is None:
            source = list(self._ring)
        elif reverse:
            if since.epoch and since.epoch != self.epoch:
                return None
            source = [entry for entry in self._ring if entry.offset < since.offset]
        else:
            recovery = self.recover(since)
            if not recovery.recovered:
                return None
            source = list(recovery.entries)
        if reverse:
            source.reverse()
        return source[:limit]

    def is_banned(self, user_id: UserId) -> bool:
        return user_id in self.banned
