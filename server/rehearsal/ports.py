"""What the API of rehearsals asks of the hall and of the wing, as narrow protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flash_sale.model import Outcome
from rooms.adapters.script import RedisClient
from server.database.engine import Database
from server.settings import Settings


class HallRefused(Exception):
    """The hall cannot do it as things are; the text says why and what to change (409)."""


class HallUnavailable(Exception):
    """The hall did not answer, or failed at it; the text says why. Asking again is safe (503)."""


class Hall(Protocol):
    """The supervisor's side of a rehearsal, over its socket."""

    async def ask(self, verb: str, *, within_s: float, **values: Any) -> dict[str, Any]:
        """One verb with its values: open, close, status, drive, stop_drive, drill, processes.

        Every verb may be asked again: what is done already stays as it is. Raises `HallRefused`
        and `HallUnavailable`.
        """


class ShadowParts(Protocol):
    """The shadow shop on this web worker. The wing runs `observe.tell` with it while it is open."""

    @property
    def name(self) -> str:
        """Of this worker; another life of it has another name."""

    @property
    def settings(self) -> Settings: ...

    @property
    def redis(self) -> RedisClient: ...

    @property
    def database(self) -> Database: ...

    @property
    def viewers(self) -> int:
        """Connections of the shadow shop on this worker."""

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Purchases that this worker answered in the shadow shop, since it opened it."""


class Wing(Protocol):
    """The shadow shop of this worker, opened when somebody asks for it."""

    async def parts(self, run: str) -> ShadowParts:
        """The parts of that run. Raises `HallUnavailable` while they cannot be opened."""
