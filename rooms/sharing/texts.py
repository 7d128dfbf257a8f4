"""What people may say when they pass a link on, in every language. Plain words, no promises.

A text holds `{url}` where the link's whole address belongs: where a page is open, only the page
knows. None of them speaks of a reward, so that each may be used in every channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rooms.sharing.sources import TargetKind

URL: Final = "{url}"
QUOTE_CHARS_MAX: Final = 80
SMS: Final = "sms"  # a text message is signed with the shop's name


@dataclass(frozen=True, slots=True)
class Shared:
    """What a link shows: the names that its texts and its preview are made of."""

    brand: str
    room: str  # its title
    kind: TargetKind = TargetKind.ROOM
    product: str = ""  # its title
    quote_name: str = ""  # masked
    quote_text: str = ""


def share_texts(shared: Shared, channel: str) -> dict[str, list[str]]:
    """Texts by language, the best first. Text from people stands in them as it was written, but
    for what would be taken for the place of the address.
    """
    names = ("brand", "room", "product", "quote_name", "quote_text")
    plain = {name: getattr(shared, name).replace(URL, "(url)") for name in names}
    chinese, english = _texts(replace(shared, **plain))
    if channel == SMS:
        chinese = [f"【{shared.brand}】{text}" for text in chinese]
        english = [f"{shared.brand}: {text}" for text in english]
    return {"zh-CN": chinese, "en": english}


def _texts(shared: Shared) -> tuple[list[str], list[str]]:
    room, brand = shared.room, shared.brand
    match shared.kind:
        case TargetKind.PRODUCT:
            product = shared.product
            return (
                [
                    f"在「{room}」直播间看到「{product}」，你也看看：{URL}",
                    f"「{product}」| {brand}直播间 {URL}",
                ],
                [
                    f"Found “{product}” in the live show “{room}”. Have a look: {URL}",
                    f"{product}, live at {brand}: {URL}",
                ],
            )
        case TargetKind.COMMENT:
            who, said = shared.quote_name, shortened(shared.quote_text)
            return (
                [
                    f"「{room}」直播间里有人说：“{said}” 来看看：{URL}",
                    f"{who}：“{said}”| {brand}直播间 {URL}",
                ],
                [
                    f"Somebody in the live show “{room}” said: “{said}” Have a look: {URL}",
                    f"{who}: “{said}”, live at {brand}: {URL}",
                ],
            )
        case TargetKind.ROOM:
            return (
                [f"我在看直播「{room}」，一起来：{URL}", f"「{room}」| {brand}直播间 {URL}"],
                [f"I am watching “{room}” live. Join me: {URL}", f"{room}, live at {brand}: {URL}"],
            )


def shortened(text: str) -> str:
    """A quote on one line, with … where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARS_MAX else f"{line[: QUOTE_CHARS_MAX - 1].rstrip()}…"
