"""The disk that a rehearsal shares with the shop: who sells must not run out of it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 2.0
SHORT_PERCENT: Final = 50  # of what must be free at the beginning


def shortage(directory: Path, bytes_min: int) -> str:
    """Why a rehearsal has no room there, or empty. Raises `OSError`."""
    free = shutil.disk_usage(directory).free
    if free >= bytes_min:
        return ""
    return f"the disk of {directory} has {free} bytes left, {bytes_min} are needed"


async def until_short(directory: Path, bytes_min: int) -> str:
    """Wait until too little is left for a rehearsal that is on; why. Raises `OSError`."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        why = await asyncio.to_thread(shortage, directory, bytes_min * SHORT_PERCENT // 100)
        if why:
            return why
