"""What was measured, once, on one machine: the model multiplies these and nothing else.

Every value is the cost of one thing, in microseconds of one core or in bytes. `docs/SCALING.md`
says how each was measured and on which machine; on another machine measure again and give them by
`--constants FILE` (JSON, only what differs).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one server. `_us` is processor time of one core, `_bytes` is memory or traffic."""

    # web worker, by `make bench`
    frame_us: float = 10.0  # one finished frame to one viewer: mostly the kernel's send
    frame_event_us: float = 0.02  # one more event in a frame, per viewer: bytes to copy
    announcement_us: float = 40.0  # one batch that another worker or this one announced
    announced_event_us: float = 3.0  # one event in it: parse, apply, put into the frame
    publish_us: float = 250.0  # one event by POST /api/publish
    comment_us: float = 100.0  # one comment by WebSocket: rules, text filter, its share of a batch
    like_us: float = 30.0  # one like.add command
    order_us: float = 100.0  # one purchase by WebSocket, in full batches
    refusal_us: float = 44.0  # one answer "sold out" by flag
    ping_us: float = 35.0  # one ping and its pong
    connect_us: float = 210.0  # handshake, connect, subscribe with snapshot
    worker_bytes: float = 104e6
    viewer_bytes: float = 3_600
    socket_bytes: float = 3_900  # of the kernel, per idle connection
    # Redis
    append_us: float = 130.0  # one batch of a room appended, synced and announced
    append_event_us: float = 7.0  # one more event in it
    subscriber_us: float = 1.5  # one worker that hears of a batch
    decision_us: float = 20.0  # one purchase, in full batches
    # the rest
    ledger_us: float = 70.0  # one order in the ledger worker, with SQLite
    publish_path_ms: float = 5.0  # from the request until workers have the batch: with a disk sync
    event_bytes: float = 220.0  # an event as it stands in a frame
    frame_bytes: float = 74.0  # WebSocket, TCP and IP headers of one frame
    deflated: float = 0.3  # what permessage-deflate leaves of a gathered frame


def read(path: Path) -> Costs:
    """The costs with what a JSON file changes. Raises `ValueError` that names the field."""
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    known = {spec.name for spec in fields(Costs)}
    if not isinstance(given, dict):
        raise ValueError(f"{path}: must hold one JSON object")
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{path}: {name} is not one of {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"{path}: {name} must be a number above 0")
    return replace(Costs(), **{name: float(value) for name, value in given.items()})
