"""The usual case of what comes in: one read that is one small text frame of a client, or several.

Everything else is left to the full parser. Lengths are as in RFC 6455 section 5.2.
"""

from __future__ import annotations

from enum import Enum

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without its compiled part
    from websockets.utils import apply_mask

_TEXT_FIN = 0x81
_MASKED = 0x80
_LENGTH = 0x7F
_IN_TWO_BYTES, _IN_EIGHT_BYTES = 126, 127
_MASK_BYTES = 4


def whole_text(data: bytes) -> bytes | None:
    """The message, if `data` is one whole, masked, uncompressed text frame below 64 KiB."""
    if len(data) < 2 or data[0] != _TEXT_FIN or not data[1] & _MASKED:
        return None
    size, start = data[1] & _LENGTH, 2
    if size == _IN_TWO_BYTES:
        size, start = int.from_bytes(data[2:4], "big"), 4
        if size < _IN_TWO_BYTES:
            return None
    elif size == _IN_EIGHT_BYTES:
        return None
    start += _MASK_BYTES
    if len(data) != start + size:
        return None
    return apply_mask(data[start:], data[start - _MASK_BYTES : start])


class End(Enum):
    """Why a search for whole text frames ended where it did."""

    PART = 1  # nothing is left, or the beginning of one more
    MORE = 2  # there may be more of them
    OTHER = 3  # what follows is for the full parser


def whole_texts(data: bytes, most: int, bytes_max: int) -> tuple[list[bytes], int, End]:
    """The messages of at most `most` whole, masked, uncompressed text frames of up to `bytes_max`.

    Also how many bytes they take, and what follows them. `data` begins with a frame.
    """
    messages: list[bytes] = []
    at, end = 0, len(data)
    while end - at >= 2:
        if data[at] != _TEXT_FIN or not data[at + 1] & _MASKED:
            return messages, at, End.OTHER
        if len(messages) == most:
            return messages, at, End.MORE
        size, start = data[at + 1] & _LENGTH, at + 2
        if size == _IN_EIGHT_BYTES:
            return messages, at, End.OTHER
        if size == _IN_TWO_BYTES:
            if end < at + 4:
                break
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            if size < _IN_TWO_BYTES:
                return messages, at, End.OTHER
        if size > bytes_max:
            return messages, at, End.OTHER
        start += _MASK_BYTES
        if start + size > end:
            break
        mask = data[start - _MASK_BYTES : start]
        messages.append(apply_mask(data[start : start + size], mask))
        at = start + size
    return messages, at, End.PART


def ends_with_a_frame(data: bytes) -> bool:
    """Whether frames end where `data`, which begins with a frame, ends."""
    at, end = 0, len(data)
    while at < end:
        if at + 2 > end:
            return False
        size, masked = data[at + 1] & _LENGTH, data[at + 1] & _MASKED
        at += 2
        if size >= _IN_TWO_BYTES:
            width = 2 if size == _IN_TWO_BYTES else 8
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        at += size + (_MASK_BYTES if masked else 0)
    return at == end
