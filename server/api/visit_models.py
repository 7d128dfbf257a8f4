"""Answers about visits, as the OpenAPI document shows them. Personal data is masked here."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rooms.sharing.visits import Piece, Visit
from server.database.exported_tables import DEVICE_CHARS_SHOWN
from server.database.visit_store import DayCount

FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
SOURCE: dict[str, Any] = {
    "channel": "sms",
    "campaign": "spring",
    "staff": "lin",
    "inviter": "alice",
    "link": "c39ef3dd5cd2c17d",
}
VISIT: dict[str, Any] = {
    "id": "4fBvqG6uPwVgkC1ZxJ2dTQ",
    "room": "demo",
    "source": SOURCE,
    "user": "bob",
    "person": "bob",
    "device": "b61f08c2",
    "app": "wechat",
    "entered_at_ms": 1800000000000,
    "last_at_ms": 1800000066000,
    "visible_ms": 60000,
    "actions": 1,
    "cards_seen": 4,
    "cards_opened": 1,
    "skus_picked": 1,
    "checkouts": 1,
    "orders": 1,
    "comments": 1,
    "likes": 7,
    "shares": 0,
    "left": True,
    "explaining": "tea",
}


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class SourceBody(BaseModel):
    channel: str = Field(description="`direct` when nothing is known.")
    campaign: str = Field(description="The merchant's own name of the campaign, or empty.")
    staff: str = Field(description="The employee whose link it was, or empty.")
    inviter: str = Field(description="The user whose link it was, or empty.")
    link: str = Field(description="The signed link, or empty: the page said it, nobody signed it.")


class VisitBody(BaseModel):
    model_config = _example(VISIT)
    id: str
    room: str
    source: SourceBody = Field(description="Where the visit came from.")
    user: str = Field(description="The latest user it was, also a guest; empty: anonymous.")
    person: str = Field(description="The first member that it was; empty: none.")
    device: str = Field(description="The beginning of the device's id; empty: not said.")
    app: str = Field(description="The app whose own browser it was, such as `wechat`, or empty.")
    entered_at_ms: int = Field(description="When its first piece was received.")
    last_at_ms: int = Field(description="When its last piece was received.")
    visible_ms: int = Field(description="With the page visible, by the server's account.")
    actions: int = Field(description="Comments, likes and orders that the server saw.")
    cards_seen: int = Field(description="Product cards that came into view.")
    cards_opened: int = Field(description="Product cards that were opened.")
    skus_picked: int = Field(description="Variants that were picked.")
    checkouts: int = Field(description="How often a checkout was opened.")
    orders: int = Field(description="Orders that were placed.")
    comments: int = Field(description="Comments that were stored.")
    likes: int = Field(description="Likes of the room and of comments.")
    shares: int = Field(description="Share links that were made.")
    left: bool = Field(description="Whether it had ended when its last piece was received.")
    explaining: str = Field(description="The product that was pinned at the last piece, or empty.")

    @classmethod
    def of(cls, visit: Visit) -> VisitBody:
        source = visit.source
        facts = {name: getattr(visit, name) for name in cls.model_fields if name not in _MADE}
        return cls(
            **facts,
            device=visit.device[:DEVICE_CHARS_SHOWN],
            source=SourceBody(
                channel=source.channel,
                campaign=source.campaign,
                staff=source.staff,
                inviter=source.inviter,
                link=source.link,
            ),
        )


_MADE = {"source", "device"}


class VisitPage(BaseModel):
    visits: list[VisitBody] = Field(description="Newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class StepBody(BaseModel):
    t: str = Field(description="What happened; the vocabulary is in the protocol.")
    at_ms: int = Field(description="When, by the page's word in the server's time.")
    received_at_ms: int = Field(description="When the server received it.")
    user: str = Field(description="Who it was then; empty: anonymous.")
    explaining: str = Field(description="The product that was pinned then, or empty.")
    facts: dict[str, str | int] = Field(description="What belongs to this kind of step.")


class VisitOrder(BaseModel):
    id: str
    state: str = Field(description="As the ledger has it now.")
    amount_minor: int = Field(description="Whole minor units, such as cents or fen.")
    currency: str = Field(description="ISO 4217 code.")


class VisitDetail(VisitBody):
    steps: list[StepBody] = Field(description="In the order in which they were stored.")
    placed: list[VisitOrder] = Field(
        description="Orders placed in these steps, as far as the ledger has them."
    )
    next: int | None = Field(
        description="Send it as `after` for the steps behind; null at the end."
    )


class CounterBody(BaseModel):
    room: str
    day: datetime.date = Field(description="Of UTC; the day on which the visits began.")
    channel: str = Field(description="`direct` when nothing is known.")
    campaign: str = Field(description="The merchant's own name of the campaign, or empty.")
    staff: str = Field(description="The employee whose link it was, or empty.")
    visits: int = Field(description="Visits that began.")
    members: int = Field(description="Those of them that were, or became, a member's.")
    visible_ms: int = Field(description="With the page visible, by the server's account.")
    cards_seen: int = Field(description="Product cards that came into view.")
    cards_opened: int = Field(description="Product cards that were opened.")
    skus_picked: int = Field(description="Variants that were picked.")
    checkouts: int = Field(description="How often a checkout was opened.")
    orders: int = Field(description="Orders that were placed.")
    comments: int = Field(description="Comments that were stored.")
    likes: int = Field(description="Likes of the room and of comments.")
    shares: int = Field(description="Share links that were made.")

    @classmethod
    def of(cls, count: DayCount) -> CounterBody:
        return cls(
            room=count.room,
            day=datetime.date.fromordinal(FIRST_DAY + count.day),
            channel=count.channel,
            campaign=count.campaign,
            staff=count.staff,
            **count.counts,
        )


class CounterList(BaseModel):
    counters: list[CounterBody] = Field(description="By day, room and source.")


def steps_of(pieces: list[Piece]) -> list[StepBody]:
    """Every event of a visit with what was known when it was received."""
    return [
        StepBody(
            t=event.t,
            at_ms=event.at_ms,
            received_at_ms=piece.received_at_ms,
            user=piece.user,
            explaining=piece.explaining,
            facts=dict(event.facts),
        )
        for piece in pieces
        for event in piece.events
    ]
