"""Why a verdict is what it is, in both languages: every sentence that the judge can say.

Key: (zh-CN, en). Clauses without a full stop; names in braces are the values of a `Say`. English
begins small, because a clause may stand inside another sentence.
"""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "go": (
        "可以开播：服务器撑住了 {viewers} 位观众、每秒 {orders_per_s} 单，"
        "每项目标至少还有 {percent}% 余量",
        "GO: this server held {viewers} viewers and {orders_per_s} orders a second, "
        "with at least {percent} % of every target in hand",
    ),
    "go_searched": (
        "可以开播：服务器撑住了 {viewers} 位观众、每秒 {orders_per_s} 单，加压到 {factor} 倍仍达标",
        "GO: this server held {viewers} viewers and {orders_per_s} orders a second, "
        "and {factor} times the plan as well",
    ),
    "go_with_limits": (
        "可以开播，但有限制：服务器撑住了 {viewers} 位观众、每秒 {orders_per_s} 单；{why}",
        "GO with limits: this server held {viewers} viewers and {orders_per_s} orders a second; "
        "{why}",
    ),
    "no_go": ("不要开播：{why}", "NO-GO: {why}"),
    "void": ("本次彩排无效，什么也没有证明：{why}", "Void, nothing was proved: {why}"),
}

# Examples are shown beside these, not in them: they are for whoever looks for the bug.
BROKEN: Final[dict[str, tuple[str, str]]] = {
    "broken.never_oversold": ("超卖了 {count} 件", "oversold by {count}"),
    "broken.nothing_acknowledged_lost": (
        "买家已得到确认、账本里却没有的：{count} 件",
        "acknowledged to buyers and not in the ledger: {count}",
    ),
    "broken.nothing_sold_twice": (
        "产生了不止一张订单的请求：{count} 个",
        "requests that made more than one order: {count}",
    ),
    "broken.paid_equals_ledger": (
        "买家与账本说法不一的付款：{count} 笔",
        "payments of which the buyer and the ledger say different things: {count}",
    ),
    "broken.money_is_balanced": (
        "钱对不上的地方：{count} 处",
        "places where the money does not add up: {count}",
    ),
    "broken.redis_equals_ledger": (
        "库存与账本不一致的地方：{count} 处",
        "places where the stock and the ledger differ: {count}",
    ),
    "broken.stock_adds_up": (
        "库存等式不成立：{count} 次",
        "times that the stock did not add up: {count}",
    ),
    "broken.same_request_same_answer": (
        "得到不同回答的重复请求：{count} 个",
        "repeated requests that got another answer: {count}",
    ),
    "broken.unknown_answers_resolved": (
        "没有收到回答、结果却不该如此的请求：{count} 个",
        "requests without an answer that took effect otherwise than they may: {count}",
    ),
    "broken.per_user_limit": (
        "超过每人限购的买家：{count} 位",
        "buyers who had more than one person may: {count}",
    ),
    "broken.not_before_start": (
        "开售前就卖出的订单：{count} 张",
        "orders that were sold before the start: {count}",
    ),
    "broken.open_from_the_start": (
        "开售之后仍被告知没有在售的买家：{count} 位",
        "buyers who were told after the start that the sale was not open: {count}",
    ),
    "broken.sold_out_is_true": (
        "还有货却被告知售罄的买家：{count} 位",
        "buyers who were told that it was sold out while there was stock: {count}",
    ),
    "broken.holds_return": (
        "没有按时退回的未付款占用：{count} 笔",
        "unpaid holds that did not come back in time: {count}",
    ),
    "broken.drills_leave_the_books": (
        "演练之后账目不对：{count} 次",
        "drills after which the books were wrong: {count}",
    ),
    "broken.no_foreign_orders": (
        "账本里没有人下过的订单：{count} 张",
        "orders in the ledger that nobody placed: {count}",
    ),
}

LIMITS: Final[dict[str, tuple[str, str]]] = {
    "limit.viewers": (
        "开售期间留在直播间的只有 {proved} 人，承诺 {promised} 人",
        "{proved} viewers stayed through the rush, {promised} were promised",
    ),
    "limit.orders": (
        "按时得到回答的抢购为每秒 {proved} 单，承诺 {promised} 单",
        "{proved} orders a second were answered in time, {promised} were promised",
    ),
    "limit.order_latency": (
        "抢购回答太慢：p99 为 {proved} ms，承诺 {promised} ms",
        "orders were answered too slowly: p99 {proved} ms, promised {promised} ms",
    ),
    "limit.delivery_latency": (
        "消息送达太慢：p99 为 {proved} ms，承诺 {promised} ms",
        "messages came too late: p99 {proved} ms, promised {promised} ms",
    ),
    "limit.connect_latency": (
        "进入直播间太慢：p99 为 {proved} ms，承诺 {promised} ms",
        "viewers got in too slowly: p99 {proved} ms, promised {promised} ms",
    ),
    "limit.ledger_lag": (
        "账本落后 {proved} 秒，承诺不超过 {promised} 秒",
        "the ledger was {proved} s behind, promised at most {promised} s",
    ),
    "limit.errors": (
        "{proved}% 的请求失败，承诺不超过 {promised}%；最多的是 {most}，共 {count} 次失败",
        "{proved} % of the requests failed, promised at most {promised} %; {count} failures, "
        "most of them {most}",
    ),
    "limit.delivery_gaps": (
        "观众端有 {proved} 条消息丢失、重复或乱序，承诺为 {promised}",
        "{proved} events were missed, repeated or out of order, promised {promised}",
    ),
    "limit.payments": (
        "{proved} 笔付款在占用期内发出却被判为过期，承诺为 {promised}",
        "{proved} payments were sent in time and refused as too late, promised {promised}",
    ),
    "limit.recovery": (
        "演练「{drill}」之后没有恢复，承诺 {promised} 秒内恢复",
        'it did not recover from the drill "{drill}", promised within {promised} s',
    ),
    "limit.unreachable": (
        "服务器在开售后 {at_s} 秒起不再应答（连续 {looks} 次）",
        "the server stopped answering {at_s} s after the start ({looks} looks in a row)",
    ),
    "limit.redis": (
        "结束时读不到库存：{why}",
        "the stock could not be read at the end: {why}",
    ),
    "limit.unsettled": (
        "结束时账本还没有追上，差 {lag} 条：{why}",
        "the ledger had not caught up at the end, {lag} entries were missing: {why}",
    ),
    "evidence.process": (
        "当时 {process} 已用满：单核的 {percent}%",
        "at that time {process} was at its limit: {percent} % of one core",
    ),
    "evidence.machine": (
        "当时整台机器已用满：共 {cores} 核，服务器用 {server} 核，压测用 {generator} 核",
        "at that time the whole machine was at its limit: of {cores} cores the server used "
        "{server}, the load generator {generator}",
    ),
}

TIGHT: Final[dict[str, tuple[str, str]]] = {
    "tight.order_p99_ms": (
        "抢购回答的余量只有 {percent}%：p99 为 {proved} ms，承诺 {promised} ms",
        "only {percent} % are in hand for answers to orders: p99 {proved} ms, promised "
        "{promised} ms",
    ),
    "tight.delivery_p99_ms": (
        "消息送达的余量只有 {percent}%：p99 为 {proved} ms，承诺 {promised} ms",
        "only {percent} % are in hand for messages: p99 {proved} ms, promised {promised} ms",
    ),
    "tight.connect_p99_ms": (
        "进入直播间的余量只有 {percent}%：p99 为 {proved} ms，承诺 {promised} ms",
        "only {percent} % are in hand for getting in: p99 {proved} ms, promised {promised} ms",
    ),
    "tight.ledger_lag_s": (
        "账本的余量只有 {percent}%：最多落后 {proved} 秒，承诺 {promised} 秒",
        "only {percent} % are in hand for the ledger: {proved} s behind, promised {promised} s",
    ),
    "tight.errors_percent": (
        "失败率的余量只有 {percent}%：{proved}%，承诺 {promised}%",
        "only {percent} % are in hand for failures: {proved} %, promised {promised} %",
    ),
    "tight.process": (
        "{process} 在开售期间接近用满：单核的 {percent}%",
        "{process} was at its limit in the rush: {percent} % of one core",
    ),
    "tight.capacity": (
        "加压到计划的 {broke_at} 倍就不再达标，最后达标的是 {factor} 倍",
        "{broke_at} times the plan was too much; {factor} times is the last that held",
    ),
    "tight.drill_refused": (
        "演练「{drill}」没有进行：{why}",
        'the drill "{drill}" was not done: {why}',
    ),
    "tight.lost_lines": (
        "{people} 人的连接断开重连了 {count} 次，当时没有演练",
        "connections of {people} people were lost {count} times without a drill, and came back",
    ),
    "tight.not_measured": (
        "演练占用了全部时间，没有测到：{what}",
        "the drills took all the time in which this could be measured: {what}",
    ),
    "tight.drill_late": (
        "演练「{drill}」之后 {seconds} 秒才恢复，承诺 {promised} 秒",
        'it took {seconds} s to recover from the drill "{drill}", promised {promised} s',
    ),
}

VOID: Final[dict[str, tuple[str, str]]] = {
    "void.generator_cpu": (
        "压测进程 {who} 自己用满了 CPU：单核的 {percent}%",
        "the load generator {who} was out of CPU itself: {percent} % of one core",
    ),
    "void.generator_lag": (
        "压测进程 {who} 自己慢了 {ms} ms",
        "the load generator {who} was {ms} ms behind its own clock",
    ),
    "void.generator_late": (
        "压测进程 {who} 有 {percent}% 的请求晚发出 {ms} ms 以上",
        "the load generator {who} began {percent} % of its requests more than {ms} ms late",
    ),
    "void.generator_errors": (
        "压测进程 {who} 自己出了 {count} 次错",
        "the load generator {who} had {count} errors of its own",
    ),
    "void.generator_silent": (
        "压测进程 {who} 有 {seconds} 秒没有动静",
        "the load generator {who} stood still for {seconds} s",
    ),
    "void.doubtful": (
        "有承诺未达到，但原因可能在压测一方（{why}）",
        "a promise was broken, but the load generator may be why ({why})",
    ),
    "void.cut_short": ("彩排没有做完：{why}", "the rehearsal was cut short: {why}"),
    "void.never_began": ("没有到开售就结束了", "it ended before the sale began"),
    "void.generator_lost": (
        "压测进程 {who} 没有交回全部记录",
        "the load generator {who} did not hand over all that it recorded",
    ),
    "void.not_measured": (
        "有一项承诺没有测到：{what}",
        "a promise could not be judged, for nothing of it was measured: {what}",
    ),
    "void.asked_less": (
        "计划 {promised} 位买家，只有 {asked} 位按下了购买",
        "only {asked} of the {promised} planned buyers pressed the button",
    ),
    "void.file_missing": ("缺少记录文件 {file}", "the record {file} is missing"),
    "void.file_torn": ("记录文件 {file} 不完整：{why}", "the record {file} is torn: {why}"),
    "note.same_machine": (
        "压测与服务器在同一台机器上，共用 {cores} 个核",
        "the load was made on the server's own machine and shared its {cores} cores",
    ),
}

ADVICE: Final[dict[str, tuple[str, str]]] = {
    "advice.admission": (
        "已证明每秒 {proved} 单；放行其中的 {percent}%，其余留给彩排料不到的事",
        "{proved} orders a second are proved; let in {percent} % of that, the rest is for what "
        "no rehearsal knows",
    ),
    "advice.waiting": (
        "按每秒 {admitted} 单、{ms} ms 内回答，同时等待的不会更多",
        "at {admitted} orders a second, answered within {ms} ms, no more than these wait at once",
    ),
    "advice.workers_more": (
        "{now} 个进程在高峰共用了单核的 {percent}%，每个不宜超过 {busy}%；机器共 {cores} 核",
        "{now} of them used {percent} % of one core together at the peak, and {busy} % each is "
        "enough; the machine has {cores} cores",
    ),
    "advice.workers_enough": (
        "{now} 个进程在高峰共用了单核的 {percent}%，够用；机器共 {cores} 核",
        "{now} of them used {percent} % of one core together at the peak, which is fine; the "
        "machine has {cores} cores",
    ),
    "advice.hold": (
        "付款最慢用了 {longest_s} 秒，真实的人更慢；彩排中占用时间为 {rehearsed_s} 秒",
        "the slowest payment took {longest_s} s, and real people are slower; rehearsed were "
        "{rehearsed_s} s",
    ),
    "advice.chat_held": (
        "每秒 {comments_per_s} 条评论，{viewers} 位观众都按时收到",
        "{comments_per_s} comments a second reached {viewers} viewers in time",
    ),
    "advice.chat_less": (
        "每秒 {comments_per_s} 条评论，没能按时送到 {viewers} 位观众",
        "{comments_per_s} comments a second did not reach {viewers} viewers in time",
    ),
}
