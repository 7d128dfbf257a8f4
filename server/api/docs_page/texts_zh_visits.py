"""The texts of the document page about visits, in Chinese."""

from __future__ import annotations

VISITS_ZH = {
    "listVisits": "按时间倒序分页列出访问，包括从未登录的访客。数据比实际发生略有延迟。"
    "使用商家令牌时只包含其直播间。",
    "countVisits": "按访问开始的日期、直播间与来源统计，一次最多 31 天。"
    "访问记录过期删除后，统计仍会保留。",
    "getVisit": "一次访问及其中发生的一切，按存储顺序排列，每一步都附有当时正在讲解的商品，"
    "以及在其中下的订单。",
    "listVisitsOfPerson": "按时间倒序列出某用户的访问，包括其作为访客时的访问："
    "同一次访问中登录之前的部分，以及没有其他会员用过的设备上的访问。",
    "The visit's id.": "访问标识。",
    "The user's id.": "用户标识。",
    "Only of this user, also as a guest.": "只看该用户的，包括其作为访客时的。",
    "Only of devices that begin like this.": "只看以此开头的设备。",
    "Only from this channel.": "只看来自该渠道的。",
    "Only of this campaign.": "只看该活动的。",
    "Only by links of this employee.": "只看通过该员工链接来的。",
    "Only of this inviter.": "只看该邀请人的。",
    "Only by this link.": "只看通过该链接来的。",
    "Begun then or later.": "开始时间不早于此。",
    "Begun before.": "开始时间早于此。",
    "The first day, of UTC; absent: six days before the last.": (
        "第一天（UTC）；不填则为最后一天之前六天。"
    ),
    "The last day; absent: today.": "最后一天；不填则为今天。",
    "`direct` when nothing is known.": "一无所知时为 `direct`。",
    "The merchant's own name of the campaign, or empty.": "商家自定的活动名，可为空。",
    "The employee whose link it was, or empty.": "链接所属的员工，可为空。",
    "The user whose link it was, or empty.": "链接所属的用户，可为空。",
    "The signed link, or empty: the page said it, nobody signed it.": (
        "已签名的链接；为空表示来源仅由页面声明，未经签名。"
    ),
    "Where the visit came from.": "访问的来源。",
    "The latest user it was, also a guest; empty: anonymous.": (
        "最近的用户，也可能是访客；为空表示匿名。"
    ),
    "The first member that it was; empty: none.": "其中第一个会员；为空表示没有。",
    "The beginning of the device's id; empty: not said.": "设备标识的开头；为空表示未提供。",
    "The app whose own browser it was, such as `wechat`, or empty.": (
        "内置浏览器所属的应用，例如 `wechat`，可为空。"
    ),
    "When its first piece was received.": "收到第一条记录的时间。",
    "When its last piece was received.": "收到最后一条记录的时间。",
    "With the page visible, by the server's account.": "页面可见的时长，由服务器核算。",
    "Comments, likes and orders that the server saw.": "服务器看到的评论、点赞与下单次数。",
    "Product cards that came into view.": "进入视野的商品卡片数。",
    "Product cards that were opened.": "打开的商品卡片数。",
    "Variants that were picked.": "选择规格的次数。",
    "How often a checkout was opened.": "打开结算的次数。",
    "Orders that were placed.": "下单数。",
    "Comments that were stored.": "已保存的评论数。",
    "Likes of the room and of comments.": "对直播间与评论的点赞数。",
    "Share links that were made.": "创建的分享链接数。",
    "Whether it had ended when its last piece was received.": (
        "收到最后一条记录时访问是否已结束。"
    ),
    "The product that was pinned at the last piece, or empty.": (
        "最后一条记录时正在讲解的商品，可为空。"
    ),
    "What happened; the vocabulary is in the protocol.": "发生了什么；词汇表见协议文档。",
    "When, by the page's word in the server's time.": "发生时间，由页面声明，按服务器时钟。",
    "When the server received it.": "服务器收到的时间。",
    "Who it was then; empty: anonymous.": "当时的用户；为空表示匿名。",
    "The product that was pinned then, or empty.": "当时正在讲解的商品，可为空。",
    "What belongs to this kind of step.": "该类步骤所附的信息。",
    "As the ledger has it now.": "账本中的当前状态。",
    "In the order in which they were stored.": "按存储顺序排列。",
    "Orders placed in these steps, as far as the ledger has them.": (
        "在这些步骤中下的、账本已有的订单。"
    ),
    "Send it as `after` for the steps behind; null at the end.": (
        "作为 `after` 发送以取得之后的步骤；到末尾时为 null。"
    ),
    "Of UTC; the day on which the visits began.": "访问开始的日期（UTC）。",
    "Visits that began.": "开始的访问数。",
    "Those of them that were, or became, a member's.": "其中属于会员的访问数，包括中途登录的。",
    "By day, room and source.": "按日期、直播间与来源排列。",
}
