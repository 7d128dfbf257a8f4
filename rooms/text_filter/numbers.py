"""Decides which runs of digits are numbers to reach somebody, and which belong to shopping.

A mobile number is refused wherever it stands and however it is grouped. Any other run of seven or
more digits is refused unless something speaks for it: a unit, a date, a price, an order number, a
list of sizes or prices, a countdown, a cheer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from rooms.text_filter.findings import Finding, Reason
from rooms.text_filter.fold import Folded
from rooms.text_filter.runs import DIGITS_MIN, Run, find_runs

_MOBILE: Final = re.compile(r"(?:0086|086|86|0)?(1[3-9][0-9]{9})")
_MOBILE_GROUPS: Final = ([3, 4, 4], [11], [7, 4], [3, 8])
_PLAIN_DIGITS_BESIDE_LETTERS_MIN: Final = 4
_MOBILE_ONLY: Final = frozenset("lp")
_INTERNATIONAL_DIGITS: Final = range(8, 16)
_CARD_GROUPS_MIN: Final = 4
_GROUP_DIGITS: Final = range(3, 6)

_CONTACT: Final = re.compile(
    r"电话|座机|号码|热线|联系|致电|拨打|来电|打给|加我|找我|卡号|账号|帐号|转账|汇款|群号|房间号"
    r"|客服号|加入|私聊|手机号|手机:"
    r"|(?<![a-z])(?:call|phone|tel|text|mobile|cell|number|contact|ring|account|whatsapp|sms)(?![a-z])"
)
_ORDER: Final = re.compile(
    r"(?:[订定]单|单号|编号|货号|款号|型号|条码|条形码|运单|快递|物流|批号|许可证|标准|批次|尾号|备案"
    r"|发票|书号|order|tracking|sku|serial|model|item|ref|isbn|part|upc|parcel|invoice|batch)"
    r"[a-z0-9 是为号码]{0,12}$"
)
_ORDER_BEHIND: Final = re.compile(r"是?(?:我的)?(?:[订定]单|单号|编号|货号)")
_NEAR_CHARACTERS: Final = 16
_CONTACT_PREFIX: Final = re.compile(r"(?:tel|phone|call|id|no|qq|q|vx?|wx|tg|whatsapp|mobile|hp)")
_UNIT: Final = re.compile(
    r"[元块件人个万亿千百十克斤米年月日天次位赞粉条双瓶箱袋盒包片只名单套张份码款岁页楼]"
    r"|毫|粉丝|观众|号(?!码)|sold|pcs|views|ml|mg|mcg|people|followers|likes|years|days|usd|rmb|yuan"
)
_CHEERS: Final = frozenset({"5201314", "1314520", "5211314", "1314521", "52013141314"})
_CHEER_PERIOD_MAX: Final = 3
_CHEER_RUN_MEAN: Final = 3
# 1哈3哈8哈: one and the same character after every digit.
_FILLED: Final = re.compile(r"[0-9](?P<filler>[^\W0-9a-z_])(?:[0-9](?P=filler)){5,14}+[0-9]")
_DATE: Final = re.compile(
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[01][0-9]|2[0-3])?(?:[0-5][0-9]){0,2}"
)
_DECIMAL: Final = re.compile(r"[0-9]{1,6}\.[0-9]{1,10}")
_PLAIN: Final = re.compile(r"(?:0|[1-9][0-9]{0,4})(?:[-~](?:0|[1-9][0-9]{0,4}))?")
_TYPED: Final = re.compile(
    r"(?:0|[1-9][0-9]{0,6})\.[0-9]{1,2}"  # price
    r"|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}(?:\.[0-9]{1,2})?"  # 1,299.00
    r"|(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9])?"  # time
    r"|(?:19|20)[0-9]{2}[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12][0-9]|3[01])"
    r"|(?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12][0-9]|3[01])(?:[-./](?:19|20)[0-9]{2})?"
)
_MEASURE: Final = re.compile(r"[1-9][0-9]{0,3}(?:[/*][1-9][0-9]{0,3}){1,3}")  # 155/80
_BETWEEN_TYPED: Final = re.compile(r"[\s~、;]{1,8}+|,(?![0-9]{3}(?![0-9]))\s?|-(?=[0-9]{1,4}[.:])")
_BETWEEN_DATES: Final = re.compile(r"[\s~-]{1,8}+")


def find_numbers(folded: Folded) -> Iterator[Finding]:
    """Numbers to reach somebody, left to right."""
    for run in find_runs(folded):
        place = _find_mobile(run, folded)
        if place is None:
            core = _without_doubtful_ends(run)
            if _is_number(core, folded):
                place = core.at[0], core.at[-1] + 1
        if place is not None:
            yield Finding(Reason.CONTACT_NUMBER, *place)
    for found in _FILLED.finditer(folded.text):
        if not _is_play(found.group()[::2]):
            yield Finding(Reason.CONTACT_NUMBER, found.start(), found.end())


def _find_mobile(run: Run, folded: Folded) -> tuple[int, int] | None:
    """Eleven digits from 13 to 19 with an optional country code, between two edges of the run."""
    for first in range(len(run.digits) - 10):
        if not run.is_edge(first):
            continue
        found = _MOBILE.match(run.digits, first)
        if found is None or not run.is_edge(found.end()):
            continue
        number = run.part(found.start(1), found.end(1))
        if not _is_certain(number.kinds):
            continue
        atoms = number.atoms()
        if [len(atom) for atom in atoms] in _MOBILE_GROUPS or not (
            _is_list(atoms) or _is_typed(number, folded, _TYPED)
        ):
            return number.at[0], number.at[-1] + 1
    return None


def _is_certain(kinds: str) -> bool:
    """Whether letters and particles in a mobile number are digits, not the words beside it."""
    if "l" in kinds and kinds.count("d") < _PLAIN_DIGITS_BESIDE_LETTERS_MIN:
        return False
    return "d" not in kinds or (kinds[0] != "p" and kinds[-1] != "p")


def _without_doubtful_ends(run: Run) -> Run:
    """The run from its first certain digit to its last: 就 and 吧 around a price are words."""
    certain = [index for index, kind in enumerate(run.kinds) if kind in "dcw"]
    return run.part(certain[0], certain[-1] + 1) if certain else Run()


def _is_number(run: Run, folded: Folded) -> bool:
    """Whether a run that holds no mobile number is still a number to reach somebody."""
    if len(run.digits) < DIGITS_MIN or _MOBILE_ONLY.intersection(run.kinds) or _is_play(run.digits):
        return False
    atoms = run.atoms()
    is_spelled = len(atoms) == 1 or all(len(atom) == 1 for atom in atoms)
    doubtful = run.kinds.count("h")
    if doubtful and (not is_spelled or doubtful * 5 > len(run.digits) * 2):
        return False
    before, after = folded.joined.around(run.at[0], run.at[-1] + 1, _NEAR_CHARACTERS)
    if _ORDER.search(before) or _ORDER_BEHIND.match(after):
        return False
    has_contact = _CONTACT.search(before) is not None or _CONTACT.search(after) is not None
    if _is_innocent(run, folded, has_contact=has_contact):
        return False
    if is_spelled or _is_international(run, folded):
        return True
    if _is_list(atoms) or _is_typed(run, folded, _TYPED, _MEASURE):
        return False
    return has_contact or _is_grouped(run, atoms)


def _is_play(digits: str) -> bool:
    """666666, 233333, 12345678, 54321, 520520520, 5201314."""
    if digits in _CHEERS:
        return True
    changes = [index for index, (a, b) in enumerate(pairwise(digits)) if a != b]
    lengths = [b - a for a, b in pairwise([-1, *changes, len(digits) - 1])]
    if len(lengths) <= 2 or min(lengths) > 1 or len(lengths) * _CHEER_RUN_MEAN <= len(digits) + 2:
        return True
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    if len(steps) == 1 and steps <= {1, 9}:
        return True
    return any(
        digits == (digits[:period] * len(digits))[: len(digits)]
        for period in range(2, _CHEER_PERIOD_MAX + 1)
    )


def _is_innocent(run: Run, folded: Folded, *, has_contact: bool) -> bool:
    if run.prefix and not _CONTACT_PREFIX.fullmatch(run.prefix):
        return True
    raw = folded.text[run.at[0] : run.at[-1] + 1]
    if _DATE.fullmatch(raw):
        return True
    if has_contact:
        return False
    has_unit = bool(run.after) and not run.after_gap and _UNIT.match(run.after) is not None
    return has_unit or _DECIMAL.fullmatch(raw) is not None


def _is_international(run: Run, folded: Folded) -> bool:
    """+65 8123 4567: the plus stands before the first digit and after no other character."""
    gap = folded.text[max(0, run.at[0] - 3) : run.at[0]]
    if "+" not in gap or len(run.digits) not in _INTERNATIONAL_DIGITS:
        return False
    return not _is_typed(run, folded, _TYPED) and not gap.strip("(+ ")[-1:].isalnum()


def _is_list(atoms: list[str]) -> bool:
    """Prices and sizes: the same last digit, or equal steps, and no leading zero."""
    if len(atoms) < 2 or any(len(atom) > 5 or (atom[0] == "0" and atom != "0") for atom in atoms):
        return False
    if all(len(atom) > 1 for atom in atoms) and len({atom[-1] for atom in atoms}) == 1:
        return True
    values = [int(atom) for atom in atoms]
    return len(values) > 2 and len({b - a for a, b in pairwise(values)}) == 1


def _is_typed(run: Run, folded: Folded, *forms: re.Pattern[str]) -> bool:
    """Only numbers of these forms and integers, and at least one that is not just an integer."""
    raw = folded.text[run.at[0] : run.at[-1] + 1]
    for between in (_BETWEEN_TYPED, _BETWEEN_DATES):
        pieces = [piece for piece in between.split(raw) if piece]
        typed = [any(form.fullmatch(piece) for form in forms) for piece in pieces]
        if any(typed) and all(
            is_typed or _PLAIN.fullmatch(piece)
            for is_typed, piece in zip(typed, pieces, strict=True)
        ):
            return True
    return False


def _is_grouped(run: Run, atoms: list[str]) -> bool:
    """Groups that only telephone, card and account numbers have."""
    lengths = [len(atom) for atom in atoms]
    digits = run.digits
    is_spaced = any(not gap.strip() for gap in run.gaps[1:] if gap)
    if lengths == [3, 3, 4]:
        is_dialled = digits[0] in "23456789" and digits[3] in "23456789"
        return (is_dialled and (not is_spaced or atoms[2][0] == "0")) or atoms[0] in ("400", "800")
    if lengths[0] in (3, 4) and digits[0] == "0" and sum(lengths) in range(10, 13):
        return True
    if len(atoms) >= _CARD_GROUPS_MIN and set(lengths[:-1]) == {4}:
        return True
    if len(atoms) < 3:
        return False
    return _is_arbitrary(atoms, lengths)


def _is_arbitrary(atoms: list[str], lengths: list[int]) -> bool:
    """Three or more equal groups that look like neither prices nor body measures."""
    if len(set(lengths)) != 1 or lengths[0] not in _GROUP_DIGITS:
        return False
    values = [int(atom) for atom in atoms]
    if values in (sorted(values), sorted(values, reverse=True)):
        return False
    return not all(atom[-1] in "0589" for atom in atoms) and max(values) > 200
