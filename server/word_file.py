"""The comment filter as this server has it: the words of the package, and the merchant's own."""

from __future__ import annotations

from pathlib import Path

from rooms.text_filter import TextFilter, default_words
from server.settings import BadSetting

VARIABLE = "ONAIR_BLOCKED_WORDS_FILE"


def text_filter(file: Path | None) -> TextFilter:
    """The filter to go by. `BadSetting` names the file, and the line in it that is wrong."""
    words = list(default_words())
    if file is None:
        return TextFilter(words)
    try:
        with file.open("rb") as lines:
            words += TextFilter.parse(lines)
        return TextFilter(words)
    except OSError as error:
        raise BadSetting(VARIABLE, f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise BadSetting(VARIABLE, f"{file}: {error}") from error
