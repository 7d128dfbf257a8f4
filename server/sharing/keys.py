"""Keys for what the server signs beside tokens: share codes, and whatever comes later."""

from __future__ import annotations

import hmac

from server.settings import Settings


def derived_key(settings: Settings, purpose: str) -> bytes:
    """32 bytes for one `purpose`, the same on every worker, useless for any other purpose.

    From ONAIR_SHARE_SECRET, or the token secret, or the API key: the first that is set. Without
    a share secret of its own, what was signed ends when the token secret is changed.
    """
    secret = settings.share_secret or settings.token_secret or settings.api_key
    return hmac.digest(secret.encode(), f"onair {purpose}".encode(), "sha256")
