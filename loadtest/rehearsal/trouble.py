"""What ends a rehearsal before it has found anything, and that somebody can mend."""

from __future__ import annotations


class Trouble(Exception):
    """One line for whoever started the rehearsal: what is wrong, and what to change."""


class CutShort(Exception):
    """The rehearsal was told to stop; the text says by whom. What it measured proves nothing."""
