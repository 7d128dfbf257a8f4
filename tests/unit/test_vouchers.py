"""Codes of vouchers are typed by people, and nobody can make one up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.vouchers import SYMBOLS, checked_code, voucher_code

KEY = b"k" * 32
CODE = voucher_code(KEY, "grant-1")


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.lower(),
        CODE.replace("-", ""),
        f"  {CODE.replace('-', ' ')}\n",
        CODE.replace("0", "O").replace("1", "l"),
        CODE.replace("-", "–"),
    ],
)
def test_a_code_is_understood_as_people_type_it(typed: str) -> None:
    assert checked_code(KEY, typed) == CODE


@pytest.mark.parametrize(
    "typed", ["", "-", CODE[:-1], CODE + "0", CODE[:-1] + "*", "邀请邀请邀请邀请"]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert checked_code(KEY, typed) is None


def test_a_code_of_another_shop_is_refused() -> None:
    assert checked_code(b"x" * 32, CODE) is None


def test_a_code_that_is_taken_has_an_alternative() -> None:
    other = voucher_code(KEY, "grant-1", 1)
    assert other != CODE
    assert checked_code(KEY, other) == other


@given(st.text(), st.integers(0, 11), st.sampled_from(SYMBOLS))
def test_every_code_is_accepted_and_one_changed_symbol_is_not(
    grant: str, at: int, symbol: str
) -> None:
    code = voucher_code(KEY, grant)
    assert checked_code(KEY, code) == code
    place = at + at // 4  # dashes are in between
    if code[place] != symbol:
        assert checked_code(KEY, code[:place] + symbol + code[place + 1 :]) is None
