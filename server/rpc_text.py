"""Text that people send: cleaned by the room's rules, with errors of the protocol."""

from __future__ import annotations

from rooms.text_filter import EmptyText, TextTooLong, clean
from server.replies import bad_field, too_long


def cleaned(field: str, text: str, chars_max: int) -> str:
    """Normalised text; error 400 when nothing is left of it, 413 when it is too long."""
    try:
        return clean(text, chars_max)
    except EmptyText:
        raise bad_field(field, "is empty") from None
    except TextTooLong:
        raise too_long(field, chars_max) from None
