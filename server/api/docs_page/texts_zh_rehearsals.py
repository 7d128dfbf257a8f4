"""What the OpenAPI document says of rehearsals, in Chinese."""

from __future__ import annotations

REHEARSALS_ZH: dict[str, str] = {
    # routes, by operation id
    "openRehearsal": "在本服务器内开设一家空的影子店铺，存储与密钥均独立，位于 `/rehearsal` 之下；"
    "返回时即可接待访客。同一时间只有一场：数据尚在的那一场会由 409 指出。`key` 只在此处给出。"
    "需要 API 密钥，或持有全部直播间的商家令牌。",
    "listRehearsals": "历次彩排，最新的在前，分页返回。彩排数据清除后，记录仍然保留。",
    "planFromSale": "该秒杀所售的商品，观众数取其直播间最近 30 天同时在场的最多人数，"
    "活跃程度亦然：可修改后用来开始彩排。不保存任何内容。",
    "getRehearsal": "当前状态、结论，以及谁对它做过什么。发压端超过 `rehearsal_silent_s` "
    "没有消息即视为失败。彩排自己的密钥可用于此接口及以下接口。",
    "issueRehearsalTokens": "一次签发多人的令牌，只在影子店铺有效：并非由店铺自己的密钥签名。"
    "同一编号始终是同一个人。",
    "tellRehearsalProgress": "发压端约每秒上报一次；其他字段原样保存并展示。"
    "阶段为 `failed` 时彩排结束，原因见 `why`。",
    "observeRehearsal": "一次看全：所有进程上的观众与下单、账本、账目，以及本机每个进程的用量。"
    "各工作进程每秒自报一次。",
    "beginDrill": "故意制造故障：`kill_worker` 结束本服务器的一个 Web 工作进程，"
    "其余只涉及影子店铺自己的 Redis 与账本进程。须由设置项 `rehearsal_drills` 允许，否则返回 403。",
    "stopRehearsal": "发压端在下一次上报进度时得知并结束，之后仍可提交结果。"
    "重复调用或已经结束时不做任何改变。数据保留到清除为止。",
    "purgeRehearsal": "关闭影子店铺并删除其全部内容：直播间、用户、订单、消息。"
    "彩排结论保留在历史中。重复调用得到相同响应。",
    "reportRehearsal": "以 JSON 提交的结果，逐字节保存；其他字段由发压端自定。提交后彩排即告完成。"
    "再次提交会取代之前的结果。",
    "getRehearsalReport": "当时提交的内容，逐字节一致。只保留最近几场的报告，结论则全部保留。",
    "putRehearsalPage": "整份报告为一个 UTF-8 的 HTML 文件，原样保存。再次提交会取代之前的文件。",
    "getRehearsalPage": "返回所存的报告。安全策略允许文件自带的内容运行，"
    "但与店铺的一切隔离，且不得加载任何资源。",
    "linkRehearsalReport": "在 `rehearsal_link_s` 秒之内，持有该链接者均可查看报告。"
    "需要 API 密钥，或持有全部直播间的商家令牌。",
    "readRehearsalPage": "凭仍然有效的链接查看报告。",
    # fields, by their English text
    "A path of this server; it opens without a token.": "本服务器上的路径，无需令牌即可打开。",
    "When it ends to be good.": "失效时间。",
    "From the link.": "取自链接。",
    "The rehearsal's id.": "彩排标识。",
    "Absent: the plan's.": "不填则用计划的标题。",
    "What is promised; see REHEARSAL.md. Kept as it is.": (
        "所承诺的内容，见 REHEARSAL.md；原样保存。"
    ),
    "True: this server runs the generator itself.": "true：由本服务器自行发压。",
    "User id; `api-key` for the holder of the API key, the run's id for its own.": (
        "用户标识；API 密钥持有者为 `api-key`，彩排自己的密钥则为彩排标识。"
    ),
    "`open`, `stop`, `drill`, `report`, `fail` or `purge`.": (
        "`open`、`stop`、`drill`、`report`、`fail` 或 `purge`。"
    ),
    "1, 2, 3 and so on, in the order in which they were opened.": "按开设顺序从 1 开始编号。",
    "As it was given.": "与提交时一致。",
    "This server ran the generator itself.": "由本服务器自行发压。",
    "When the generator told its progress last.": "发压端最近一次上报的时间。",
    "What it told last.": "最近一次上报的内容。",
    "Until then another one cannot be opened.": "在此之前不能开始另一场。",
    "Null until there is a report.": "有报告之前为 null。",
    "The verdict in one sentence: `key` and `values`, and `texts` by language.": (
        "一句话结论：`key` 与 `values`，以及按语言给出的 `texts`。"
    ),
    "Why it failed, or empty.": "失败的原因，可为空。",
    "Which forms of it are kept.": "保存了哪些形式的报告。",
    "The path below which its shadow shop is.": "影子店铺所在的路径。",
    "Who did what to it, oldest first.": "谁对它做过什么，最早的在前。",
    "Of this rehearsal alone: for its routes here, and for its shadow shop's API. "
    "Good until its data is purged.": (
        "仅属于这场彩排：用于它在此处的接口，以及影子店铺的 API。数据清除后失效。"
    ),
    "Of its room in the last 30 days, on which the plan stands.": (
        "其直播间最近 30 天的访问数，计划以此为据。"
    ),
    "The most people who were there at one instant.": "同一时刻在场的最多人数。",
    "1 is the user `rh-u000001`.": "1 即用户 `rh-u000001`。",
    "How many, from the first.": "从第一个起的人数。",
    "In every room of the shadow shop.": "在影子店铺的所有直播间生效。",
    "User id and token of each.": "每人的用户标识与令牌。",
    "Such as `arrive`, `spike`, `settle`; `failed` ends the rehearsal.": (
        "例如 `arrive`、`spike`、`settle`；`failed` 会结束彩排。"
    ),
    "With `failed`: the reason.": "阶段为 `failed` 时的原因。",
    "Whatever the desk is to show of them.": "供工作台展示的账目。",
    "True: somebody stopped it; the generator should end.": "true：有人叫停，发压端应当结束。",
    "Processor seconds since the process began.": "进程启动以来的处理器秒数。",
    "It serves the rehearsal alone.": "只为彩排服务。",
    "Connections to the shadow shop, over all workers.": "影子店铺在所有进程上的连接数。",
    "Web workers that have told of themselves lately.": "近期自报过的 Web 工作进程数。",
    "Purchases answered so far, by outcome.": "至今已答复的下单数，按结果。",
    "Entries that the ledger does not hold yet.": "账本尚未记入的记录数。",
    "For how long the oldest of them has waited.": "其中最早的一条已等待多久。",
    "Why the ledger cannot write, or empty.": "账本无法写入的原因，可为空。",
    "Counters of each sale that runs, by its id.": "进行中的各场秒杀的计数，按标识。",
    "Of this machine: the shop's and the shadow's.": "本机上店铺与影子店铺的进程。",
    "Machine, versions, settings; no secrets.": "机器、版本与设置；不含密钥。",
    "How long, where it lasts.": "持续秒数（适用于持续性的故障）。",
    "What was done.": "所做的操作。",
    "The sentence in words, by language.": "按语言给出的结论文字。",
    "What was deleted, by kind.": "已删除的内容，按种类。",
}
