"""What a matcher hands to the filter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a comment is refused."""

    CONTROL = "control"
    INVISIBLE = "invisible"
    CONTACT_ACCOUNT = "contact_account"
    LINK = "link"
    CONTACT_NUMBER = "contact_number"
    BLOCKED_WORD = "blocked_word"


@dataclass(frozen=True, slots=True)
class Finding:
    """One offence: the reason, and where in the folded text it lies."""

    reason: Reason
    begin: int
    finish: int
