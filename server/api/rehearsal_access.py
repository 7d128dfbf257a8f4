"""What the routes of rehearsals share: which one is meant, and who may speak for it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Path

from server.api.coupons import check_whole_shop
from server.api.errors import Refused
from server.api.guard import Caller
from server.api.rehearsal_models import RUN
from server.api.services import Services, ServicesHere
from server.database.rehearsal_words import Run

RunIdInPath = Annotated[str, Path(description="The rehearsal's id.", examples=[RUN])]


async def only_in_the_shop(services: ServicesHere) -> None:
    """A shadow shop holds no rehearsals."""
    if services.settings.rehearsal:
        raise Refused(404, "there is nothing at this address")


COMMON: Final[dict[str, Any]] = {
    "tags": ["rehearsals"],
    "dependencies": [Depends(only_in_the_shop)],
}


def check_depth(value: object, field: str) -> None:
    """400 naming the field if it can be read, but not be written again."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise Refused(400, "is nested too deeply", field) from error


async def find_run(id: str, caller: Caller, services: Services, *, purged_too: bool = False) -> Run:
    """The rehearsal, for whoever holds the whole shop or its own key; 404 if there is none.

    Its own key is over with the purge; only what can be repeated after it is `purged_too`.
    """
    if caller.run != id:
        check_whole_shop(caller)
    run = await services.rehearsals.find(id)
    if run is None:
        raise Refused(404, f"there is no rehearsal {id!r}", "id")
    if caller.run and run.purged_at_ms is not None and not purged_too:
        raise Refused(403, "the key was good until the rehearsal was purged")
    return run


async def find_open(id: str, caller: Caller, services: Services) -> Run:
    """The rehearsal, if its shadow shop takes visitors; else 409."""
    run = await find_run(id, caller, services)
    if not run.takes_visitors:
        raise Refused(409, "its shadow shop is not open", "id")
    return run
