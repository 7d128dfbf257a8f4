"""What the page says around its figures: headings, explanations, heads of tables.

Key: (zh-CN, en). Names in braces are values.
"""

from __future__ import annotations

from typing import Final

_PAGE: Final[dict[str, tuple[str, str]]] = {
    "document": ("彩排报告：{title}", "Rehearsal report: {title}"),
    "kind": ("彩排报告", "Rehearsal report"),
    "switch": ("English", "中文"),
    "switch_label": ("Read in English", "阅读中文版"),
    "contents": ("目录", "Contents"),
    "skip": ("跳到正文", "Skip to the report"),
    "table": ("查看数字", "Show the figures"),
    "table_thinned": (
        "每 {every} 秒一行；全部在 findings.json",
        "one row for each {every} s; all are in findings.json",
    ),
    "seconds_from_t0": ("横轴：开售后的秒数", "Across: seconds after the start"),
    "not_measured": ("没有测量", "not measured"),
    "nothing": ("没有数据。", "There is nothing to show."),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "never": ("没有恢复", "never"),
    "run": ("编号", "Run"),
    "began": ("开始", "Began"),
    "took": ("用时", "Took"),
    "seed": ("随机种子", "Seed"),
    "minutes": ("{minutes} 分 {seconds} 秒", "{minutes} min {seconds} s"),
    "utc": ("{at}（UTC）", "{at} UTC"),
    "sold_out_mark": ("售罄 {seconds} 秒", "sold out {seconds} s"),
    "first_sold_mark": ("首单 {seconds} 秒", "first {seconds} s"),
    "t0_mark": ("开售", "start"),
    "promised_level": ("承诺 {value}", "promised {value}"),
    "made_by": (
        "由 onair rehearse 生成。机器可读的见 findings.json；读法见 docs/REHEARSAL.md。",
        "Made by onair rehearse. The same for machines is in findings.json; how to read this is "
        "in docs/REHEARSAL.md.",
    ),
}

_VERDICT: Final[dict[str, tuple[str, str]]] = {
    "verdict": ("结论", "Verdict"),
    "reasons": ("原因", "Why"),
    "first_limit": ("最先到顶的是：{limit}", "What gave first: {limit}"),
    "tightest": ("余量最小的是：{limit}", "What has least in hand: {limit}"),
    "first_broken": ("被违反的不变量：“{limit}”", 'The broken invariant: "{limit}"'),
    "void_loud": (
        "以下数字不能说明服务器的能力：压测一方自己是瓶颈，或彩排没有做完。请排除原因后再彩排一次。",
        "Nothing below says what the server can do: the load generator was the bottleneck, or the "
        "rehearsal was cut short. Mend that and rehearse again.",
    ),
    "tile_viewers": ("同时在线", "viewers at once"),
    "tile_orders": ("每秒答复的抢购", "orders answered a second"),
    "tile_p99": ("99% 的抢购在此之内得到回答", "within which 99 % of orders were answered"),
    "tile_oversold": ("超卖", "units oversold"),
    "tile_lost": ("已确认却丢失", "acknowledged and lost"),
    "promised": ("承诺与证明", "Promised against proved"),
    "promised_lead": (
        "计划中承诺的每一项，旁边是彩排测到的。演练进行中的时间不计入。",
        "Every promise of the plan, beside what was measured. The time of drills does not count.",
    ),
    "head_what": ("项目", "What"),
    "head_promised": ("承诺", "Promised"),
    "head_proved": ("证明", "Proved"),
    "head_holds": ("结果", "Result"),
    "holds": ("达到", "kept"),
    "holds_not": ("未达到", "broken"),
    "holds_unknown": ("未判定", "not judged"),
    "at_least": ("≥ {value}", "≥ {value}"),
    "at_most": ("≤ {value}", "≤ {value}"),
}

_ENVIRONMENT: Final[dict[str, tuple[str, str]]] = {
    "environment": ("环境", "Environment"),
    "environment_lead": (
        "数字只对这台机器、这些版本和这些设置成立。",
        "The figures hold for this machine, these versions and these settings.",
    ),
    "same_machine": (
        "压测与服务器在同一台机器上，互相争用处理器：真实的服务器只会更宽裕，"
        "但网络、手机和路由没有被测到。",
        "The load was made on the server's own machine, and both shared its processors: the "
        "server alone has more to give, but no network, phone or router was tested.",
    ),
    "other_machine": (
        "压测来自另一台机器。",
        "The load came from another machine than the server's.",
    ),
    "server": ("服务器", "Server"),
    "both_machines": ("服务器与压测机", "Server and load machine"),
    "generator_machine": ("压测机", "Load machine"),
    "clock": ("时钟", "Clock"),
    "clock_text": (
        "服务器时钟与压测机相差 {skew} ms；一次往返 {trip} ms。",
        "The server's clock differs from the load machine's by {skew} ms; a round trip took "
        "{trip} ms.",
    ),
    "crowd": ("来了谁", "Who came"),
    "exits": ("异常退出的压测进程", "Load processes that failed"),
    "limits": ("服务器的全部限额", "All limits of the server"),
    "people_buyers": ("买家 {n}", "buyers {n}"),
    "people_talkers": ("评论 {n}", "talking {n}"),
    "people_likers": ("点赞 {n}", "liking {n}"),
    "people_sharers": ("分享 {n}", "sharing {n}"),
    "people_hosts": ("主播 {n}", "hosts {n}"),
    "people_audience": ("观众 {n}", "watching {n}"),
    "generators": ("压测机的健康", "Health of the load generator"),
    "generators_lead": (
        "量尺本身要可靠：任何一个压测进程在开售前后成为瓶颈，整次彩排即作废。"
        "界限：CPU {cpu}%，自身延迟 {lag} ms，晚发请求 {late}%。",
        "The yardstick must be sound: if any of these processes was the bottleneck around the "
        "start, the run is void. The limits are {cpu} % of a core, {lag} ms behind its own clock, "
        "{late} % of requests begun late.",
    ),
    "head_who": ("进程", "Process"),
    "head_cpu": ("CPU p95", "CPU p95"),
    "head_lag": ("自身延迟 p99", "Behind p99"),
    "head_late": ("晚发", "Late"),
    "head_errors": ("自身错误", "Own errors"),
    "head_sockets": ("最多连接", "Most sockets"),
    "head_state": ("状态", "State"),
    "well": ("正常", "well"),
    "sick": ("瓶颈", "bottleneck"),
    "referee": ("裁判：同样的负载，两种压测程序", "Referee: the same load from two generators"),
    "referee_lead": (
        "Locust 与独立的 uvloop 程序以每秒 {per_s} 单轮流下单，共 {rounds} 轮。",
        "Locust and an independent uvloop driver in turns at {per_s} orders a second, "
        "{rounds} rounds.",
    ),
    "referee_differ": ("相差", "Differ by"),
    "referee_why": ("相差超过 20% 的原因：{why}", "Why they differ by more than 20 %: {why}"),
    "referee_cpu": ("每单自身 CPU", "own CPU per order"),
    "referee_late": ("晚发 p99", "begun late, p99"),
}

_SPIKE: Final[dict[str, tuple[str, str]]] = {
    "capacity": ("容量曲线", "Capacity curve"),
    "capacity_lead": (
        "以计划的负载为 1 倍逐级加压，直到有承诺不再达到。拐点是最后一级全部达到的。",
        "The plan's load times 1 and more, until a promise broke. The knee is the last step at "
        "which all of them held.",
    ),
    "capacity_none": (
        "这次没有加压。用 --find 可以找出能承受到计划的几倍。",
        "No search was made. With --find the load is raised until something gives.",
    ),
    "capacity_knee": (
        "拐点：计划的 {factor} 倍，{viewers} 位观众，每秒 {orders} 单。",
        "The knee is {factor} times the plan: {viewers} viewers, {orders} orders a second.",
    ),
    "capacity_no_knee": ("第一级就没有达到。", "The first step did not hold."),
    "capacity_first": ("最先到顶：{broken}", "What gave first: {broken}"),
    "capacity_open": (
        "加到最后一级仍未到顶：真正的拐点更高。",
        "The last step held as well: the knee is higher than this.",
    ),
    "capacity_orders": ("每秒抢购：要求与答复", "Orders a second: asked for and answered"),
    "capacity_latency": ("p99，毫秒", "p99, milliseconds"),
    "across_factor": ("横轴：计划的倍数", "Across: times the plan"),
    "knee_mark": ("拐点", "knee"),
    "asked": ("要求", "asked for"),
    "answered": ("答复", "answered"),
    "order_p99": ("抢购回答 p99", "orders p99"),
    "delivery_p99": ("消息送达 p99", "delivery p99"),
    "head_factor": ("倍数", "Times"),
    "head_viewers": ("观众", "Viewers"),
    "head_asked": ("要求/秒", "Asked/s"),
    "head_answered": ("答复/秒", "Answered/s"),
    "head_order_p99": ("抢购 p99 ms", "Orders p99 ms"),
    "head_delivered": ("送达/秒", "Delivered/s"),
    "head_delivery_p99": ("送达 p99 ms", "Delivery p99 ms"),
    "head_ledger_ms": ("账本落后 ms", "Ledger behind ms"),
    "head_busiest": ("最忙的进程", "Busiest process"),
    "head_result": ("结果", "Result"),
    "step_holds": ("达到", "holds"),
    "spike": ("开售一刻", "The rush, second by second"),
    "spike_lead": (
        "按每个人打算按下的时刻计，而不是按请求发出的时刻：服务器慢，也不会让人晚按。",
        "By the instant at which each person meant to press, not by when the request got out: "
        "a slow server makes nobody press later.",
    ),
    "spike_again": (
        "没有付款的会退回、再被抢到，所以抢到的次数可以多于件数。",
        "What is not paid comes back and is reserved anew: there can be more of those than units.",
    ),
    "spike_none": ("没有人下单。", "Nobody pressed the button."),
    "first_sold": ("开售到首单", "Start to first sold"),
    "sold_out": ("开售到全部售罄", "Start to all sold out"),
    "silence": ("最长无人得到回答", "Longest silence"),
    "attempts": ("下单次数", "Attempts"),
    "not_sold_out": ("没有售罄", "not sold out"),
    "nothing_sold": ("没有卖出", "nothing sold"),
    "spike_outcomes": ("每秒的结果", "Outcomes per second"),
    "spike_latency": ("等待回答的时间，毫秒", "Time until the answer, milliseconds"),
    "spike_cut": (
        "图中为 {first} 至 {last} 秒，其余见表。",
        "Shown from second {first} to {last}; the rest is in the table.",
    ),
    "winners_p50": ("抢到 p50", "winners p50"),
    "winners_p99": ("抢到 p99", "winners p99"),
    "losers_p50": ("没抢到 p50", "losers p50"),
    "losers_p99": ("没抢到 p99", "losers p99"),
    "winners": ("抢到的人", "Winners"),
    "losers": ("没抢到的人", "Losers"),
    "head_second": ("秒", "Second"),
    "latency": ("响应时间", "Latency"),
    "latency_lead": (
        "毫秒，由原始记录计算，从打算开始的时刻起；没有得到回答的，按等待的时间计。",
        "Milliseconds from raw samples, from the intended instant; what was never answered counts "
        "with the time that it was waited for.",
    ),
    "head_request": ("请求", "Request"),
    "head_count": ("次数", "Count"),
    "head_most": ("最长", "Longest"),
    "errors": ("失败的请求", "Failed requests"),
    "errors_none": ("没有一个请求失败。", "No request failed."),
    "head_error": ("请求与结果", "Request and outcome"),
}

_BOOKS: Final[dict[str, tuple[str, str]]] = {
    "books": ("账目", "The books"),
    "books_lead": (
        "每个商品：总数 = 可售 + 占用 + 已售；库存（Redis）与账本（SQL）各算一遍。",
        "For each item: stock = available + reserved + sold, once as the stock in Redis says it "
        "and once as the ledger in SQL does.",
    ),
    "books_agree": ("库存与账本完全一致。", "The stock and the ledger agree."),
    "books_differ": ("库存与账本不一致：{why}", "The stock and the ledger differ: {why}"),
    "books_unknown": (
        "结束时账本还没有追上，差 {lag} 条。{why}",
        "The ledger had not caught up at the end; {lag} entries were missing. {why}",
    ),
    "books_none": ("结束时没有读到账目。", "The books could not be read at the end."),
    "head_sku": ("商品", "Item"),
    "head_side": ("来源", "By"),
    "side_redis": ("库存", "stock"),
    "side_ledger": ("账本", "ledger"),
    "side_books": ("账目", "books"),
    "head_initial": ("总数", "Stock"),
    "head_available": ("可售", "Available"),
    "head_reserved": ("占用", "Reserved"),
    "head_sold": ("已售", "Sold"),
    "head_refunded": ("已退款", "Refunded"),
    "head_adds_up": ("相加", "Adds up"),
    "invariants": ("不变量", "Invariants"),
    "invariants_lead": (
        "无论多忙都必须成立的事。每一条都用买家自己的记录与账本逐一核对。",
        "What must hold however busy it is. Each was checked against what every buyer was told "
        "and what the ledger has.",
    ),
    "invariants_none": (
        "没有可以核对的记录：不变量没有检查。",
        "There were no records to check: no invariant was looked at.",
    ),
    "head_invariant": ("不变量", "Invariant"),
    "head_checked": ("核对", "Checked"),
    "head_broken": ("违反", "Broken"),
    "examples": ("例子", "Examples"),
    "reproduce": (
        "用种子 {seed} 可以重现同样的负载。",
        "Seed {seed} makes the same load again.",
    ),
    "delivery": ("消息送达", "Delivery"),
    "delivery_lead": (
        "{witnesses} 位观众逐条核对了收到的 {events} 条消息（状态与评论）。",
        "{witnesses} viewers checked every one of {events} State and Chat events that they got.",
    ),
    "delivery_none": ("没有观众做逐条核对。", "No viewer checked what came."),
    "gaps": ("丢失", "missed"),
    "repeats": ("重复", "repeated"),
    "disorder": ("乱序", "out of order"),
    "fairness": ("公平", "Fairness"),
    "fairness_lead": (
        "买家按按下的先后分为十组：越早的组，抢到的比例应当越高。",
        "Buyers in ten groups by when they pressed: the earlier a group, the more of it should "
        "have got something.",
    ),
    "fairness_none": ("没有买家在开售后下单。", "Nobody pressed after the start."),
    "fairness_figure": ("各组抢到的比例，%", "Share of each group that got something, %"),
    "across_groups": ("横轴：第 1 组最早", "Across: group 1 pressed first"),
    "head_group": ("组", "Group"),
    "head_people": ("人数", "People"),
    "head_winners": ("抢到", "Got something"),
    "head_share": ("比例", "Share"),
    "by_kind": ("按买家类型", "By kind of buyer"),
    "head_kind": ("类型", "Kind"),
}

_REST: Final[dict[str, tuple[str, str]]] = {
    "drills": ("故障演练", "Drills"),
    "drills_lead": (
        "在彩排中故意制造的故障；每一项都有恢复所用的秒数，以及之后的账目。",
        "Faults made on purpose. Each has the seconds until it recovered, and the books after it.",
    ),
    "drills_none": ("计划里没有演练。", "The plan has no drills."),
    "head_drill": ("演练", "Drill"),
    "head_when": ("时间（开售后秒）", "When (s after start)"),
    "head_recovered": ("恢复", "Recovered"),
    "head_failed": ("失败请求", "Failed requests"),
    "head_books_after": ("之后的账目", "Books after it"),
    "head_note": ("备注", "Note"),
    "refused": ("没有进行：{why}", "not done: {why}"),
    "after_seconds": ("{seconds} 秒", "{seconds} s"),
    "viewers_back": ("{seconds} 秒后观众都回来了", "all viewers were back after {seconds} s"),
    "drill_books_good": (
        "平：{sums}；账本追平",
        "add up: {sums}; the ledger had caught up",
    ),
    "drill_books_late": ("平：{sums}；账本还在追", "add up: {sums}; the ledger was catching up"),
    "drill_books_bad": ("不平：{sums}", "do not add up: {sums}"),
    "drill_books_none": ("之后没有读到", "not read after it"),
    "timeline": ("全程", "Timeline"),
    "timeline_lead": (
        "服务器每秒说一次自己的状况；浅色为开售阶段，红色为演练。",
        "What the server said of itself, once a second. Shaded: the rush; red: drills.",
    ),
    "timeline_none": ("服务器没有应答过。", "The server never answered."),
    "timeline_unreachable": (
        "服务器有 {count} 次没有应答，图中留空。",
        "Looks that the server did not answer: {count}. They are gaps in the pictures.",
    ),
    "timeline_viewers": ("同时在线观众", "Viewers"),
    "timeline_orders": ("每秒抢购", "Orders a second"),
    "timeline_lag": ("账本落后，毫秒", "Ledger behind, milliseconds"),
    "timeline_cpu": ("各进程 CPU，单核的 %", "CPU by process, % of one core"),
    "head_phase": ("阶段", "Phase"),
    "head_orders_per_s": ("抢购/秒", "Orders/s"),
    "head_behind_ms": ("落后 ms", "Behind ms"),
    "advice": ("建议的设置", "Recommended settings"),
    "advice_lead": (
        "由这次证明的数字算出；没有测到的不给建议。",
        "Made from what was proved; where nothing was measured there is no advice.",
    ),
    "advice_none": (
        "这次没有可以作为依据的数字。",
        "Nothing was proved on which advice could stand.",
    ),
    "head_setting": ("设置", "Setting"),
    "head_value": ("值", "Value"),
    "head_why": ("依据", "Why"),
    "comparison": ("与上次相比", "Compared with the run before"),
    "comparison_none": (
        "没有同名的上一次彩排可以比较。",
        "There is no earlier rehearsal of this title.",
    ),
    "comparison_lead": (
        "上一次：{run}，{at}，结论“{verdict}”。变化小于容差的算作相同。",
        "The run before: {run}, {at}, verdict {verdict}. What moved by less than its tolerance "
        "is the same.",
    ),
    "comparison_void": (
        "两次中有一次无效，数字不能相比。",
        "One of the two proved nothing, so their figures are not compared.",
    ),
    "comparison_plan": (
        "计划也变了：{fields}。数字因此不能直接相比。",
        "The plan is another one too: {fields}. Read the figures with that in mind.",
    ),
    "comparison_machine": (
        "{what}：上次 {before}，这次 {now}",
        "{what}: {before} before, {now} now",
    ),
    "head_before": ("上次", "Before"),
    "head_now": ("这次", "Now"),
    "head_change": ("变化", "Change"),
    "head_tolerance": ("容差", "Tolerance"),
    "better": ("变好", "better"),
    "worse": ("变差", "worse"),
    "same": ("相同", "same"),
    "invariants_broken": ("被违反的不变量", "invariants broken"),
    "capacity_per_s": ("拐点的每秒抢购", "orders a second at the knee"),
    "tolerance_both": ("{share}%，至少 {least}", "{share} %, at least {least}"),
    "tolerance_share": ("{share}%", "{share} %"),
    "tolerance_least": ("{least}", "{least}"),
    "tolerance_none": ("无", "none"),
    "repeat": ("怎样重做", "How to repeat it"),
    "repeat_lead": (
        "把下面的计划存为 plan.toml，然后运行：",
        "Save the plan below as plan.toml, and run:",
    ),
    "repeat_note": (
        "同样的种子让同样的人在同样的时刻做同样的事。对正在营业的服务器，加上 --against 它的地址。",
        "The same seed makes the same people do the same things at the same instants. For a shop "
        "that runs, add --against and its address.",
    ),
    "plan_file": ("计划 plan.toml", "The plan, plan.toml"),
}

TEXTS: Final[dict[str, tuple[str, str]]] = {
    **_PAGE,
    **_VERDICT,
    **_ENVIRONMENT,
    **_SPIKE,
    **_BOOKS,
    **_REST,
}
