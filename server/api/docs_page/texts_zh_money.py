"""The Chinese texts of the API about coupons, commissions, accounts and sources."""

from __future__ import annotations

MONEY_ZH = {
    # routes, by operation id
    "createCouponBatch": "批次创建后不再改变。重复提交相同内容返回 200，不做任何改变；"
    "标识相同而内容不同则返回 409。需要 API 密钥，或持有全部直播间的商家令牌。",
    "listCouponBatches": "按标识排序、分页返回，每个批次附带其使用情况。",
    "getCouponBatch": "批次的内容、已发放、占用、核销的张数，以及累计抵扣的金额。",
    "grantCoupon": "给一位用户发一张券；同一个 `request_id` 无论提交多少次只发一张。"
    "已发完、该用户已达上限或批次已结束时返回 409。",
    "getCommissionPlan": "直播间为他人带来的订单支付的佣金。没有方案则不支付。",
    "setCommissionPlan": "对此后支付的订单生效；已支付的订单沿用原方案。最多两级。",
    "listCommissions": "最新的在前，分页返回；使用商家令牌时只返回其持有的直播间。",
    "getAccounts": "积分，以及待结算或可用的金额：均为记账分录之和。"
    "需要 API 密钥，或持有全部直播间的商家令牌。",
    "exportStatement": "该用户账户的每一笔分录，按交易排列；同一账户、同一单位的金额之和即为余额。"
    "需要 API 密钥，或持有全部直播间的商家令牌。",
    "listSources": "按来源统计访问与订单，以及支付和退款金额。每个订单只有一个来源，"
    "因此各来源之和等于合计。使用商家令牌时只统计其持有的直播间。",
    # orders
    "Ids of the buyer's coupons; each must take something off.": (
        "买家优惠券的标识；每一张都必须能抵扣。"
    ),
    "The code of a reseller's link, for its prices.": "分销链接的短码，按其加价后的价格下单。",
    # coupons
    "The batch's id.": "批次的标识。",
    "Shown to whoever holds one.": "展示给持券人的名称。",
    "So much off, a percentage, or so much off from a sum on.": "立减、折扣，或满减。",
    "What `amount` and `threshold` take off.": "`amount` 与 `threshold` 抵扣的金额。",
    "Hundredths of a percent: 1500 is 15%.": "万分比：1500 即 15%。",
    "The most that `percent` takes off; 0: no cap.": "`percent` 最多抵扣的金额；0 表示不封顶。",
    "What the lines must come to before any discount, for `threshold`.": (
        "`threshold` 的门槛：适用商品的原价合计。"
    ),
    "What it is for; empty: everything.": "适用范围；留空表示全部。",
    "Not before; absent: at once.": "开始时间；不填则立即生效。",
    "Over from then on; absent: never.": "结束时间；不填则一直有效。",
    "A coupon ends so many days after it was granted.": "每张券自发放起的有效天数。",
    "Coupons for one person.": "每人最多张数。",
    "`alone`: goes with no other coupon; else a group, of which one applies.": (
        "`alone`：不与其他券同用；否则为分组名，同组只用一张。"
    ),
    "Coupons of this batch in all.": "本批次的总张数。",
    "Coupons granted so far.": "已发放的张数。",
    "Held by orders that are not paid yet.": "被未支付订单占用的张数。",
    "Spent by orders that are paid.": "已支付订单核销的张数。",
    "What the spent ones have taken off.": "已核销的券累计抵扣的金额。",
    "Yours: the same one grants one coupon.": "由你生成：同一个值只发一张券。",
    "The id of the coupon.": "优惠券的标识。",
    # commissions
    "For who brought the buyer, in hundredths of a percent of what was paid.": (
        "给邀请人的佣金，按实付金额的万分比。"
    ),
    "For who brought that one; there is no third level.": "给邀请人的邀请人的佣金；没有第三级。",
    "From payment until it is available.": "自支付起到可用的天数。",
    "0: a reseller's markup; 1: the inviter; 2: the inviter's.": (
        "0：分销加价；1：邀请人；2：邀请人的邀请人。"
    ),
    "Who earns it.": "获得者。",
    "What it is a share of.": "计佣的基数。",
    "`pending` in its window; `reversed` by a refund.": (
        "`pending`：尚在结算期内；`reversed`：因退款收回。"
    ),
    "Available from then on.": "自该时刻起可用。",
    "A currency, or `points`.": "币种，或 `points`（积分）。",
    "In minor units.": "最小货币单位的整数。",
    # sources
    "What sources are told apart by.": "按什么区分来源。",
    "Only orders in it; absent: that of most orders.": (
        "只统计该币种的订单；不填则为订单最多的币种。"
    ),
    "The channel, campaign, employee or inviter; may be empty.": (
        "渠道、活动、员工或邀请人；可为空。"
    ),
    "Null for one sale: visits are of rooms.": "只看一场特卖时为 null：访问属于直播间。",
    "Of all orders that were ever paid.": "所有曾经支付的订单的金额。",
    "What of it went back.": "其中已退款的金额。",
    "Of all amounts; empty: there are no orders.": "所有金额的币种；没有订单时为空。",
    "Those that orders were placed in.": "订单出现过的币种。",
    "Counted by itself: the sources add up to it.": "单独统计的合计：各来源之和与其相等。",
}
