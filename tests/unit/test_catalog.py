"""The rules of products and money."""

from __future__ import annotations

from typing import Any

import pytest

from flash_sale.catalog import (
    PRICE_MINOR_MAX,
    Product,
    ProductId,
    Sku,
    SkuId,
    is_displayable,
    is_id,
    is_web_address,
)


def product(**changes: Any) -> Product:
    fields: dict[str, Any] = {
        "id": ProductId("tea"),
        "title": "Spring tea 春茶",
        "price_minor": 9900,
        "currency": "CNY",
    }
    return Product(**(fields | changes))


def test_a_product_without_skus_is_its_own_only_sku() -> None:
    assert product().skus == (Sku(SkuId("tea"), "Spring tea 春茶", 9900),)


def test_skus_given_as_a_list_become_a_tuple_in_the_same_order() -> None:
    skus = [Sku(SkuId("s"), "Small", 100), Sku(SkuId("l"), "Large", 200)]
    assert product(skus=skus).skus == tuple(skus)


def test_two_skus_with_one_id_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^skus\.1\.sku: 'a' is given twice"):
        product(skus=(Sku(SkuId("a"), "One", 1), Sku(SkuId("a"), "Two", 2)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "has space"),
        ("id", "x" * 65),
        ("id", "line\n"),
        ("id", "茶"),
        ("id", 7),
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 121),
        ("title", "two\nlines"),
        ("title", "turned \u202e around"),
        ("title", "half \ud83d emoji"),
        ("title", None),
        ("price_minor", -1),
        ("price_minor", PRICE_MINOR_MAX + 1),
        ("price_minor", 9.5),
        ("price_minor", "99"),
        ("price_minor", True),
        ("currency", "cny"),
        ("currency", "RMB1"),
        ("currency", "CNY\n"),
        ("currency", None),
        ("image_url", "javascript:alert(1)"),
        ("image_url", "//elsewhere.example/a.png"),
        ("image_url", "x" * 1001),
        ("image_url", None),
    ],
)
def test_a_bad_field_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        product(**{field: value})


def test_a_price_of_nothing_and_the_largest_price_are_allowed() -> None:
    assert product(price_minor=0).price_minor == 0
    assert product(price_minor=PRICE_MINOR_MAX).price_minor == PRICE_MINOR_MAX


@pytest.mark.parametrize(
    ("field", "value"), [("sku", "a b"), ("title", ""), ("price_minor", -1), ("price_minor", True)]
)
def test_a_bad_sku_field_is_refused_by_its_name(field: str, value: object) -> None:
    fields: dict[str, Any] = {"sku": "a", "title": "A", "price_minor": 1} | {field: value}
    with pytest.raises(ValueError, match=f"^{field}: "):
        Sku(**fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/static/tea.png",
        "/",
        "https://cdn.example/a.png?w=1#top",
        "http://127.0.0.1:8080/x.m3u8",
        "https://图片.example/茶.png",
        "https://cdn.example",
    ],
)
def test_web_addresses_and_own_paths_are_accepted(text: str) -> None:
    assert is_web_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example/a.png",
        "/\\evil.example",
        "data:text/html,x",
        "https://",
        "https:///path",
        "https://user@evil.example/",
        'https://a.example/"onload=',
        "https://a.example/two words",
        "ftp://a.example/x",
        "tea.png",
        "https://a.example/\u202e",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    assert not is_web_address(text)


@pytest.mark.parametrize("text", ["春茶　礼盒", "👨\u200d👩\u200d👧", "café", "שלום", "🫨"])
def test_ordinary_text_of_any_language_is_displayable(text: str) -> None:
    assert is_displayable(text)


@pytest.mark.parametrize("text", ["a\x00b", "a\tb", "\u2066a", "a\u200bb", "\ud800", "a\u2028b"])
def test_invisible_or_broken_text_is_not_displayable(text: str) -> None:
    assert not is_displayable(text)


def test_an_id_has_at_least_one_and_at_most_64_plain_characters() -> None:
    assert is_id("a")
    assert is_id("Z_-9" * 16)
    assert not is_id("a" * 65)
    assert not is_id("a\n")
