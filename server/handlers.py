"""What answers a client's command: a reply at once, one that comes later, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from server.codec import Command
from server.viewer import Viewer

Reply = bytes | None


class Promised(NamedTuple):
    """A reply made of what another one's future brings; `reply` gets it done, and may raise.

    No task waits for it.
    """

    future: asyncio.Future[Any]
    reply: Callable[[asyncio.Future[Any]], Reply]


Handler = Callable[[Viewer, Command], "Reply | Promised | Awaitable[Reply]"]
