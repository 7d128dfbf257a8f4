"""QR codes as pictures: black on white, with the quiet zone that readers need."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from io import BytesIO
from typing import Final

import segno

QUIET_MODULES: Final = 4
PNG_PIXELS_PER_MODULE: Final = 12
PICTURES_REMEMBERED_MAX: Final = 512  # a few kilobytes each
MEDIA_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}


class QrCodes:
    """Pictures by address. One takes 20 ms to make: aside, one at a time; the newest are kept."""

    def __init__(self, remembered_max: int = PICTURES_REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._drawing = asyncio.Lock()
        self._remembered: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def picture(self, text: str, kind: str) -> bytes:
        """The picture of a text, `kind` svg or png: readable with 15 % of it covered."""
        known = self._remembered.get((text, kind))
        if known is not None:
            self._remembered.move_to_end((text, kind))
            return known
        async with self._drawing:
            if (text, kind) not in self._remembered:  # nobody has asked for the same meanwhile
                self._remembered[text, kind] = await asyncio.to_thread(_drawn, text, kind)
            picture = self._remembered[text, kind]
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)
        return picture


def _drawn(text: str, kind: str) -> bytes:
    code = segno.make_qr(text, error="m")
    picture = BytesIO()
    if kind == "svg":  # without a size of its own: it fills the place it is given
        code.save(
            picture, kind="svg", border=QUIET_MODULES, light="#fff", xmldecl=False, omitsize=True
        )
    else:
        code.save(picture, kind="png", border=QUIET_MODULES, scale=PNG_PIXELS_PER_MODULE)
    return picture.getvalue()
