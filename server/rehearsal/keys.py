"""The secrets of one rehearsal: made from the server's own, so that every worker knows them.

None is stored anywhere. With a run's secrets nobody can find the server's, nor another run's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

from server.settings import Settings

RUN_PREFIX: Final = "rh-"
RUN_PATTERN: Final = r"^rh-[0-9a-f]{8}$"

TOKENS: Final = "tokens"  # signs the tokens of the shadow shop
KEY: Final = "key"  # API key of the shadow shop, key of the run, and its payments' secret
SHARES: Final = "shares"  # signs share codes of the shadow shop


def new_run() -> str:
    """The id of a rehearsal: `rh-` and eight hex digits."""
    return RUN_PREFIX + secrets.token_hex(4)


def is_run(text: str) -> bool:
    return re.fullmatch(RUN_PATTERN, text) is not None


def is_reserved(text: str) -> bool:
    """Whether an id, of whatever it be, may belong to rehearsals only."""
    return text.startswith(RUN_PREFIX)


def user_of(number: int) -> str:
    """The id of somebody in a rehearsal: `rh-u000001` is the first."""
    return f"{RUN_PREFIX}u{number:06d}"


def root_secret(settings: Settings) -> str:
    """What the secrets of this server's rehearsals are made from; never given to anybody."""
    return settings.token_secret or settings.api_key


def run_secret(secret: str, run: str, purpose: str) -> str:
    """64 hex digits for one purpose of one run; `secret` is `root_secret` of the server."""
    text = f"onair rehearsal\0{run}\0{purpose}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
