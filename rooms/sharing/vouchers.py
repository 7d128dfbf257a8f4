"""Codes of vouchers: short enough to be typed, and signed, so that one is checked without a query.

A code is `XXXX-XXXX-XXXX`: 35 bits that name the voucher and 25 bits that only the key's holder
can add. Letters that look like digits are none of it.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final

SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES: Final = str.maketrans("OIL", "011")
_NAME_BITS: Final = 35
_SEAL_BITS: Final = 25
_BITS: Final = 5  # of a symbol
_LENGTH: Final = (_NAME_BITS + _SEAL_BITS) // _BITS
_GROUP: Final = 4


def voucher_code(key: bytes, grant: str, attempt: int = 0) -> str:
    """The code of a grant; another one for each `attempt`, for when a code is taken already."""
    name = _bits(key, f"name {attempt} {grant}", _NAME_BITS)
    return _spelled(name << _SEAL_BITS | _seal(key, name))


def checked_code(key: bytes, typed: str) -> str | None:
    """A typed code as it was printed, or None if this key has not signed it.

    Case, blanks, dashes, and O, I and L for 0 and 1 do not matter.
    """
    plain = typed.upper().translate(_LOOKALIKES)
    symbols = [symbol for symbol in plain if not symbol.isspace() and symbol not in "-‐–—"]
    if len(symbols) != _LENGTH or any(symbol not in SYMBOLS for symbol in symbols):
        return None
    value = 0
    for symbol in symbols:
        value = value << _BITS | SYMBOLS.index(symbol)
    name, seal = value >> _SEAL_BITS, value & ((1 << _SEAL_BITS) - 1)
    expected = _seal(key, name)
    same = hmac.compare_digest(seal.to_bytes(4, "big"), expected.to_bytes(4, "big"))
    return _spelled(value) if same else None


def _seal(key: bytes, name: int) -> int:
    return _bits(key, f"seal {name}", _SEAL_BITS)


def _bits(key: bytes, text: str, bits: int) -> int:
    digest = blake2b(text.encode(), digest_size=8, key=key, person=b"onair voucher").digest()
    return int.from_bytes(digest, "big") >> (64 - bits)


def _spelled(value: int) -> str:
    symbols = [SYMBOLS[value >> _BITS * place & 31] for place in reversed(range(_LENGTH))]
    groups = [symbols[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP)]
    return "-".join("".join(group) for group in groups)
