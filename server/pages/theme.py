"""Brand colours: one colour from the settings in, a small set of readable shades out.

Knows colour arithmetic (sRGB, WCAG 2 contrast). Knows nothing about pages or HTTP.
"""

from __future__ import annotations

import colorsys

CONTRAST_MIN = 4.5  # WCAG 2.1 AA for text
WHITE = "#ffffff"
INK = "#14161c"
NIGHT = "#15181f"
LIGHT_GROUNDS = ("#ffffff", "#eef0f3")  # the pages' light surfaces, see base.css
DARK_GROUNDS = (NIGHT, "#242a34")  # and their dark ones, see viewer.css and host.css
_STEPS = 50
_WHITE_INK_WANTED = 3.0  # a brand this far from white keeps white text and is darkened to fit it


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two `#rrggbb` colours, 1.0 to 21.0."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`share` of `other` (0 to 1) in `one`."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return _hex(*(a + (b - a) * share for a, b in pairs))


def shades(brand: str) -> dict[str, str]:
    """CSS custom properties derived from the brand colour; every text pair has contrast >= 4.5.

    `brand-fill` carries text in `brand-ink`; `brand-on-light` is text on the light surfaces and on
    `brand-soft`, `brand-on-dark` on the dark ones and on `brand-soft-dark`. `glow-0..3` light the
    placeholder of the stage.
    """
    fill, ink = _fill_and_ink(brand)
    soft, soft_dark = mix(brand, WHITE, 0.9), mix(brand, NIGHT, 0.8)
    return {
        "brand": brand.lower(),
        "brand-fill": fill,
        "brand-fill-strong": mix(fill, "#000000" if ink == WHITE else WHITE, 0.14),
        "brand-ink": ink,
        "brand-on-light": _until_readable(brand, *LIGHT_GROUNDS, soft, towards="#000000"),
        "brand-on-dark": _until_readable(brand, *DARK_GROUNDS, soft_dark, towards=WHITE),
        "brand-soft": soft,
        "brand-soft-dark": soft_dark,
        "glow-0": _glow(brand, turn=-0.03, lightness=0.13),
        "glow-1": _glow(brand, turn=0.0, lightness=0.38),
        "glow-2": _glow(brand, turn=0.045, lightness=0.40),
        "glow-3": _glow(brand, turn=-0.08, lightness=0.26),
    }


def theme_css(brand: str) -> str:
    """The stylesheet that gives the pages their brand."""
    lines = [f"  --{name}: {value};" for name, value in shades(brand).items()]
    return ":root {\n" + "\n".join(lines) + "\n}\n"


def _fill_and_ink(brand: str) -> tuple[str, str]:
    if contrast(brand, WHITE) >= _WHITE_INK_WANTED:
        return _until_readable(brand, WHITE, towards="#000000"), WHITE
    return _until_readable(brand, INK, towards=WHITE), INK


def _until_readable(colour: str, *grounds: str, towards: str) -> str:
    """`colour`, moved `towards` an end of the scale only as far as contrast 4.5 needs."""
    for step in range(_STEPS):
        candidate = mix(colour, towards, step / _STEPS)
        if all(contrast(candidate, ground) >= CONTRAST_MIN for ground in grounds):
            return candidate
    return towards


def _glow(brand: str, *, turn: float, lightness: float) -> str:
    hue, _lightness, saturation = colorsys.rgb_to_hls(*(c / 255 for c in _channels(brand)))
    red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1.0, lightness, min(saturation, 0.62))
    return _hex(red * 255, green * 255, blue * 255)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(red: float, green: float, blue: float) -> str:
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
