"""What the OpenAPI document says of ladders and rewards, in Chinese."""

from __future__ import annotations

LADDERS_ZH: dict[str, str] = {
    "createLadder": "新建的阶梯奖励是草稿：发布之前无人可以参与。重复提交相同内容返回 200，"
    "不做任何改变；标识相同而内容不同则返回 409。",
    "listLadders": "按标识排序、分页返回阶梯奖励，包括草稿；使用商家令牌时只返回其持有的直播间的。",
    "simulateLadder": "全部发完时的成本、每个有效到访的成本，以及此刻所有妨碍发布的问题。"
    "不存储任何内容。",
    "getLadder": "返回一项阶梯奖励、各档剩余数量，以及已占用的预算。",
    "changeLadder": "只有草稿可以修改，未提交的字段保持不变。`tiers` 会替换整张列表。",
    "simulateStoredLadder": "对已存储的阶梯奖励按现状试算。",
    "publishLadder": "从此条款固定。若试算仍有问题，则以第一个问题拒绝（422）："
    "最坏情况必须在预算之内。重复调用不做任何改变。",
    "endLadder": "此后达标的到访不再计入。已达标的在数秒内完成判定，随后状态变为 `ended`，"
    "排行榜冻结。重复调用不做任何改变。",
    "listArrivals": "每一次受邀到访，最新的在前，并附判定：是否有效，或第一个不计入的原因。"
    "`counts` 为整项阶梯奖励的统计。",
    "getRanking": "排行榜前列：有效到访多者在前，数量相同则先达到者在前。结束后保持结束时的名次。",
    "exportRankingCsv": "供电子表格使用：所有有有效到访的邀请人，按名次排列，"
    "最多 `export_rows_max` 行。",
    "listGrants": "已发放的奖励，最新的在前；也包括因库存或预算用尽而错过的。",
    "redeemVoucher": "仅可核销一次：返回 200 时即可交付礼品。以相同的 `request_id` "
    "重复提交得到相同响应；已被其他请求核销的礼品券返回 409。券码不区分大小写、空格与连字符。",
    "The ladder's id.": "阶梯奖励标识。",
    "Only with this verdict.": "只看该判定。",
    "Who came, or empty.": "到访者，可为空。",
    "The beginning of its id.": "设备标识的开头部分。",
    "By the server's account.": "以服务器的计时为准。",
    "How often it claimed more time than had passed.": "声称的时长超过实际时长的次数。",
    "When it is judged, if nothing more happens.": "若无后续动作，将在此时判定。",
    "For whom it counted.": "为谁计入。",
    "By verdict, over all of the ladder.": "整项阶梯奖励按判定统计。",
    "0: the coupon of somebody who arrived.": "0：到访者本人获得的优惠券。",
    "Why it was missed, or empty.": "错过的原因，可为空。",
    "Of a voucher.": "礼品券的券码。",
    "Of a red packet that was opened.": "已拆开红包的金额。",
    "Taken from the budget: pools at once, others as granted.": (
        "已占用的预算：红包池在发布时一次占用，其余在发放时占用。"
    ),
    "Null: when it is published.": "null：发布时开始。",
    "When its ranking was frozen.": "排行榜冻结的时间。",
    "All of them anew; null: as the server is set.": "整体替换；null：使用服务器设置。",
    "The room it is for.": "所属直播间。",
    "Its rewards never cost more in all.": "奖励总成本绝不超过该预算。",
    "Absent: when it is published.": "不填则发布时开始。",
    "Whoever qualifies later does not count.": "此后达标的到访不计入。",
    "From the first step to the last.": "从第一档到最后一档。",
    "When an arrival counts; absent: as the server is set.": (
        "有效到访的判定门槛；不填则使用服务器设置。"
    ),
    "Coupon for whoever arrives, where only that may be rewarded.": (
        "在只允许奖励到访者本人行为的渠道中，发给到访者的优惠券。"
    ),
    "How many newcomers can get it.": "最多多少位到访者可获得。",
    "The most that one of them costs you.": "每张的最高成本。",
    "What to change, such as `tiers.0.stock`.": "需要修改的字段，例如 `tiers.0.stock`。",
    "As others see it: masked.": "他人看到的名字，已打码。",
    "When the last of them had qualified.": "其中最后一个达标的时间。",
    "True once the ladder has ended.": "阶梯奖励结束后为 true。",
    "More first; then who was there earlier.": "数量多者在前；相同则先达到者在前。",
    "As it stands on the voucher.": "礼品券上的券码。",
    "Yours, one per hand-over: sent again it is answered as before.": (
        "由你生成，每次交付一个：重复提交得到相同响应。"
    ),
    "What it costs if everything is given.": "全部发完时的成本。",
    "Of the budget after the worst case; negative: too little.": (
        "最坏情况后剩余的预算；负数表示不足。"
    ),
    "Cost of a valid arrival at the cheapest tier.": "成本最低的一档中每个有效到访的成本。",
    "And at the dearest.": "成本最高的一档中每个有效到访的成本。",
    "Empty: it can be published.": "为空则可以发布。",
    "Stay with the page visible.": "页面可见的停留时长。",
    "Likes, comments or orders in that visit.": "该次到访中的点赞、评论或下单次数。",
    "From qualifying to judgement: farms show themselves.": (
        "从达标到判定的等待时长：刷量行为会在此期间暴露。"
    ),
    "Nobody acts sooner after entering.": "没有真人会在进入后更快地产生动作。",
    "Members on one device.": "同一设备上的会员数。",
    "Of one network, within the window.": "时间窗内同一网络的到访数。",
    "Of one network and alike browsers, within the window.": (
        "时间窗内同一网络且浏览器相同的到访数。"
    ),
    "Of those, when the inviter uses such a browser there.": (
        "其中，邀请人自己也在该网络用同样浏览器时的上限。"
    ),
    "Guests count for nothing, however long they stay.": "游客停留再久也不计入。",
    "Arrivals this close are seen together.": "相距不超过该时长的到访会被一并考察。",
    "From 1.": "从 1 开始。",
    "Units of its stock that nobody has a right to yet.": "尚未被任何人获得的数量。",
    "If all of its stock is given.": "该档全部发完时的成本。",
    "What one person has cost at most who got so far; packets at their mean.": (
        "一位邀请人到达该档时的最高累计成本；红包按平均值计。"
    ),
    "The same for each of their arrivals, rounded up.": "分摊到每个有效到访的成本，向上取整。",
    "Valid arrivals that bring it; each tier more than the last.": (
        "所需的有效到访数；每一档须多于前一档。"
    ),
    "What is given.": "奖励类型。",
    "How many people can get it. A ladder with 0 stays a draft.": (
        "最多多少人可获得。为 0 时无法发布。"
    ),
    "The most that one costs you. Of a red packet the pool says it.": (
        "每份的最高成本。红包以红包池为准。"
    ),
    "With `points`: how many one person gets.": "类型为 `points` 时：每人获得的积分。",
    "With `coupon`: its batch.": "类型为 `coupon` 时：优惠券批次。",
    "With `red_packet`: is split into `stock` shares, exact to the cent.": (
        "类型为 `red_packet` 时：拆分为 `stock` 份，精确到分。"
    ),
}
