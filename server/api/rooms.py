"""Rooms, what lies on their shelves, and what their staff did."""

from __future__ import annotations

from fastapi import APIRouter, Response

from flash_sale.catalog import is_id
from rooms.model import RoomId
from server.api.errors import Refused, documented, unknown_room
from server.api.fields import RoomIdInPath
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.models import (
    ActBody,
    ActPage,
    ProductBody,
    Room,
    RoomChange,
    RoomPage,
    RoomRequest,
    Shelf,
    ShelfRequest,
)
from server.api.paging import ById, ByVersion, rows
from server.api.people import new_id
from server.api.reserved import refuse_reserved
from server.api.services import Services, ServicesHere
from server.database.records import DuplicateId, RoomRecord, UnknownRoom

routes = APIRouter(route_class=MerchantRoute, tags=["rooms"])


@routes.post(
    "/api/v1/rooms",
    status_code=201,
    summary="Create a room",
    operation_id="createRoom",
    responses=documented(400, 401, 403, 409, 413, 415, 503, same=Room),
    openapi_extra=described("创建直播间", KEY_OR_MERCHANT),
)
async def create_room(
    body: RoomRequest, response: Response, caller: CallerHere, services: ServicesHere
) -> Room:
    """A new room is `scheduled`. Sending the same room again answers 200 and changes nothing;
    the same id with another content is a 409. A merchant's token creates rooms it holds only.
    """
    refuse_reserved(services, id=body.id)
    room_id = body.id or new_id()
    caller.check_room(room_id)
    try:
        return Room.of(await services.rooms.create(room_id, body.title, body.stream_url))
    except DuplicateId as error:
        there = await services.rooms.find(room_id)
        if there and (there.title, there.stream_url) == (body.title, body.stream_url):
            response.status_code = 200
            return Room.of(there)
        raise Refused(409, f"{room_id!r} exists and is different", "id") from error


@routes.get(
    "/api/v1/rooms",
    summary="List rooms",
    operation_id="listRooms",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("直播间列表", KEY_OR_MERCHANT),
)
async def list_rooms(paging: ById, caller: CallerHere, services: ServicesHere) -> RoomPage:
    """The rooms by id, a page at a time; with a merchant's token those that it holds."""
    limit = rows(paging, services)
    if paging.after and not is_id(paging.after):
        raise Refused(400, "is not the `next` of a page", "after")
    among = None if caller.every_room else caller.identity.rooms
    found = await services.rooms.page(paging.after or None, limit + 1, among=among)
    page = found[:limit]
    return RoomPage(
        rooms=[Room.of(record) for record in page],
        next=page[-1].id if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/rooms/{id}",
    summary="Get a room",
    operation_id="getRoom",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询直播间", KEY_OR_MERCHANT),
)
async def get_room(id: RoomIdInPath, caller: CallerHere, services: ServicesHere) -> Room:
    """One room as it is now."""
    caller.check_room(id)
    return Room.of(await _find(services, id))


@routes.patch(
    "/api/v1/rooms/{id}",
    summary="Change a room",
    operation_id="changeRoom",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("修改直播间", KEY_OR_MERCHANT),
)
async def change_room(
    id: RoomIdInPath, body: RoomChange, caller: CallerHere, services: ServicesHere
) -> Room:
    """Viewers see the change at once, and it stands in the room's log. Fields that are not sent
    stay as they are.
    """
    caller.check_room(id)
    changes: dict[str, str] = body.model_dump(exclude_unset=True)
    if not changes:
        raise Refused(400, "send title, stream_url or state", "body")
    await _find(services, id)
    await services.acts.update_room(caller.identity, RoomId(id), changes)
    return Room.of(await _find(services, id))


@routes.get(
    "/api/v1/rooms/{id}/shelf",
    summary="Get the shelf of a room",
    operation_id="getShelf",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询直播间货架", KEY_OR_MERCHANT),
)
async def get_shelf(id: RoomIdInPath, caller: CallerHere, services: ServicesHere) -> Shelf:
    """The products that the host can pin, in their order."""
    caller.check_room(id)
    await _find(services, id)
    return await _shelf(services, id)


@routes.put(
    "/api/v1/rooms/{id}/shelf",
    summary="Replace the shelf of a room",
    operation_id="replaceShelf",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("设置直播间货架", KEY_OR_MERCHANT),
)
async def replace_shelf(
    id: RoomIdInPath, body: ShelfRequest, caller: CallerHere, services: ServicesHere
) -> Shelf:
    """The whole list takes the place of the old one, or nothing does: an unknown product is a
    404 that names it.
    """
    caller.check_room(id)
    most = services.settings.limits.shelf_products_max
    if len(body.products) > most:
        raise Refused(400, f"must be at most {most}", "products")
    for position, product_id in enumerate(body.products):
        if product_id in body.products[:position]:
            raise Refused(400, f"{product_id!r} is given twice", f"products.{position}")
    await _find(services, id)
    try:
        await services.acts.set_shelf(caller.identity, RoomId(id), body.products)
    except UnknownRoom:
        raise
    except LookupError as error:
        raise Refused(404, str(error), "products") from error
    return await _shelf(services, id)


@routes.get(
    "/api/v1/rooms/{id}/acts",
    summary="Read the log of a room",
    operation_id="listActs",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("查询直播间操作日志", KEY_OR_MERCHANT),
)
async def list_acts(
    id: RoomIdInPath, paging: ByVersion, caller: CallerHere, services: ServicesHere
) -> ActPage:
    """Every act of staff, newest first: who did what to whom, when and why. The log can only
    grow; nobody can change or remove a line.
    """
    caller.check_room(id)
    limit = rows(paging, services)
    await _find(services, id)
    found = await services.rooms.acts(id, paging.after, limit + 1)
    page = found[:limit]
    return ActPage(
        acts=[ActBody.of(stored) for stored in page],
        next=page[-1].version if len(found) > limit else None,
    )


async def _find(services: Services, room_id: str) -> RoomRecord:
    record = await services.rooms.find(room_id)
    if record is None:
        raise unknown_room(room_id)
    return record


async def _shelf(services: Services, room_id: str) -> Shelf:
    products = await services.rooms.shelf(room_id)
    return Shelf(products=[ProductBody.of(product) for product in products])
