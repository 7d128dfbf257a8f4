"""Who earns what by an order that is paid: a reseller's markup, and two levels of inviters.

Two levels are all there are, by law as well as here: a third cannot be said.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash_sale.pricing import BASIS_POINTS

MARKUP, FIRST, SECOND = 0, 1, 2  # the levels


@dataclass(frozen=True, slots=True)
class Plan:
    """What a room pays, in hundredths of a percent of what was paid for its own goods.

    Raises `ValueError` for shares that are negative or come to more than everything.
    """

    level1_bp: int = 0
    level2_bp: int = 0
    window_ms: int = 0  # from payment until what was earned is released

    def __post_init__(self) -> None:
        if min(self.level1_bp, self.level2_bp) < 0:
            raise ValueError("level1_bp: shares must not be negative")
        if self.level1_bp + self.level2_bp > BASIS_POINTS:
            raise ValueError(f"level1_bp: both levels together are at most {BASIS_POINTS}")
        if self.window_ms < 0:
            raise ValueError("window_days: must not be negative")


@dataclass(frozen=True, slots=True)
class Earning:
    """What one person earns by one order, at one level."""

    level: int
    user: str
    amount_minor: int


def earnings(
    plan: Plan,
    *,
    buyer: str,
    base_minor: int,
    inviter: str = "",
    above: str = "",
    markup_minor: int = 0,
    sharer: str = "",
) -> tuple[Earning, ...]:
    """What an order brings to whom, by level; nobody earns by an order of their own.

    `base_minor` is what was paid less the markup, `inviter` who brought the buyer, `above` who
    brought that one, `sharer` the reseller. Empty: nobody. Shares are rounded down; the second
    level is nobody's when it would be the buyer or the first one again.
    """
    found = [
        (MARKUP, sharer, markup_minor),
        (FIRST, inviter, base_minor * plan.level1_bp // BASIS_POINTS),
    ]
    if inviter not in ("", buyer) and above != inviter:
        found.append((SECOND, above, base_minor * plan.level2_bp // BASIS_POINTS))
    return tuple(
        Earning(level, user, minor)
        for level, user, minor in found
        if user not in ("", buyer) and minor > 0
    )
