"""The usual case of what comes in: one read that is exactly one small text frame of a client.

Everything else is left to the full parser. Lengths are as in RFC 6455 section 5.2.
"""

from __future__ import annotations

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
