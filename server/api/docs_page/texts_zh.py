"""What the OpenAPI document says in English, in Chinese. A test keeps the two together."""

from __future__ import annotations

TEXTS_ZH: dict[str, str] = {
    # routes, by operation id
    "issueToken": "已登录的顾客打开直播间时，由你的后端调用，并把令牌交给页面。"
    "同一个令牌既用于 WebSocket，也用于 `Authorization: Bearer`。",
    "createGuest": "供没有账号的访客使用（服务器须允许访客发言）。令牌在所有直播间有效七天，"
    "角色为观众。请保存好：再次调用会产生另一位访客。",
    "createRoom": "新直播间的状态为 `scheduled`。重复提交相同内容返回 200，不做任何改变；"
    "标识相同而内容不同则返回 409。商家令牌只能创建其持有的直播间。",
    "listRooms": "按标识排序、分页返回直播间；使用商家令牌时只返回其持有的直播间。",
    "getRoom": "返回直播间的当前信息。",
    "changeRoom": "观众立即看到改动，并记入直播间日志。未提交的字段保持不变。",
    "getShelf": "主播可以置顶的商品，按货架顺序排列。",
    "replaceShelf": "整张列表一次性替换旧货架，要么全部成功，要么毫无改变："
    "商品不存在时返回 404 并指出是哪一个。",
    "listActs": "工作人员的每一次操作，最新的在前：谁、对谁、做了什么、何时、为何。"
    "日志只增不减，任何人都不能修改或删除其中一行。",
    "createProduct": "金额为某一币种最小单位的整数：9900 CNY 即 99.00 元。"
    "重复提交相同商品返回 200，不做任何改变；标识相同而内容不同则返回 409。",
    "listProducts": "按标识排序、分页返回全部商品。",
    "getProduct": "返回一件商品及其规格。",
    "publish": "向直播间内所有人发送一个 JSON 值。`state` 与 `chat` 通道的消息带有 offset，"
    "重连的客户端可以补收；`pulse` 通道只保留最新值。",
    "broadcast": "把同一个值发送到列表中的每个频道。响应按相同顺序逐一给出结果："
    "`result`，或只与该频道有关的 `error`。",
    "history": "已存储的消息（旧的在前）以及频道的最新位置。",
    "presenceStats": "所有进程上的连接数与用户数，最多有几秒延迟。",
    "disconnect": "关闭某位用户在所有进程上的全部连接。"
    "关闭码告诉客户端是否重连；默认 3503 表示不再重连。",
    # fields, by their English text
    "Rows of a page.": "每页行数。",
    "`next` of the page before.": "上一页的 `next`。",
    "The room's id.": "直播间标识。",
    "The product's id.": "商品标识。",
    "1, 2, 3 and so on within the room, without gaps.": "直播间内从 1 开始连续编号。",
    "When it was done.": "操作时间。",
    "User id; `api-key` for the holder of the API key.": "用户标识；API 密钥持有者为 `api-key`。",
    "What the actor was in this room.": "操作者在该直播间的角色。",
    "What was done, such as `comment.remove` or `room.update`.": "操作类型，"
    "例如 `comment.remove` 或 `room.update`。",
    "To whom, or empty.": "针对的用户，可为空。",
    "To which comment, or empty.": "针对的评论，可为空。",
    "Why, as the actor gave it.": "操作者给出的原因。",
    "What else belongs to this kind of act.": "该类操作的其他信息。",
    "Newest first.": "最新的在前。",
    "Send it as `after` for older acts; null at the end.": "作为 `after` 传入以获取更早的操作；"
    "到底时为 null。",
    "Send it as `after` for the next page; null at the end.": "作为 `after` 传入以获取下一页；"
    "到底时为 null。",
    "Any JSON value; viewers get it as it is.": "任意 JSON 值，观众原样收到。",
    "Each gets the value.": "每个频道都会收到该值。",
    "One for each channel, in their order.": "与频道一一对应，顺序相同。",
    "102: unknown channel; 100: try again.": "102：频道不存在；100：请重试。",
    "`room:<id>`": "`room:<直播间标识>`",
    "`state`: at once, never dropped; `chat`: gathered for a moment; `pulse`: newest value only.": (
        "`state`：立即送达、绝不丢弃；`chat`：短暂聚合后送达；`pulse`：只保留最新值。"
    ),
    "3500-3999 and 4500-4999: the client stays away; others: it comes back.": (
        "3500-3999 与 4500-4999：客户端不再重连；其他：客户端会重连。"
    ),
    "1 to 123 bytes, not JSON.": "1 到 123 字节，且不能是 JSON。",
    "A JWT for the WebSocket and for `Authorization: Bearer`.": "JWT，"
    "用于 WebSocket 与 `Authorization: Bearer`。",
    "The id this guest was given.": "分配给该访客的标识。",
    "Shown beside comments.": "显示在评论旁的名字。",
    "0: only the position; -1 and what is too large: as many as allowed.": (
        "0：只返回位置；-1 或过大的数：返回允许的最多条数。"
    ),
    "Events after this position.": "只返回该位置之后的消息。",
    "The newest offset of the channel.": "频道的最新 offset。",
    "Connections in the room, over all workers.": "直播间在所有进程上的连接数。",
    "Different signed-in users among them.": "其中不同的已登录用户数。",
    "Made by the server if absent.": "不填则由服务器生成。",
    "Whole minor units, such as cents or fen.": "最小货币单位的整数，例如分。",
    "ISO 4217 code.": "ISO 4217 币种代码。",
    "Variants; absent: the product itself, under its own id.": "规格；不填则商品自身为唯一规格，"
    "标识与商品相同。",
    "Absent: as it is.": "不填则保持不变。",
    "HLS address of the video, or empty.": "视频的 HLS 地址，可为空。",
    "Product ids in the order of the shelf, each once.": "按货架顺序排列的商品标识，不可重复。",
    "Place in the channel's stream; 0 on the pulse lane.": "在频道消息流中的位置；"
    "`pulse` 通道为 0。",
    "Name of the stream; a new one means history was lost.": "消息流的名字；变化表示历史已丢失。",
    "Your own id of this person.": "你系统中该用户的标识。",
    "What the person may do in `rooms`.": "该用户在 `rooms` 中的角色。",
    'Rooms the role holds for; `["*"]` is all of them.': '角色生效的直播间；`["*"]` 表示全部。',
    "Address of a picture.": "图片地址。",
    "How long the token is good for.": "令牌的有效秒数。",
}
