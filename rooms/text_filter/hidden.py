"""Finds characters that are no text: control characters, and characters nobody can see.

Judges the original text, before folding, because folding drops these characters.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rooms.text_filter.findings import Reason

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTION: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE: Final = re.compile(
    r"[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f"
    r"\u3164\ufeff\uffa0\ufff0-\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SUSPECT: Final = re.compile(
    "|".join(pattern.pattern for pattern in (_CONTROL, _DIRECTION, _INVISIBLE)).replace("]|[", "")
)
_INVISIBLES: Final = re.compile(_INVISIBLE.pattern + "++")
_FLAG_TAGS: Final = re.compile(r"\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_JOINERS: Final = frozenset("\u200c\u200d")
_SCRIPTS_WITH_JOINERS: Final = (range(0x0600, 0x0E00), range(0x1780, 0x1800))
_IN_EMOJI: Final = frozenset({"So", "Sk", "Mn", "Me"})
_STRAY_MAX: Final = 2


def find_hidden(text: str) -> tuple[Reason, int, int] | None:
    """The first character that must not be in a comment, as reason, begin and end.

    Joiners stay where writing needs them: inside emoji and in the scripts that use them. A stray
    invisible character at the edge of a word is what copying leaves behind and is let pass.
    """
    if _SUSPECT.search(text) is None:
        return None
    if (found := _CONTROL.search(text)) is not None:
        return Reason.CONTROL, found.start(), found.end()
    if (found := _DIRECTION.search(text)) is not None:
        return Reason.INVISIBLE, found.start(), found.end()
    if _INVISIBLE.search(text) is None:
        return None
    without_flags = _FLAG_TAGS.sub(lambda flag: "\U0001f3f4" * len(flag.group()), text)
    strays = 0
    for run in _INVISIBLES.finditer(without_flags):
        if _is_needed(without_flags, run.start(), run.end()):
            continue
        strays += run.end() - run.start()
        if strays > _STRAY_MAX or not _is_at_edge(without_flags, run.start(), run.end()):
            return Reason.INVISIBLE, run.start(), run.end()
    return None


def _is_needed(text: str, begin: int, end: int) -> bool:
    """Whether a joiner joins an emoji or the letters of a script that has joining forms."""
    if end - begin > 1 or text[begin] not in _JOINERS or begin == 0 or end == len(text):
        return False
    before, after = text[begin - 1], text[end]
    if any(ord(before) in script for script in _SCRIPTS_WITH_JOINERS):
        return True
    return (
        unicodedata.category(before) in _IN_EMOJI
        and unicodedata.category(after) in _IN_EMOJI
        and not after.isalnum()
    )


def _is_at_edge(text: str, begin: int, end: int) -> bool:
    """Whether a run of format characters (not of blank letters) stands beside no letter."""
    is_inside = begin > 0 and end < len(text) and text[begin - 1].isalnum() and text[end].isalnum()
    return not is_inside and all(unicodedata.category(c) == "Cf" for c in text[begin:end])
