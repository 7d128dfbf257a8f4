"""Fields of client commands: their types and bounds, with error 107 naming the field."""

from __future__ import annotations

from typing import Any

from server.replies import bad_command


def text_of(request: dict[str, Any], field: str, *, most: int, least: int = 0) -> str:
    """A text field of a command, within its bounds; error 107 names the field."""
    value = request.get(field)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise bad_command(field, "must be a string")
    if not least <= len(value) <= most:
        raise bad_command(field, f"must have {least} to {most} characters")
    return value


def whole_of(request: dict[str, Any], field: str, *, most: int, least: int = 0) -> int:
    """A whole number of a command, within its bounds; error 107 names the field."""
    value = request.get(field)
    if value is None:
        value = 0
    if type(value) is not int or not least <= value <= most:
        raise bad_command(field, f"must be a whole number from {least} to {most}")
    return value


def flag_of(request: dict[str, Any], field: str) -> bool:
    """A boolean of a command; error 107 names the field."""
    value = request.get(field)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise bad_command(field, "must be true or false")
    return value
