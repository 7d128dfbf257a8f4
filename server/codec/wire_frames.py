"""WebSocket frames, finished once: the same bytes go to everybody of one encoding.

An encoding is a number: codec x (all, quiet) x (plain, deflated). A quiet one leaves out what is
about rewards, for apps whose policy hides them. Server frames are unmasked (RFC 6455 section 5.1)
and compression has no context takeover (RFC 7692 section 7.1.1), so nothing else in a frame
depends on who reads it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

from rooms.frame import Frame
from rooms.log import Entry
from server.codec import Codec, Pulse
from server.codec.json_v2 import JsonCodec

JSON_PLAIN, JSON_DEFLATED = 0, 1
QUIET = 2  # added to either of them
ENCODINGS = 4
CODECS: tuple[Codec, ...] = (JsonCodec(),)
WINDOW_BITS = 12  # 4 KiB suffice for frames of this size; a smaller demand is declined

_TEXT_FIN, _TEXT_FIN_DEFLATED = 0x81, 0xC1
_PING_FIN = 0x89
_EMPTY = (b"",) * ENCODINGS


def codec_of(encoding: int) -> Codec:
    """The codec that a connection of this encoding speaks."""
    return CODECS[encoding // 4]


def encoding_of(*, deflated: bool, quiet: bool) -> int:
    """The encoding of a connection."""
    return (JSON_DEFLATED if deflated else JSON_PLAIN) | (QUIET if quiet else 0)


def text_frame(payload: bytes, *, deflated: bool = False) -> bytes:
    """One unmasked text frame, RFC 6455 section 5.2."""
    first = _TEXT_FIN_DEFLATED if deflated else _TEXT_FIN
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def ping_frame() -> bytes:
    """An empty ping frame, for clients that asked for native pings."""
    return bytes((_PING_FIN, 0))


def deflate(payload: bytes) -> bytes:
    """RFC 7692 section 7.2.1: raw deflate, flushed, without its last four bytes."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -WINDOW_BITS, 8)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


class FrameBuilder:
    """Builds the frame of one flush for the encodings that somebody reads."""

    def __init__(self, compress_bytes_min: int) -> None:
        self._compress_bytes_min = compress_bytes_min

    def build(
        self,
        channel: str,
        entries: Sequence[Entry],
        pulses: Sequence[Pulse],
        encodings: Iterable[int],
    ) -> Frame:
        """The stored entries first, then the pulse, as one WebSocket message.

        Quiet readers cost nothing but in a flush that has an incentive: else they share the bytes.
        """
        whole, lasting = list(_EMPTY), list(_EMPTY)
        plain: dict[int, tuple[bytes, bytes]] = {}
        for_quiet = [pulse for pulse in pulses if not pulse.is_incentive]
        hides = len(for_quiet) < len(pulses)
        for encoding in encodings:
            twin = encoding ^ QUIET
            if not hides and whole[twin]:
                whole[encoding], lasting[encoding] = whole[twin], lasting[twin]
                continue
            told = for_quiet if encoding & QUIET else pulses
            which = encoding & ~JSON_DEFLATED
            if which not in plain:
                codec = codec_of(encoding)
                kept = codec.publications(channel, entries)
                everything = codec.join(kept + codec.pulses(channel, told))
                plain[which] = (everything, codec.join(kept) if told else everything)
            finish = self._finish(deflated=bool(encoding & JSON_DEFLATED))
            everything, kept_bytes = plain[which]
            whole[encoding] = finish(everything)
            lasting[encoding] = finish(kept_bytes) if told else whole[encoding]
        return Frame(tuple(whole), tuple(lasting))

    def _finish(self, *, deflated: bool) -> Callable[[bytes], bytes]:
        def finish(payload: bytes) -> bytes:
            if not payload:
                return b""
            if deflated and len(payload) >= self._compress_bytes_min:
                return text_frame(deflate(payload), deflated=True)
            return text_frame(payload)

        return finish
