"""Judges what a comment may say: blocked words, contact bait, links, hidden characters.

Pure: no clock, no network, no state between calls. `default_words` alone reads a file.
"""

from rooms.text_filter.clean import TextEmpty, TextTooLong, clean
from rooms.text_filter.filter import EXCERPT_CHARS_MAX, TextFilter, Verdict
from rooms.text_filter.findings import Reason
from rooms.text_filter.words import BadWordList, default_words

__all__ = [
    "EXCERPT_CHARS_MAX",
    "BadWordList",
    "Reason",
    "TextEmpty",
    "TextFilter",
    "TextTooLong",
    "Verdict",
    "clean",
    "default_words",
]
