"""What a connection knows of the visit it belongs to, and of where it was opened from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rooms.sharing.sources import Source
from rooms.sharing.visits import Fact, Seen

if TYPE_CHECKING:
    from server.viewer import Viewer


class Origin(NamedTuple):
    """Where a connection was opened: its network, never its address, and what its browser is."""

    net: str = ""  # 203.0.113.0/24, 2001:db8:1::/48; empty: not known
    agent: str = ""  # fingerprint of browser and languages
    app: str = ""  # the app whose own browser it is, such as "wechat"


NOWHERE = Origin()


@dataclass(slots=True)
class OpenVisit:
    """A visit while its connection lasts. A page that reconnects goes on with the same `id`."""

    id: str
    room: str
    source: Source
    device: str = ""
    user: str = ""
    is_stored: bool = False  # a piece with its source is in the store
    likes: int = 0  # seen and not told yet


@dataclass(slots=True)
class OpenVisits:
    """The visits of one connection, at most one in each room."""

    by_room: dict[str, OpenVisit] = field(default_factory=dict)
    opened: int = 0  # ever, on this connection
    events_due_s: float = 0.0  # of the connection's rate

    def of(self, room_id: str) -> OpenVisit | None:
        """The visit to a room; None: nothing was told of one."""
        return self.by_room.get(room_id)


class Saw(Protocol):
    """Tell the record of visits what the server saw a viewer do (`VisitDesk.saw`).

    Never waits and never raises; nothing happens for a viewer without an open visit in the room.
    """

    def __call__(self, viewer: Viewer, room_id: str, seen: Seen, **facts: Fact) -> None: ...


def nobody_looks(viewer: Viewer, room_id: str, seen: Seen, **facts: Fact) -> None:
    """A `Saw` that does nothing."""


def forget_visits(viewer: Viewer) -> None:
    """What ends visits where nobody keeps a record of them."""
    viewer.visits.by_room.clear()
