"""Goods as the shop describes them: products, their variants and what they cost.

Knows the rules of ids and money; refuses to know stock, sales, storage and JSON.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NewType

ProductId = NewType("ProductId", str)
SkuId = NewType("SkuId", str)

ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
TITLE_CHARS_MAX = 120
IMAGE_URL_CHARS_MAX = 1_000
# Amounts travel through JavaScript, which counts exactly up to 2**53; a basket sums many of them.
PRICE_MINOR_MAX = 1_000_000_000_000

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Control, formatting (direction overrides are here), surrogate, private use, line separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # formatting too, but emoji families and several scripts need them


@dataclass(frozen=True, slots=True)
class Sku:
    """One variant of a product that can be bought by itself. Bad fields raise `ValueError`."""

    sku: SkuId
    title: str
    price_minor: int

    def __post_init__(self) -> None:
        _check_id("sku", self.sku)
        _check_title("title", self.title)
        _check_price("price_minor", self.price_minor)


@dataclass(frozen=True, slots=True)
class Product:
    """Something a room shows and sells; money is whole minor units of one currency.

    `skus` is never empty: given none, the product itself is its only one, under its own id.
    A bad field raises `ValueError` whose text is `<field>: <why>`.
    """

    id: ProductId
    title: str
    price_minor: int
    currency: str
    image_url: str = ""
    skus: tuple[Sku, ...] = ()

    def __post_init__(self) -> None:
        _check_id("id", self.id)
        _check_title("title", self.title)
        _check_price("price_minor", self.price_minor)
        if not isinstance(self.currency, str) or not _CURRENCY.fullmatch(self.currency):
            raise ValueError("currency: must be three capital letters such as CNY")
        _check_image_url(self.image_url)
        skus = tuple(self.skus) or (Sku(SkuId(self.id), self.title, self.price_minor),)
        seen: set[str] = set()
        for number, sku in enumerate(skus):
            if sku.sku in seen:
                raise ValueError(f"skus.{number}.sku: {sku.sku!r} is given twice")
            seen.add(sku.sku)
        object.__setattr__(self, "skus", skus)


def is_id(text: str) -> bool:
    """True if `text` may be an id of a product or sku: 1 to 64 of A-Z a-z 0-9 _ and -."""
    return _ID.fullmatch(text) is not None


def is_displayable(text: str) -> bool:
    """True if one line of text shows on a screen as it was typed: no control characters,
    nothing that turns the reading direction, no lone surrogates (they cannot be stored).
    """
    if text.isascii():
        return text.isprintable()
    return not any(
        unicodedata.category(character) in _UNSAFE_CATEGORIES and character not in _JOINERS
        for character in text
    )


def is_web_address(text: str) -> bool:
    """True for "", an http(s) address with a host, or a path on this server.

    `//host` and a backslash are refused: a browser reads both as another site.
    """
    if text == "":
        return True
    if not is_displayable(text) or any(character in ' "<>\\^`{|}' for character in text):
        return False
    if text.startswith("/"):
        return not text.startswith("//")
    return re.match(r"https?://[^/?#@]+([/?#]|$)", text) is not None


def _check_id(name: str, value: object) -> None:
    if not isinstance(value, str) or not is_id(value):
        raise ValueError(f"{name}: must be 1 to 64 characters of A-Z a-z 0-9 _ -")


def _check_title(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: must not be empty")
    if len(value) > TITLE_CHARS_MAX:
        raise ValueError(f"{name}: must be at most {TITLE_CHARS_MAX} characters")
    if not is_displayable(value):
        raise ValueError(f"{name}: must not contain control or direction characters")


def _check_price(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: must be a whole number of minor units")
    if not 0 <= value <= PRICE_MINOR_MAX:
        raise ValueError(f"{name}: must be 0 to {PRICE_MINOR_MAX}")


def _check_image_url(value: object) -> None:
    if not isinstance(value, str) or len(value) > IMAGE_URL_CHARS_MAX:
        raise ValueError(f"image_url: must be text of at most {IMAGE_URL_CHARS_MAX} characters")
    if not is_web_address(value):
        raise ValueError("image_url: must be empty, https://..., http://... or a path from /")
