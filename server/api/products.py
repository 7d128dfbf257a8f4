"""The catalogue: products are created once and then shown as they are."""

from __future__ import annotations

from fastapi import APIRouter, Response

from flash_sale.catalog import Product, ProductId, Sku, SkuId, is_id
from server.api.errors import Refused, documented
from server.api.fields import ProductIdInPath
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.models import ProductBody, ProductPage, ProductRequest
from server.api.paging import ById, rows
from server.api.people import new_id
from server.api.reserved import refuse_reserved
from server.api.services import ServicesHere
from server.database.records import DuplicateId

routes = APIRouter(route_class=MerchantRoute, tags=["products"])


@routes.post(
    "/api/v1/products",
    status_code=201,
    summary="Create a product",
    operation_id="createProduct",
    responses=documented(400, 401, 403, 409, 413, 415, 503, same=ProductBody),
    openapi_extra=described("创建商品", KEY_OR_MERCHANT),
)
async def create_product(
    body: ProductRequest, response: Response, _caller: CallerHere, services: ServicesHere
) -> ProductBody:
    """Amounts are whole minor units of one currency: 9900 CNY is 99.00 yuan. Sending the same
    product again answers 200 and changes nothing; the same id with another content is a 409.
    """
    skus_max = services.settings.limits.skus_per_product_max
    if len(body.skus) > skus_max:
        raise Refused(400, f"must be at most {skus_max}", "skus")
    skus = {f"skus__{place}__sku": sku.sku for place, sku in enumerate(body.skus)}
    refuse_reserved(services, id=body.id, **skus)
    product = _product(body)
    try:
        return ProductBody.of(await services.catalog.create(product))
    except DuplicateId as error:
        if body.id is not None and await services.catalog.find(product.id) == product:
            response.status_code = 200
            return ProductBody.of(product)
        raise Refused(409, f"{product.id!r} exists and is different", "id") from error


@routes.get(
    "/api/v1/products",
    summary="List products",
    operation_id="listProducts",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("商品列表", KEY_OR_MERCHANT),
)
async def list_products(paging: ById, _caller: CallerHere, services: ServicesHere) -> ProductPage:
    """All products by id, a page at a time."""
    limit = rows(paging, services)
    _check_after(paging.after)
    found = await services.catalog.page(paging.after or None, limit + 1)
    page = found[:limit]
    return ProductPage(
        products=[ProductBody.of(product) for product in page],
        next=page[-1].id if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/products/{id}",
    summary="Get a product",
    operation_id="getProduct",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询商品", KEY_OR_MERCHANT),
)
async def get_product(
    id: ProductIdInPath, _caller: CallerHere, services: ServicesHere
) -> ProductBody:
    """One product with its variants."""
    product = await services.catalog.find(id)
    if product is None:
        raise Refused(404, f"there is no product {id!r}", "id")
    return ProductBody.of(product)


def _check_after(after: str) -> None:
    if after and not is_id(after):
        raise Refused(400, "is not the `next` of a page", "after")


def _product(body: ProductRequest) -> Product:
    """The product a request describes; the catalogue's own rules have the last word."""
    try:
        return Product(
            id=ProductId(body.id or new_id()),
            title=body.title,
            price_minor=body.price_minor,
            currency=body.currency,
            image_url=body.image_url,
            skus=tuple(Sku(SkuId(sku.sku), sku.title, sku.price_minor) for sku in body.skus),
        )
    except ValueError as error:
        field, _, why = str(error).partition(": ")
        raise Refused(400, why, field) from error
