"""Messages that may wait a moment for another one to the same reader: one write instead of two."""

from __future__ import annotations

import asyncio

from server.viewer import Viewer

SOON_S = 0.005


class Soon:
    """One timer for all connections; whatever is sent to a viewer takes along what waits for it."""

    def __init__(self) -> None:
        self._waiting: list[Viewer] = []

    def send(self, viewer: Viewer, messages: list[bytes]) -> None:
        """Send within `SOON_S`, or in one frame with what is sent before that."""
        if viewer.soon is not None:
            viewer.soon += messages
            return
        viewer.soon = messages
        self._waiting.append(viewer)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(SOON_S, self._send)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for viewer in waiting:
            viewer.send([])
