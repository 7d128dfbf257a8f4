"""Procedures whose success belongs to the record of visits: comments, likes, orders.

The procedures know nothing of it. For a viewer without an open visit nothing is added to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from rooms.sharing.visits import Seen
from server.rpc import Decided, Procedure, Result, Rpc
from server.sharing.open_visit import Saw
from server.viewer import Viewer

Note = Callable[[Saw, Viewer, Any, Result], None]


def watched(procedures: Mapping[str, Rpc], saw: Saw) -> dict[str, Rpc]:
    """The same procedures; what is done by them is told to `saw`."""
    return {
        name: rpc._replace(answer=_noting(rpc.answer, _NOTES[name], saw)) if name in _NOTES else rpc
        for name, rpc in procedures.items()
    }


def _noting(procedure: Procedure, note: Note, saw: Saw) -> Procedure:
    def answer(viewer: Viewer, request: Any) -> Result | Decided | Awaitable[Result]:
        answered = procedure(viewer, request)
        if not viewer.visits.by_room:
            return answered
        if isinstance(answered, Decided):
            decided = answered

            def result(future: asyncio.Future[Any]) -> Result:
                told = decided.result(future)
                note(saw, viewer, request, told)
                return told

            return Decided(decided.future, result)
        if isinstance(answered, bytes | dict):
            note(saw, viewer, request, answered)
            return answered
        return later(viewer, request, answered)

    async def later(viewer: Viewer, request: Any, answered: Awaitable[Result]) -> Result:
        told = await answered
        note(saw, viewer, request, told)
        return told

    return answer


def _commented(saw: Saw, viewer: Viewer, request: Any, result: Result) -> None:
    assert isinstance(result, dict)
    saw(viewer, request.room, Seen.COMMENT, id=result["id"])


def _liked_comment(saw: Saw, viewer: Viewer, request: Any, _result: Result) -> None:
    saw(viewer, request.room, Seen.COMMENT_LIKE, id=request.id)


def _liked(saw: Saw, viewer: Viewer, request: Any, _result: Result) -> None:
    saw(viewer, request.room, Seen.LIKE, n=request.n)


def _ordered(saw: Saw, viewer: Viewer, _request: Any, result: Result) -> None:
    """Only an order that exists: a refusal has none."""
    told = orjson.loads(result) if isinstance(result, bytes) else result
    order = told.get("order")
    if order:
        saw(viewer, order["room"], Seen.ORDER, order=order["id"], outcome=told["outcome"])


def _paid(saw: Saw, viewer: Viewer, _request: Any, result: Result) -> None:
    assert isinstance(result, dict)
    order = result["order"]
    saw(viewer, order["room"], Seen.PAID, order=order["id"])


_NOTES: dict[str, Note] = {
    "comment.send": _commented,
    "comment.like": _liked_comment,
    "like.add": _liked,
    "order.place": _ordered,
    "order.pay": _paid,
}
