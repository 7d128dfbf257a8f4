"""The brand's shades: readable on what they stand on, whatever colour a merchant chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pages.theme import (
    CONTRAST_MIN,
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    contrast,
    mix,
    shades,
    theme_css,
)

BRANDS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(BRANDS)
def test_text_in_every_brand_has_enough_contrast(brand: str) -> None:
    found = shades(brand)
    assert contrast(found["brand-fill"], found["brand-ink"]) >= CONTRAST_MIN
    assert contrast(found["brand-fill-strong"], found["brand-ink"]) >= CONTRAST_MIN
    for ground in (*LIGHT_GROUNDS, found["brand-soft"]):
        assert contrast(found["brand-on-light"], ground) >= CONTRAST_MIN
    for ground in (*DARK_GROUNDS, found["brand-soft-dark"]):
        assert contrast(found["brand-on-dark"], ground) >= CONTRAST_MIN


@given(BRANDS)
def test_text_on_the_tints_can_be_read(brand: str) -> None:
    found = shades(brand)
    assert contrast(found["brand-soft"], "#16181d") >= CONTRAST_MIN
    assert contrast(found["brand-soft-dark"], "#f5f6f8") >= CONTRAST_MIN


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


def test_a_readable_brand_is_left_as_it_is() -> None:
    found = shades("#0A5C8A")
    assert found["brand"] == found["brand-fill"] == found["brand-on-light"] == "#0a5c8a"


def test_a_pale_brand_gets_dark_text_instead_of_turning_muddy() -> None:
    found = shades("#ffd400")
    assert found["brand-fill"] == "#ffd400"
    assert found["brand-ink"] != "#ffffff"


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mix("#000000", "#ffffff", 0) == "#000000"
    assert mix("#000000", "#ffffff", 0.5) == "#808080"
    assert mix("#000000", "#ffffff", 1) == "#ffffff"


def test_the_stylesheet_sets_every_shade() -> None:
    css = theme_css("#e5383b")
    assert css.startswith(":root {")
    assert all(f"--{name}: {value};" in css for name, value in shades("#e5383b").items())
