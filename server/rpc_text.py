"""Text that people send: cleaned and judged by the room's rules, with errors of the protocol."""

from __future__ import annotations

from rooms.text_filter import Reason, TextEmpty, TextFilter, TextTooLong, clean
from server.replies import bad_field, rejected, too_long

# What a person is told. The word in brackets is stable: pages translate by it.
_EXPLANATIONS = {
    Reason.BLOCKED_WORD: "holds a word that is not allowed here",
    Reason.CONTACT_NUMBER: "holds a phone or account number",
    Reason.CONTACT_ACCOUNT: "asks people to another messenger",
    Reason.LINK: "holds a link",
    Reason.INVISIBLE: "holds invisible characters",
    Reason.CONTROL: "holds control characters",
}


def cleaned(field: str, text: str, chars_max: int) -> str:
    """Normalised text; error 400 when nothing is left of it, 413 when it is too long."""
    try:
        return clean(text, chars_max)
    except TextEmpty:
        raise bad_field(field, "is empty") from None
    except TextTooLong:
        raise too_long(field, chars_max) from None


def judged(field: str, text: str, text_filter: TextFilter) -> None:
    """Error 422 says which kind of rule the text breaks, without teaching how to get around it."""
    why = objection(text, text_filter)
    if why is not None:
        raise rejected(f"{field}: {why}")


def objection(text: str, text_filter: TextFilter) -> str | None:
    """Why a text may not be shown, or None."""
    reason = text_filter.check(text).reason
    return None if reason is None else f"{_EXPLANATIONS[reason]} ({reason})"
