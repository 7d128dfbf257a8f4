"""What a connection knows of the visit it belongs to, and of where it was opened from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rooms.sharing.sources import Source


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
    pieces: int = 0  # stored from this connection by the server itself
