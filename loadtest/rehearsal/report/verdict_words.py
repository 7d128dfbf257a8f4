"""What a verdict says, in Chinese and English: sentences, reasons, advice. Data, no code.

Fields in braces are the values of a `Say`; both languages have the same ones. Numbers come as text.
"""

from __future__ import annotations

from typing import Final

VERDICT_WORDS: Final[dict[str, tuple[str, str]]] = {
    # the sentence
    "go": (
        "可以开播（GO）：这台服务器撑住了 {viewers} 位观众和每秒 {orders_per_s} 单，"
        "每项指标至少还有 {percent}% 的余量。",
        "GO: this server held {viewers} viewers and {orders_per_s} orders a second, with at least "
        "{percent} % of every target in hand.",
    ),
    "go_searched": (
        "可以开播（GO）：这台服务器撑住了 {viewers} 位观众和每秒 {orders_per_s} 单，"
        "加压到计划的 {factor} 倍仍然达标。",
        "GO: this server held {viewers} viewers and {orders_per_s} orders a second, and still kept "
        "every promise at {factor} times the plan.",
    ),
    "go_with_limits": (
        "有条件开播（GO）：{viewers} 位观众和每秒 {orders_per_s} 单全部达标，但余量不足。{why}",
        "GO with limits: {viewers} viewers and {orders_per_s} orders a second were held, with "
        "little to spare. {why}",
    ),
    "no_go": ("不能开播（NO-GO）：{why}", "NO-GO: {why}"),
    "void": ("本次彩排无效，不能证明任何事：{why}", "Void, nothing was proved: {why}"),
    # invariants that were broken
    "broken.never_oversold": (
        "超卖了 {count} 件。例：{example}",
        "{count} units too many were sold. For example: {example}",
    ),
    "broken.nothing_acknowledged_lost": (
        "已经答复买家的结果有 {count} 个在账本里不存在（共查 {checked} 个）。例：{example}",
        "{count} of {checked} answers that buyers were given are not in the ledger. For example: "
        "{example}",
    ),
    "broken.nothing_sold_twice": (
        "有 {count} 个下单请求生成了不止一张订单。例：{example}",
        "{count} requests made more than one order. For example: {example}",
    ),
    "broken.same_request_same_answer": (
        "有 {count} 个请求重发后得到不同的答复。例：{example}",
        "{count} requests got another answer when they were sent again. For example: {example}",
    ),
    "broken.per_user_limit": (
        "有 {count} 位买家超过了每人限购。例：{example}",
        "{count} buyers had more units than one person may. For example: {example}",
    ),
    "broken.not_before_start": (
        "有 {count} 张订单在开售前成交。例：{example}",
        "{count} orders were made before the sale began. For example: {example}",
    ),
    "broken.holds_return": (
        "有 {count} 个未付款的占用没有按时退回库存。例：{example}",
        "{count} unpaid holds did not come back when they should. For example: {example}",
    ),
    "broken.stock_adds_up": (
        "库存有 {count} 次对不上：可售、占用、已售之和不等于总数（共查 {checked} 次）。"
        "例：{example}",
        "The stock did not add up at {count} of {checked} looks: available, reserved and sold are "
        "not what was put on sale. For example: {example}",
    ),
    "broken.unknown_answers_resolved": (
        "没有收到答复的下单有 {count} 个发生了不止一次，或与后来的答复矛盾（共 {checked} 个）。"
        "例：{example}",
        "{count} of {checked} purchases without an answer happened twice, or against a later "
        "answer. For example: {example}",
    ),
    "broken.no_foreign_orders": (
        "账本里有 {count} 张订单没有人下过单。例：{example}",
        "{count} orders of the ledger were made by nobody. For example: {example}",
    ),
    "broken.paid_equals_ledger": (
        "买家付款与账本有 {count} 处不一致（共查 {checked} 处）。例：{example}",
        "{count} of {checked} payments differ between buyers and ledger. For example: {example}",
    ),
    "broken.money_is_balanced": (
        "钱账有 {count} 处不平。例：{example}",
        "The money does not balance in {count} places. For example: {example}",
    ),
    "broken.redis_equals_ledger": (
        "Redis 与账本不一致：{example}",
        "Redis and the ledger differ: {example}",
    ),
    # promises that were broken
    "limit.order_latency": (
        "下单太慢：99% 的答复用了 {proved} 毫秒，目标 {promised} 毫秒。",
        "Orders are too slow: p99 {proved} ms, promised {promised} ms.",
    ),
    "limit.delivery_latency": (
        "消息送达太慢：99% 用了 {proved} 毫秒，目标 {promised} 毫秒。",
        "Events arrive too late: p99 {proved} ms, promised {promised} ms.",
    ),
    "limit.connect_latency": (
        "进房太慢：99% 用了 {proved} 毫秒，目标 {promised} 毫秒。",
        "Viewers come in too slowly: p99 {proved} ms, promised {promised} ms.",
    ),
    "limit.ledger_lag": (
        "账本落后了 {proved} 秒，目标 {promised} 秒以内。",
        "The ledger was {proved} s behind, promised at most {promised} s.",
    ),
    "limit.unsettled": (
        "彩排结束时账本仍未追上，还差 {lag} 条。{why}",
        "The ledger had not caught up at the end: {lag} entries were missing. {why}",
    ),
    "limit.redis": (
        "彩排结束时读不到 Redis，账目无法核对。{why}",
        "Redis could not be read at the end, so the books could not be compared. {why}",
    ),
    "limit.errors": (
        "失败的请求占 {proved}%，目标 {promised}% 以内；共 {count} 次，最多的是 {most}。",
        "{proved} % of all requests failed, promised at most {promised} %: {count} of them, most "
        "of all {most}.",
    ),
    "limit.viewers": (
        "最多只有 {proved} 位观众同时在场，承诺 {promised} 位。",
        "No more than {proved} viewers were there at once, promised {promised}.",
    ),
    "limit.orders": (
        "抢购时每秒按时答复 {proved} 单，承诺 {promised} 单。",
        "{proved} orders a second were answered in time in the rush, promised {promised}.",
    ),
    "limit.delivery_gaps": (
        "抽查的观众发现 {proved} 处消息缺失、重复或乱序。",
        "Watched viewers found {proved} gaps, repeats or inversions of events.",
    ),
    "limit.unreachable": (
        "开售后 {at_s} 秒起，服务器连续 {looks} 次没有应答。",
        "From {at_s} s after the start the server did not answer, {looks} times in a row.",
    ),
    "limit.recovery": (
        "演练“{drill}”之后没有恢复，承诺 {promised} 秒内恢复。",
        "After the drill “{drill}” it never recovered, promised within {promised} s.",
    ),
    # what could do no more
    "evidence.process": (
        "当时 {process} 用满了单核的 {percent}%。",
        "At that time {process} used {percent} % of its core.",
    ),
    "evidence.machine": (
        "当时整台机器已满：服务器用了 {server} 核，压测端用了 {generator} 核，共 {cores} 核。",
        "At that time the machine was full: the server used {server} cores, the generator "
        "{generator}, of {cores}.",
    ),
    "note.same_machine": (
        "压测端与服务器在同一台机器上，共用 {cores} 个核；换一台机器施压，或减小计划。",
        "The generator shares the server's {cores} cores; make the load on another machine, or "
        "make the plan smaller.",
    ),
    # little in hand
    "tight.order_p99_ms": (
        "下单 p99 为 {proved} 毫秒，目标 {promised} 毫秒，只剩 {percent}%。",
        "Orders: p99 {proved} ms of {promised} ms, {percent} % in hand.",
    ),
    "tight.delivery_p99_ms": (
        "送达 p99 为 {proved} 毫秒，目标 {promised} 毫秒，只剩 {percent}%。",
        "Delivery: p99 {proved} ms of {promised} ms, {percent} % in hand.",
    ),
    "tight.connect_p99_ms": (
        "进房 p99 为 {proved} 毫秒，目标 {promised} 毫秒，只剩 {percent}%。",
        "Coming in: p99 {proved} ms of {promised} ms, {percent} % in hand.",
    ),
    "tight.ledger_lag_s": (
        "账本最多落后 {proved} 秒，目标 {promised} 秒，只剩 {percent}%。",
        "The ledger was up to {proved} s behind, of {promised} s, {percent} % in hand.",
    ),
    "tight.errors_percent": (
        "失败请求 {proved}%，目标 {promised}%，只剩 {percent}%。",
        "{proved} % of requests failed, of {promised} %, {percent} % in hand.",
    ),
    "tight.process": (
        "{process} 在抢购时连续用满单核的 {percent}%。",
        "{process} used {percent} % of its core for seconds together in the spike.",
    ),
    "tight.capacity": (
        "加压时在计划的 {broke_at} 倍处失守，只撑到 {factor} 倍。",
        "It held up to {factor} times the plan and broke at {broke_at} times.",
    ),
    "tight.drill_late": (
        "演练“{drill}”之后 {seconds} 秒才恢复，承诺 {promised} 秒。",
        "After the drill “{drill}” it took {seconds} s to recover, promised {promised} s.",
    ),
    "tight.drill_refused": (
        "演练“{drill}”没有进行：{why}",
        "The drill “{drill}” was not done: {why}",
    ),
    # void
    "void.file_missing": ("缺少文件 {file}。", "The file {file} is missing."),
    "void.file_torn": ("文件 {file} 不完整：{why}", "The file {file} is torn: {why}"),
    "void.cut_short": ("彩排中途停止：{why}", "The rehearsal was cut short: {why}"),
    "void.never_began": ("秒杀没有开始。", "The sale never began."),
    "void.generator_cpu": (
        "压测进程 {who} 在抢购时用满单核的 {percent}%，瓶颈在压测端。",
        "The generator {who} used {percent} % of its core in the spike: it was the bottleneck.",
    ),
    "void.generator_lag": (
        "压测进程 {who} 自己的计时迟到了 {ms} 毫秒，瓶颈在压测端。",
        "The generator {who} ran {ms} ms late by its own timer: it was the bottleneck.",
    ),
    "void.generator_late": (
        "压测进程 {who} 有 {percent}% 的请求比计划晚发出 {ms} 毫秒以上。",
        "The generator {who} began {percent} % of its requests over {ms} ms late.",
    ),
    "void.generator_errors": (
        "压测进程 {who} 自己出了 {count} 次错。",
        "The generator {who} had {count} errors of its own.",
    ),
    "void.generator_silent": (
        "压测进程 {who} 在抢购时有 {seconds} 秒没有动静。",
        "The generator {who} was silent for {seconds} s in the spike.",
    ),
    "void.asked_less": (
        "抢购时只有 {asked} 人下单，计划是 {promised} 人：压测端没有施加计划的负载。",
        "Only {asked} people pressed the button in the rush, the plan says {promised}: the "
        "generator did not make the load.",
    ),
    "void.doubtful": (
        "当时压测端自己已到极限，因此下面这条不能算服务器的问题：{why}",
        "The generator was at its own limit then, so this is not held against the server: {why}",
    ),
    # drills
    "drill.kill_worker": ("杀掉一个网页进程", "a web worker is killed"),
    "drill.restart_redis": ("重启 Redis", "Redis is restarted"),
    "drill.stop_ledger": ("暂停账本进程", "the ledger is stopped"),
    "drill.cut_network": ("断网", "the network is cut"),
    "drill.slow_readers": ("部分观众读取缓慢", "slow readers"),
    "drill.webhook_storm": ("支付回调风暴", "a storm of payment webhooks"),
    # names of limits
    "limit_name.order_latency": ("下单延迟", "latency of orders"),
    "limit_name.delivery_latency": ("送达延迟", "latency of delivery"),
    "limit_name.connect_latency": ("进房延迟", "latency of coming in"),
    "limit_name.ledger_lag": ("账本落后", "the ledger's lag"),
    "limit_name.errors": ("失败的请求", "failed requests"),
    "limit_name.viewers": ("观众数", "viewers"),
    "limit_name.orders": ("每秒订单", "orders a second"),
    "limit_name.delivery_gaps": ("消息缺失", "gaps in delivery"),
    "limit_name.unreachable": ("服务器无应答", "the server does not answer"),
    "limit_name.redis": ("Redis", "Redis"),
    "limit_name.recovery": ("故障恢复", "recovery from a drill"),
    "limit_name.server_cpu": ("网页进程的 CPU", "CPU of a web worker"),
    "limit_name.ledger_cpu": ("账本进程的 CPU", "CPU of a ledger worker"),
    "limit_name.redis_cpu": ("Redis 的 CPU", "CPU of Redis"),
    "limit_name.generator": ("压测端", "the generator"),
    # advice
    "advice.admission": (
        "放行速度取已证实的每秒 {proved} 单的 {percent}%。",
        "Admission at {percent} % of the proved {proved} orders a second.",
    ),
    "advice.waiting": (
        "按每秒放行 {admitted} 单计算，排队更多的人等不到 {ms} 毫秒内的答复；宁可立即告知繁忙。",
        "At {admitted} orders a second, more waiting orders than that are not answered within "
        "{ms} ms; better to say “busy” at once.",
    ),
    "advice.workers_more": (
        "抢购时 {now} 个进程共用了单核的 {percent}%，每个进程不宜超过 {busy}%；"
        "服务器有 {cores} 核。",
        "In the spike {now} of them used {percent} % of a core together, and one should not use "
        "over {busy} %; the server has {cores} cores.",
    ),
    "advice.workers_enough": (
        "抢购时 {now} 个进程共用了单核的 {percent}%，每个不超过 {busy}% 即够用；"
        "服务器有 {cores} 核。",
        "In the spike {now} of them used {percent} % of a core together, which is enough at up to "
        "{busy} % each; the server has {cores} cores.",
    ),
    "advice.hold": (
        "彩排中从抢到到付款最长用了 {longest_s} 秒（占用期为 {rehearsed_s} 秒）；"
        "真人更慢，留三倍。",
        "In the rehearsal the longest way from order to payment took {longest_s} s, with holds of "
        "{rehearsed_s} s; people are slower: three times that.",
    ),
    "advice.chat_held": (
        "每秒 {comments_per_s} 条评论按时送达了 {viewers} 位观众。",
        "{comments_per_s} comments a second reached {viewers} viewers in time.",
    ),
    "advice.chat_less": (
        "每秒 {comments_per_s} 条评论没能按时送达 {viewers} 位观众，先降到八成。",
        "{comments_per_s} comments a second did not reach {viewers} viewers in time: try 80 % of "
        "that first.",
    ),
}
