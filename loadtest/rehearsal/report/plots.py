"""Pictures of figures as inline SVG: lines and stacked bars on two axes.

Knows nothing of rehearsals. Colours are classes; the page's style sheet has them, for light, dark
and paper. Everything that comes in is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from loadtest.rehearsal.report.words import number

WIDTH: Final = 480
HEIGHT: Final = 246
LEFT: Final = 54
RIGHT: Final = 14
TOP: Final = 50
BOTTOM: Final = 34
TICKS: Final = 5
POINTS_MAX: Final = 240  # of one line; more are thinned, each group keeping its highest
BAR_SHARE: Final = 0.78  # of its place that a bar fills
MARK_ROWS: Final = 2  # names of marks, one above the other
ROW_HEIGHT: Final = 21

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """`css` is its colour's class. A value of None is a gap."""

    css: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts from below, by the class of their colour."""

    x: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a name above it, to its right if there is room."""

    x: float
    text: str
    css: str = "mark"
    is_left: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A time that is shaded."""

    begins: float
    ends: float
    css: str = "band"


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line, such as a target."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """From figures to the picture, both axes."""

    x_least: float
    x_most: float
    y_most: float

    def x(self, value: float) -> float:
        share = (value - self.x_least) / ((self.x_most - self.x_least) or 1)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.y_most))
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def lines(
    label: str,
    series: Sequence[Line],
    *,
    marks: Sequence[Mark] = (),
    bands: Sequence[Band] = (),
    level: Level | None = None,
    dots: bool = False,
) -> Markup:
    """Lines on one pair of axes. `label` is the id of the element that names the picture."""
    thinned = [Line(line.css, thin(line.points)) for line in series]
    xs = [x for line in thinned for x, _ in line.points]
    ys = [y for line in thinned for _, y in line.points if y is not None]
    shown = level if level is not None and level.y <= 4 * max(ys, default=0) else None
    scale = _scale(xs, [*ys, *([shown.y * 1.05] if shown else [])])
    parts = [_line(line, scale) for line in thinned]
    if dots:
        parts += [_dot(line.css, x, y, scale) for line in thinned for x, y in line.points]
    return _picture(label, scale, parts, marks, bands, shown)


def stacked(
    label: str, bars: Sequence[Bar], *, marks: Sequence[Mark] = (), bands: Sequence[Band] = ()
) -> Markup:
    """Bars of one width at whole numbers of x."""
    xs = [bar.x for bar in bars]
    edges = [min(xs, default=0) - 0.5, max(xs, default=0) + 0.5]
    scale = _scale([*edges, *(mark.x for mark in marks)], [sum(bar.parts.values()) for bar in bars])
    width = (scale.x(1) - scale.x(0)) * BAR_SHARE if len(bars) > 1 else 60.0
    parts = [part for bar in bars for part in _bar(bar, width, scale)]
    return _picture(label, scale, parts, marks, bands, None)


def thin(points: Sequence[Point], most: int = POINTS_MAX) -> list[Point]:
    """At most so many points; of each group the highest, and a gap where all are gaps."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [max(group, key=lambda point: -1.0 if point[1] is None else point[1])
            for group in groups]  # fmt: skip


def ticks(least: float, most: float, wanted: int = TICKS) -> list[float]:
    """Round numbers between two values, about as many as wanted."""
    span = (most - least) or 1
    raw = span / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= raw)
    first = math.ceil(least / step - 1e-9)
    last = math.floor(most / step + 1e-9)
    return [round(at * step, 6) + 0.0 for at in range(first, last + 1)]


def _steps(most: float) -> list[float]:
    """Of the upright axis. Where nothing ever happened there is nothing to tell apart."""
    return ticks(0, most, 1 if most == 1.0 else TICKS)


def _scale(xs: Sequence[float], ys: Sequence[float]) -> Scale:
    most = max(ys, default=0.0) or 1.0
    top = _steps(most)
    step = top[1] - top[0] if len(top) > 1 else most
    return Scale(min(xs, default=0.0), max(xs, default=1.0), math.ceil(most / step - 1e-9) * step)


def _picture(
    label: str,
    scale: Scale,
    parts: Iterable[Markup],
    marks: Sequence[Mark],
    bands: Sequence[Band],
    level: Level | None,
) -> Markup:
    body = [*(_band(band, scale) for band in bands), *_axes(scale), *parts]
    if level is not None:
        body.append(_level(level, scale))
    body += _marks(marks, scale)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(body)
    )


def _axes(scale: Scale) -> list[Markup]:
    found = []
    for value in _steps(scale.y_most):
        y = scale.y(value)
        found.append(_rule("grid", LEFT, y, WIDTH - RIGHT, y))
        found.append(_text("tick end", LEFT - 7, y + 4, number(value)))
    for value in ticks(scale.x_least, scale.x_most, 6):
        x = scale.x(value)
        found.append(_text("tick middle", x, HEIGHT - BOTTOM + 19, number(value)))
    found.append(_rule("axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM))
    return found


def _line(line: Line, scale: Scale) -> Markup:
    """A path that begins anew after each gap."""
    steps, pen = [], "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        steps.append(f"{pen}{scale.x(x)} {scale.y(y)}")
        pen = "L"
    return Markup('<path class="line {}" d="{}"/>').format(line.css, " ".join(steps) or "M0 0")


def _dot(css: str, x: float, y: float | None, scale: Scale) -> Markup:
    if y is None:
        return Markup("")
    return Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(
        css, scale.x(x), scale.y(y)
    )


def _bar(bar: Bar, width: float, scale: Scale) -> list[Markup]:
    found, below = [], 0.0
    for css, value in bar.parts.items():
        if value <= 0:
            continue
        top, bottom = scale.y(below + value), scale.y(below)
        found.append(
            Markup('<rect class="part {}" x="{}" y="{}" width="{}" height="{}"/>').format(
                css,
                round(scale.x(bar.x) - width / 2, 1),
                top,
                round(width, 1),
                round(max(0.5, bottom - top), 1),
            )
        )
        below += value
    return found


def _band(band: Band, scale: Scale) -> Markup:
    begins, ends = scale.x(band.begins), scale.x(band.ends)
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        band.css, begins, TOP, round(max(2.0, ends - begins), 1), HEIGHT - BOTTOM - TOP
    )


def _marks(marks: Sequence[Mark], scale: Scale) -> list[Markup]:
    found = []
    rows = {True: 0, False: 0}
    for mark in marks:
        x = scale.x(mark.x)
        is_left = mark.is_left or x > WIDTH * 0.6
        y = TOP - 8 - ROW_HEIGHT * (rows[is_left] % MARK_ROWS)
        rows[is_left] += 1
        found.append(_rule(mark.css, x, y + 3, x, HEIGHT - BOTTOM))
        css = f"mark-text {'end' if is_left else ''}".strip()
        found.append(_text(css, x + (-5 if is_left else 5), y, mark.text))
    return found


def _level(level: Level, scale: Scale) -> Markup:
    y = scale.y(level.y)
    return _rule("level", LEFT, y, WIDTH - RIGHT, y) + _text(
        "level-text end", WIDTH - RIGHT - 2, y - 5, level.text
    )


def _rule(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(css, x1, y1, x2, y2)


def _text(css: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(css, x, y, text)
