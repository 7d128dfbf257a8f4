"""The filter: one question about one text, answered without looking at anything else.

The pipeline: hidden characters first, on the text as it is; then the text is folded once
(`fold`), and each matcher reads the folded views. Nothing here changes or stores a text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from rooms.text_filter.accounts import HIDDEN_NAMES, find_accounts, find_emails, is_bait
from rooms.text_filter.automaton import Automaton, Match
from rooms.text_filter.findings import Finding, Reason
from rooms.text_filter.fold import Folded
from rooms.text_filter.hidden import find_hidden
from rooms.text_filter.links import find_links
from rooms.text_filter.numbers import find_numbers
from rooms.text_filter.words import parse_words

EXCERPT_CHARS_MAX: Final = 24
_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}+(?:\.[a-z0-9-]{1,63}+){1,8}+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text may be shown; if not, the reason and the piece of the text that caused it.

    `excerpt` is cut to `EXCERPT_CHARS_MAX` characters of the original text; a hidden character is
    named by its code point (`U+200B`).
    """

    accepted: bool
    reason: Reason | None = None
    excerpt: str = ""


ACCEPTED: Final = Verdict(accepted=True)


class TextFilter:
    """Judges comments. Immutable after construction: one may serve all rooms and threads.

    `blocked_words` are refused, in any disguise `docs/FILTER.md` lists. Links to `allowed_domains`
    and their subdomains pass. A finding inside one of the `allowed_words` is ignored: a shop's own
    hotline, or a brand that contains a blocked word. Raises `ValueError` naming a bad entry.
    """

    def __init__(
        self,
        blocked_words: Iterable[str],
        *,
        allowed_domains: Iterable[str] = (),
        allowed_words: Iterable[str] = (),
    ) -> None:
        self._blocked = dict.fromkeys(blocked_words)
        self._allowed = dict.fromkeys(allowed_words)
        self._allowed_domains = frozenset(map(_domain, allowed_domains))
        self._words = Automaton((*self._blocked, *self._allowed, *HIDDEN_NAMES))

    @staticmethod
    def parse(lines: Iterable[str | bytes]) -> tuple[str, ...]:
        """The words of a word file, for `blocked_words`. Raises `BadWordList` naming the line."""
        return parse_words(lines)

    def check(self, text: str) -> Verdict:
        """Judge one comment. Never raises, never waits; the same text gets the same verdict."""
        if not text:
            return ACCEPTED
        hidden = find_hidden(text)
        if hidden is not None:
            reason, begin, finish = hidden
            return Verdict(False, reason, f"U+{ord(text[begin:finish][0]):04X}")
        folded = Folded(text)
        if not folded.words:
            return ACCEPTED
        matches = list(self._words.find(folded))
        allowed = _merged(match for match in matches if match.word in self._allowed)
        for finding in self._findings(folded, matches):
            if not _is_inside(finding, allowed):
                return self._refusal(folded, finding)
        return ACCEPTED

    def _findings(self, folded: Folded, matches: list[Match]) -> Iterator[Finding]:
        yield from find_emails(folded)
        yield from find_links(folded, self._allowed_domains)
        yield from find_accounts(folded)
        for match in matches:
            if match.word in HIDDEN_NAMES and is_bait(folded, match):
                yield Finding(Reason.CONTACT_ACCOUNT, match.begin, match.finish)
        yield from find_numbers(folded)
        for match in matches:
            if match.word in self._blocked:
                yield Finding(Reason.BLOCKED_WORD, match.begin, match.finish)

    def _refusal(self, folded: Folded, finding: Finding) -> Verdict:
        begin, finish = folded.original_span(finding.begin, finding.finish)
        excerpt = folded.original[begin:finish][:EXCERPT_CHARS_MAX]
        return Verdict(False, finding.reason, excerpt)


def _merged(matches: Iterable[Match]) -> list[tuple[int, int]]:
    """The places of the matches in order, overlapping ones as one."""
    places: list[tuple[int, int]] = []
    for begin, finish in sorted((match.begin, match.finish) for match in matches):
        if places and begin <= places[-1][1]:
            places[-1] = (places[-1][0], max(finish, places[-1][1]))
        else:
            places.append((begin, finish))
    return places


def _is_inside(finding: Finding, places: list[tuple[int, int]]) -> bool:
    index = bisect_right(places, finding.begin, key=itemgetter(0)) - 1
    return index >= 0 and finding.finish <= places[index][1]


def _domain(text: str) -> str:
    domain = text.strip().lower()
    if _DOMAIN.fullmatch(domain) is None:
        raise ValueError(f"{text!r} is not a domain name such as shop.example")
    return domain
