"""What the outcome of a request says: done, refused by the rules, failed, or nobody knows. Pure."""

from __future__ import annotations

import re
from typing import Final

from loadtest.rehearsal.records import OK, UNKNOWN

RESERVED: Final = "reserved"
QUEUED: Final = "queued"
SOLD_OUT: Final = "sold_out"
NOT_STARTED: Final = "not_started"
# Answers to a purchase. The same request gets the same one, for ever.
REFUSALS: Final = frozenset((NOT_STARTED, "paused", "ended", SOLD_OUT, "limit_reached"))
DECISIONS: Final = frozenset((RESERVED, QUEUED)) | REFUSALS
# The order has ended; the room's rules; too fast.
BY_THE_RULES: Final = frozenset(("error 409", "error 422", "error 429"))


def is_error(outcome: str) -> bool:
    """Whether the server failed at it. What the rules refuse is no error."""
    return outcome != OK and outcome not in DECISIONS and outcome not in BY_THE_RULES


def is_unsure(outcome: str) -> bool:
    """Whether it may have taken effect all the same: no answer, or a fault of the server.

    An error of 400 to 499 is a refusal; it changed nothing.
    """
    if outcome == UNKNOWN:
        return True
    return is_error(outcome) and re.fullmatch(r"error 4\d\d", outcome) is None
