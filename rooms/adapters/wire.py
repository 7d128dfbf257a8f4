"""How batches travel between Redis and the workers: the lines that append.lua writes."""

from __future__ import annotations

from rooms.log import Batch, Entry
from rooms.model import CommentId, Lane, UserId

SEPARATOR = b"\x1f"  # JSON escapes it inside strings, and ids never hold it


def parse_entry(offset: int, line: bytes) -> Entry:
    """One stored line: lane, name, subject, author, payload, field, value."""
    lane, name, subject, author, payload, field, value = line.split(SEPARATOR)
    return Entry(
        offset=offset,
        lane=Lane(int(lane)),
        name=name.decode(),
        payload=payload,
        subject=subject.decode(),
        author=UserId(author.decode()),
        field=field.decode(),
        value=value,
    )


def parse_batch(message: bytes) -> Batch:
    """One announcement: a header line, then its stored entries, then its pulses.

    Header: epoch, first offset, number of entries, likes, comment likes (id=n,...).
    """
    header, *lines = message.split(b"\n")
    epoch, first, stored, likes, counts = header.split(SEPARATOR)
    first_offset, entry_count = int(first), int(stored)
    comment_likes = {}
    for pair in counts.split(b",") if counts else ():
        comment_id, _, count = pair.partition(b"=")
        comment_likes[CommentId(comment_id.decode())] = int(count)
    pulses = {}
    for line in lines[entry_count:]:
        name, _, payload = line.partition(SEPARATOR)
        pulses[name.decode()] = payload
    return Batch(
        epoch=epoch.decode(),
        first=first_offset,
        entries=[
            parse_entry(first_offset + index, line)
            for index, line in enumerate(lines[:entry_count])
        ],
        likes_total=int(likes),
        comment_likes=comment_likes,
        pulses=pulses,
    )
