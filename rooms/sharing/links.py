"""Ids and codes of share links: what the same request always gives, and nobody can make up.

Pure: same key, same facts, same id. Knows no storage; whether a link exists is not said here.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from rooms.sharing.sources import Source, Target

ID_BYTES: Final = 8
SIGNATURE_BYTES: Final = 4
CODE_CHARS: Final = 16
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_ID_PURPOSE: Final = b"onair link"
_CODE_PURPOSE: Final = b"onair code"


def link_id(
    key: bytes, room: str, source: Source, target: Target, markups: Mapping[str, int]
) -> str:
    """The id of a link: 16 hexadecimal digits, the same for the same facts on every worker.

    `key` has 16 to 64 bytes. `source.link` is not looked at.
    """
    facts = [
        room,
        source.inviter,
        source.channel,
        source.campaign,
        source.staff,
        target.kind,
        target.id,
        target.at_ms,
        sorted(markups.items()),
    ]
    text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=ID_BYTES, key=key, person=_ID_PURPOSE).hexdigest()


def code_of(key: bytes, identity: str) -> str:
    """The code in the address of a link: 16 of A-Z a-z 0-9 _ -; its id and a signature."""
    plain = bytes.fromhex(identity)
    return urlsafe_b64encode(plain + _signature(key, plain)).decode()


def id_of(key: bytes, code: str) -> str | None:
    """The id that a code was made for; None for a code that this key has not signed."""
    if not _CODE.fullmatch(code):
        return None
    whole = urlsafe_b64decode(code)  # 12 bytes fill 16 characters: a code has one spelling
    plain, signature = whole[:ID_BYTES], whole[ID_BYTES:]
    return plain.hex() if hmac.compare_digest(signature, _signature(key, plain)) else None


def _signature(key: bytes, plain: bytes) -> bytes:
    return blake2b(plain, digest_size=SIGNATURE_BYTES, key=key, person=_CODE_PURPOSE).digest()
