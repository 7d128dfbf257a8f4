"""The Chinese texts of the API about coupons, commissions, accounts and sources."""

from __future__ import annotations

MONEY_ZH = {
    "Ids of the buyer's coupons; each must take something off.": (
        "买家优惠券的标识；每一张都必须能抵扣。"
    ),
    "The code of a reseller's link, for its prices.": "分销链接的短码，按其加价后的价格下单。",
}
