"""What things are called in a report: outcomes, drills, promises, invariants, processes' files.

By kind and word: (zh-CN, en). A word that is not here is shown as it is.
"""

from __future__ import annotations

from typing import Final

Names = dict[str, tuple[str, str]]

_VERDICTS: Final[Names] = {
    "go": ("可以开播", "GO"),
    "go_with_limits": ("可以开播，有限制", "GO WITH LIMITS"),
    "no_go": ("不要开播", "NO-GO"),
    "void": ("无效", "VOID"),
}

_PHASES: Final[Names] = {
    "prepare": ("准备", "preparing"),
    "arrive": ("进场", "arrival"),
    "warm": ("预热", "warm-up"),
    "spike": ("开售", "the rush"),
    "settle": ("收尾", "settling"),
    "referee": ("裁判", "referee"),
    "find": ("加压", "search"),
    "collect": ("收集", "collecting"),
    "done": ("结束", "end"),
}

_DRILLS: Final[Names] = {
    "kill_worker": ("强杀一个网页进程", "a web worker is killed"),
    "restart_redis": ("重启 Redis", "Redis is restarted"),
    "stop_ledger": ("暂停账本", "the ledger is stopped"),
    "cut_network": ("切断网络", "the network is cut"),
    "slow_readers": ("慢观众", "slow readers"),
    "webhook_storm": ("支付回调风暴", "a storm of payment webhooks"),
}

_OUTCOMES: Final[Names] = {
    "reserved": ("抢到", "reserved"),
    "queued": ("候补", "in the waitlist"),
    "sold_out": ("已售罄", "sold out"),
    "limit_reached": ("超过限购", "limit reached"),
    "not_started": ("未开售", "not started"),
    "paused": ("已暂停", "paused"),
    "ended": ("已结束", "ended"),
    "too_fast": ("太频繁", "too fast"),
    "failed": ("出错", "failed"),
    "unknown": ("没有回答", "no answer"),
}

_PROMISES: Final[Names] = {
    "viewers": ("同时在线观众", "viewers at once"),
    "orders_per_s": ("每秒答复的抢购", "orders answered a second"),
    "order_p99_ms": ("抢购回答 p99", "answers to orders, p99"),
    "delivery_p99_ms": ("消息送达 p99", "delivery of messages, p99"),
    "connect_p99_ms": ("进入直播间 p99", "getting in, p99"),
    "ledger_lag_s": ("账本最多落后", "the ledger behind, at most"),
    "errors_percent": ("失败的请求", "failed requests"),
    "delivery_gaps": ("丢失、重复、乱序的消息", "events missed, repeated, out of order"),
    "payments_refused": ("按时付款却被拒", "payments refused though made in time"),
    "recover_s": ("演练后恢复", "recovery after a drill"),
}

_LIMITS: Final[Names] = {
    "viewers": ("同时在线观众", "viewers at once"),
    "orders": ("每秒抢购数", "orders a second"),
    "order_latency": ("抢购回答的速度", "the time until orders are answered"),
    "delivery_latency": ("消息送达的速度", "the time until messages arrive"),
    "connect_latency": ("进入直播间的速度", "the time to get in"),
    "ledger_lag": ("账本的速度", "the ledger"),
    "errors": ("失败的请求", "failed requests"),
    "delivery_gaps": ("消息的完整", "messages lost or out of order"),
    "payments": ("付款的速度", "payments taken in time"),
    "recovery": ("故障后的恢复", "recovery after a fault"),
    "unreachable": ("服务器无应答", "the server did not answer"),
    "redis": ("Redis", "Redis"),
    "server_cpu": ("网页进程的 CPU", "the web workers' CPU"),
    "ledger_cpu": ("账本进程的 CPU", "the ledger workers' CPU"),
    "redis_cpu": ("Redis 的 CPU", "Redis' CPU"),
    "generator": ("压测机", "the load generator"),
}

_INVARIANTS: Final[Names] = {
    "never_oversold": ("从不超卖", "never oversold"),
    "nothing_acknowledged_lost": ("已确认的订单一张不丢", "nothing acknowledged is lost"),
    "nothing_sold_twice": ("一个请求最多一张订单", "one request, one order at most"),
    "paid_equals_ledger": ("买家付的，就是账本记的", "what buyers paid is what the ledger says"),
    "money_is_balanced": ("每笔钱都有订单，每张订单都对得上", "every payment has its order"),
    "redis_equals_ledger": ("库存与账本一致", "the stock and the ledger agree"),
    "stock_adds_up": ("可售 + 占用 + 已售 = 总数", "available + reserved + sold = stock"),
    "same_request_same_answer": ("同样的请求，同样的回答", "the same request, the same answer"),
    "unknown_answers_resolved": (
        "没收到回答的，要么成一次，要么没成",
        "without an answer: once, or not at all",
    ),
    "per_user_limit": ("每人限购有效", "nobody has more than the limit"),
    "not_before_start": ("开售前不卖", "nothing is sold before the start"),
    "open_from_the_start": ("到点就开售", "the sale is open from its start"),
    "sold_out_is_true": ("真的卖完才说售罄", "sold out is said when it is so"),
    "holds_return": ("未付款的库存按时退回", "unpaid units come back in time"),
    "drills_leave_the_books": ("演练之后账目仍然对", "the books are right after each drill"),
    "no_foreign_orders": ("没有来路不明的订单", "no orders that nobody placed"),
}

_SETTINGS: Final[Names] = {
    "orders_per_s": ("每秒放行的抢购", "orders to let in a second"),
    "hold_seconds": ("付款时限（秒）", "seconds to pay in"),
}

_BUYERS: Final[Names] = {
    "on_time": ("准点", "on time"),
    "early": ("抢跑", "early"),
    "impatient": ("连点", "impatient"),
    "abandoning": ("不付款", "abandoning"),
    "late": ("拖到最后才付", "paying late"),
    "bots": ("机器人", "bots"),
    "bot": ("机器人", "bots"),
}

_KINDS: Final[Names] = {
    "connect": ("连接", "connection"),
    "rpc": ("请求", "request"),
    "push": ("推送", "push"),
    "http": ("HTTP", "HTTP"),
}

_PLACES: Final[Names] = {
    "cpu": ("处理器", "processor"),
    "cores": ("核数", "cores"),
    "cpus": ("核数", "cores"),
    "kernel": ("内核", "kernel"),
    "system": ("系统", "system"),
    "machine": ("架构", "architecture"),
    "memory_bytes": ("内存", "memory"),
    "python": ("Python", "Python"),
    "redis": ("Redis", "Redis"),
    "redis_embedded": ("Redis 为自带", "Redis is the server's own"),
    "database": ("数据库", "database"),
    "durability": ("落盘方式", "durability"),
    "workers": ("网页进程数", "web workers"),
    "ledger_workers": ("账本进程数", "ledger workers"),
    "viewers_max": ("最多连接数", "most connections"),
    "commit": ("程序版本", "commit"),
    "load_average": ("开始前的负载", "load average before"),
    "open_files_max": ("可打开文件数", "open files, at most"),
    "libraries": ("程序库", "libraries"),
    "limits": ("限额", "limits"),
}

_COUNTS: Final[Names] = {
    "probes": ("试购", "trial purchases"),
    "failed_probes": ("试购失败", "of them failed"),
    "failed_of_crowd": ("人群中失败的请求", "failed requests of the crowd"),
    "viewers_before": ("之前在线", "viewers before"),
    "viewers_least": ("最低在线", "viewers at least"),
    "slow_readers": ("慢观众", "slow readers"),
    "orders": ("订单", "orders"),
    "messages": ("回调", "webhooks"),
    "failed": ("失败", "failed"),
    "turned_away": ("被拒的伪造签名", "turned away for their signature"),
    "paid_once": ("恰好付清一次", "paid exactly once"),
    "accepted": ("入账", "accepted"),
    "surplus": ("多付（退回）", "surplus, to be refunded"),
    "late": ("迟到", "too late"),
    "unanswered": ("没有应答", "without an answer"),
}

_REFEREE: Final[Names] = {
    "unplayed": ("有一轮没能进行", "a round could not be played"),
    "answers": ("两边得到的回答不同", "they were answered differently"),
    "unsteady": (
        "同一程序的各轮之间就相差这么多：机器不够安静",
        "the rounds of one and the same generator differ by as much: the machine is unsteady",
    ),
    "cost": (
        "压测程序自己每单用的 CPU 不同，时间算在了测得的数字里",
        "what each generator itself spends on an order is part of what it measures",
    ),
}

NAMES: Final[dict[str, Names]] = {
    "verdict": _VERDICTS,
    "phase": _PHASES,
    "drill": _DRILLS,
    "outcome": _OUTCOMES,
    "promise": _PROMISES,
    "limit": _LIMITS,
    "invariant": _INVARIANTS,
    "setting": _SETTINGS,
    "buyer": _BUYERS,
    "kind": _KINDS,
    "count": _COUNTS,
    "referee": _REFEREE,
    "place": _PLACES,
}
