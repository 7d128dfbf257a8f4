"""Orders in JSON: what is always there, and what only an order with its own price has."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from flash_sale.catalog import SkuId
from flash_sale.model import Order, OrderState, PricedLine, SaleId, order_id_of
from server.sale_json import order_json

PLAIN = Order(
    id=order_id_of(SaleId("s1"), "ann", "r-17"),
    sale=SaleId("s1"),
    user="ann",
    request_id="r-17",
    lines=(PricedLine(SkuId("mug"), 1, 4900),),
    amount_minor=4900,
    state=OrderState.RESERVED,
    placed_at_ms=1,
    reserved_at_ms=1,
    expires_at_ms=2,
    paid_at_ms=None,
    changed_at_ms=1,
    position=0,
    durability="always",
    name="a*",
)
NOTE = {
    "source": {"channel": "wechat", "inviter": "zoe"},
    "price": [{"coupon": "c1", "minor": 400}],
    "share": {"link": "x", "sharer": "zoe"},
}
PRICED = replace(
    PLAIN,
    lines=(PricedLine(SkuId("mug"), 1, 5000, 100),),
    amount_minor=4600,
    discount_minor=400,
    coupons=("c1", "c2"),
    note=orjson.dumps(NOTE).decode(),
)


def test_a_plain_order_has_the_bytes_it_always_had() -> None:
    assert orjson.dumps(order_json(PLAIN, "demo", "CNY")) == (
        b'{"id":"%s","sale":"s1","room":"demo","sku":"mug","qty":1,'
        b'"items":[{"sku":"mug","qty":1,"price_minor":4900}],"amount_minor":4900,'
        b'"currency":"CNY","state":"reserved","request_id":"r-17","placed_at_ms":1,'
        b'"reserved_at_ms":1,"expires_at_ms":2,"durability":"always"}' % PLAIN.id.encode()
    )


def test_a_buyer_sees_the_final_price_what_was_taken_off_and_why_and_not_who_sent_them() -> None:
    told = order_json(PRICED, "demo", "CNY")
    own = {name: told[name] for name in told if name not in order_json(PLAIN, "demo", "CNY")}
    assert own == {"discount_minor": 400, "coupons": ("c1", "c2"), "price": NOTE["price"]}
    assert told["items"] == [{"sku": "mug", "qty": 1, "price_minor": 5000}]
    assert told["amount_minor"] == 4600


def test_staff_see_where_an_order_came_from_and_whose_link_it_was() -> None:
    told = order_json(PRICED, "demo", "CNY", for_staff=True)
    assert (told["user"], told["source"], told["share"]) == ("ann", NOTE["source"], NOTE["share"])


@pytest.mark.parametrize("note", ["", "no json", "[]", "7", '"price"', "{}", '{"other":1}'])
def test_a_note_without_a_word_for_people_shows_nothing(note: str) -> None:
    for for_staff in (False, True):
        shown = order_json(replace(PLAIN, note=note), "demo", "CNY", for_staff=for_staff)
        assert shown == order_json(PLAIN, "demo", "CNY", for_staff=for_staff)
