"""Figures as columns of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns lined up; the first word-like column left, numbers right."""
    widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if head == "server" else cell.rjust(width)
            for cell, width, head in zip(row, widths, header, strict=True)
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def times(value: float, ours: float) -> str:
    """How many times ours a figure is."""
    return f"{value / ours:.2f}x" if ours else "-"
