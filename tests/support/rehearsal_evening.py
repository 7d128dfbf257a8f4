"""The plan of a small evening, in words that a test changes where it is about them."""

from __future__ import annotations

# Targets are what a machine that runs other tests too can hold: the books are what is tested.
_PLAN = """
title = "{title}"
language = "en"
[promise]
viewers = {viewers}
arrive_s = {arrive_s}
comments_per_s = 2
likes_per_s = 5
shares_per_s = 0.5
pins_per_minute = {pins_per_minute}
rush_s = 2
[[items]]
sku = "mug"
title = "Mug"
stock = 20
price_minor = 5900
[targets]
order_p99_ms = 30000
delivery_p99_ms = 30000
connect_p99_ms = 30000
ledger_lag_s = 60
errors_percent = 1
[phases]
warm_s = {warm_s}
spike_s = {spike_s}
settle_s = {settle_s}
hold_s = 5
[finder]
steps_max = 2
step_s = 5
[generator]
witnesses = 10
"""


def evening(
    title: str,
    *,
    viewers: int,
    arrive_s: int,
    warm_s: int,
    spike_s: int,
    settle_s: int,
    pins_per_minute: int = 6,
) -> str:
    """A plan as TOML: 20 mugs, wanted by 60 people within 2 s."""
    return _PLAN.format(
        title=title,
        viewers=viewers,
        arrive_s=arrive_s,
        warm_s=warm_s,
        spike_s=spike_s,
        settle_s=settle_s,
        pins_per_minute=pins_per_minute,
    )
