"""Pages by key: a page is never shifted by what was added meanwhile."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from server.api.errors import Refused
from server.api.services import Services

PAGE_ROWS = 50


class Paging(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = Field(PAGE_ROWS, ge=1, description="Rows of a page.")


class PagingById(Paging):
    after: str = Field("", max_length=64, description="`next` of the page before.")


class PagingByVersion(Paging):
    after: int | None = Field(None, ge=1, le=2**53, description="`next` of the page before.")


ById = Annotated[PagingById, Query()]
ByVersion = Annotated[PagingByVersion, Query()]


def rows(paging: Paging, services: Services) -> int:
    """How many rows a page may have; 400 if more were asked for than the server gives."""
    most = services.settings.limits.page_rows_max
    if "limit" in paging.model_fields_set and paging.limit > most:
        raise Refused(400, f"must be 1 to {most}", "limit")
    return min(paging.limit, most)
