"""Ids that only rehearsals use: in the shop itself nobody and nothing can have one."""

from __future__ import annotations

from server.api.errors import Refused
from server.api.services import Services
from server.rehearsal.keys import RUN_PREFIX, is_reserved


def refuse_reserved(services: Services, **ids: str | None) -> None:
    """409 naming the field whose id is a rehearsal's. A shadow shop takes any.

    A name of a field may have two underscores where the field has a dot.
    """
    if services.settings.rehearsal:
        return
    for field, value in ids.items():
        if value is not None and is_reserved(value):
            why = f"ids that begin with {RUN_PREFIX} are those of rehearsals"
            raise Refused(409, why, field.replace("__", "."))
