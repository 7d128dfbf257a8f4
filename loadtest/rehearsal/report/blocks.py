"""What a page is made of. Plain text everywhere: the template escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Cell:
    """`css` is good, bad, unsure or nothing; `small` lines stand below the text."""

    text: str
    css: str = ""
    small: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The first `left` columns are words, the others figures, but for those in `words`.

    `stacked`: on a narrow screen each row is a list of its own.
    """

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    left: int = 1
    words: frozenset[int] = frozenset()
    stacked: bool = False
    kind: str = field(default="table", init=False)

    def cells(self) -> list[list[Cell]]:
        return [[one if isinstance(one, Cell) else Cell(one) for one in row] for row in self.rows]

    def is_figure(self, column: int) -> bool:
        return column >= self.left and column not in self.words


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, its name, its colours, and the table behind it, if none stands below."""

    id: str
    caption: str
    note: str
    svg: Markup
    legend: Sequence[tuple[str, str]]  # colour's class, what it stands for
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Side by side where there is room."""

    figures: Sequence[Figure]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True, slots=True)
class Note:
    """`css` is good, bad, unsure, loud or nothing."""

    text: str
    css: str = ""
    kind: str = field(default="note", init=False)


@dataclass(frozen=True, slots=True)
class Fact:
    term: str
    text: str
    css: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Short answers to short questions. `css`: `big` ones are read from afar, `wide` are long."""

    facts: Sequence[Fact]
    css: str = ""
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True, slots=True)
class Code:
    """Something to copy. With a `summary` it is folded away."""

    text: str
    summary: str = ""
    kind: str = field(default="code", init=False)


Block = Table | Figures | Note | Facts | Heading | Code


@dataclass(frozen=True, slots=True)
class Section:
    id: str
    heading: str
    lead: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """The report in one language."""

    language: str
    other: str  # the language that the switch leads to
    words: dict[str, str]  # what the page says around its figures
    title: str
    document: str
    facts: Sequence[Fact]
    verdict: str
    sentence: str
    first_limit: str
    reasons: Sequence[Cell]
    tiles: Sequence[Fact]
    loud: str
    sections: Sequence[Section]
