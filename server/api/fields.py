"""The kinds of values that requests are made of, each checked in one place."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from flash_sale.catalog import (
    ID_PATTERN,
    IMAGE_URL_CHARS_MAX,
    TITLE_CHARS_MAX,
    is_displayable,
    is_id,
    is_web_address,
)
from rooms.model import EVERY_ROOM

USER_CHARS_MAX = 255
CHANNEL_CHARS_MAX = 255
THEIR_ID_CHARS_MAX = 255
_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and symbols that show nothing


class Strict(BaseModel):
    """A request body: no unknown fields, no guessing of types, no blanks around text."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


def _check_id(value: str) -> str:
    if not is_id(value):
        raise ValueError("must be 1 to 64 characters of A-Z a-z 0-9 _ -")
    return value


def _check_room(value: str) -> str:
    return value if value == EVERY_ROOM else _check_id(value)


def _check_title(value: str) -> str:
    if not 1 <= len(value) <= TITLE_CHARS_MAX:
        raise ValueError(f"must be 1 to {TITLE_CHARS_MAX} characters")
    return _check_line(value)


def _check_line(value: str) -> str:
    if not is_displayable(value):
        raise ValueError("must not contain control or direction characters")
    return value


def _check_user(value: str) -> str:
    if not 1 <= len(value) <= USER_CHARS_MAX:
        raise ValueError(f"must be 1 to {USER_CHARS_MAX} characters")
    return _check_line(value)


def _check_channel(value: str) -> str:
    if not 1 <= len(value) <= CHANNEL_CHARS_MAX:
        raise ValueError(f"must be 1 to {CHANNEL_CHARS_MAX} characters")
    return _check_line(value)


def _check_their_id(value: str) -> str:
    if not 1 <= len(value) <= THEIR_ID_CHARS_MAX:
        raise ValueError(f"must be 1 to {THEIR_ID_CHARS_MAX} characters")
    return _check_line(value)


def _check_address(value: str) -> str:
    if len(value) > IMAGE_URL_CHARS_MAX or not is_web_address(value):
        raise ValueError(
            "must be empty, an https:// or http:// address, or a path that begins with /, "
            f"of at most {IMAGE_URL_CHARS_MAX} characters"
        )
    return value


Id = Annotated[
    str, AfterValidator(_check_id), WithJsonSchema({"type": "string", "pattern": ID_PATTERN})
]
RoomGrant = Annotated[
    str,
    AfterValidator(_check_room),
    WithJsonSchema({"type": "string", "pattern": r"^([A-Za-z0-9_-]{1,64}|\*)$"}),
]
Title = Annotated[
    str,
    AfterValidator(_check_title),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX}),
]
User = Annotated[
    str,
    AfterValidator(_check_user),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": USER_CHARS_MAX}),
]
Channel = Annotated[
    str,
    AfterValidator(_check_channel),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": CHANNEL_CHARS_MAX}),
    Field(description="`room:<id>`", examples=["room:demo"]),
]
# An id that others choose: of a request, a payment, an event.
TheirId = Annotated[
    str,
    AfterValidator(_check_their_id),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": THEIR_ID_CHARS_MAX}),
]
Line = Annotated[str, AfterValidator(_check_line), WithJsonSchema({"type": "string"})]
WebAddress = Annotated[
    str,
    AfterValidator(_check_address),
    WithJsonSchema({"type": "string", "maxLength": IMAGE_URL_CHARS_MAX}),
]

RoomIdInPath = Annotated[str, Path(description="The room's id.", examples=["demo"])]
ProductIdInPath = Annotated[str, Path(description="The product's id.", examples=["tea-01"])]
SaleIdInPath = Annotated[str, Path(description="The sale's id.", examples=["spring-sale"])]
LadderIdInPath = Annotated[str, Path(description="The ladder's id.", examples=["spring-friends"])]
BatchIdInPath = Annotated[str, Path(description="The batch's id.", examples=["spring-10"])]
PersonInPath = Annotated[
    str, Path(max_length=USER_CHARS_MAX, description="The user's id.", examples=["bob"])
]
OrderIdInPath = Annotated[
    str, Path(description="The order's id.", examples=["spring-sale.91ea3b56a83434804b11b3e6"])
]


def tidy_name(text: str, chars_max: int) -> str:
    """A person's name with blanks collapsed; `ValueError` says what is wrong with it.

    A name must show something, and must not turn the text around it: it stands beside comments.
    """
    name = re.sub(r"\s+", " ", text).strip()
    if not 1 <= len(name) <= chars_max:
        raise ValueError(f"must be 1 to {chars_max} characters")
    if not is_displayable(name):
        raise ValueError("must not contain control or direction characters")
    if not any(_can_be_seen(character) for character in name):
        raise ValueError("must contain a character that can be seen")
    return name


def _can_be_seen(character: str) -> bool:
    # Cn holds the emoji of a Unicode version that is newer than this Python's.
    category = unicodedata.category(character)
    return (category[0] in "LNPS" or category == "Cn") and character not in _BLANK_LETTERS
