"""What the OpenAPI document says in English, in Chinese. A test keeps the two together."""

from __future__ import annotations

from server.api.docs_page.texts_zh_ladders import LADDERS_ZH
from server.api.docs_page.texts_zh_money import MONEY_ZH
from server.api.docs_page.texts_zh_rehearsals import REHEARSALS_ZH
from server.api.docs_page.texts_zh_visits import VISITS_ZH

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
    "createSale": "新建的秒杀是草稿：准备开售之前没有人看得到。重复提交相同内容返回 200，"
    "不做任何改变；标识相同而内容不同则返回 409。",
    "listSales": "按标识排序、分页返回秒杀的当前状态，包括草稿；"
    "使用令牌时只返回其持有的直播间的秒杀。",
    "getSale": "返回一场秒杀的当前状态。若实时存储暂时不可用，则返回账本中的状态，"
    "并由 `source` 标明。",
    "changeSale": "只有草稿可以修改，未提交的字段保持不变。`items` 会替换整张列表。",
    "getBooks": "用于判定下单的计数，与从账本重新统计的计数并列，并说明两者是否一致。"
    "只有在没有任何记录正在写入账本时才会比较。",
    "armSale": "从此条款固定，直播间开始展示该秒杀。它等待主播开售，或到时自动开售。",
    "openSale": "已准备好的秒杀立即开售，或经过所有观众可见的倒计时后开售。",
    "pauseSale": "恢复之前不再接受下单；已占用的库存仍可支付。",
    "resumeSale": "暂停的秒杀重新接受下单。",
    "closeSale": "秒杀结束：不再接受下单，候补名单解散。已占用的库存在截止时间前仍可支付，"
    "除非用 `cancel_holds` 一并结束。",
    "restockSale": "为一个 sku 增加库存，候补者优先。主播不得超出商家分配的数量（422），"
    "商家可以超出。",
    "placeOrder": "全部成功或全部失败，立即判定。`reserved` 会保留库存到 `expires_at_ms`；"
    "其他结果也是正常响应，不是错误。相同请求得到逐字节相同的响应；"
    "同一个 `request_id` 用于不同请求则返回 409。",
    "listOrders": "分页返回账本中的订单，最新的在前；账本比判定稍晚片刻。"
    "使用商家令牌时只返回其持有的直播间的订单。",
    "getOrder": "返回订单的当前状态，以及账本中它的每一笔付款与退款。",
    "refundOrder": "已支付订单的款项经支付服务方退回。`restock` 为 true 时库存先给候补者，"
    "再重新上架；否则予以核销。",
    "cancelOrder": "结束未支付的占用或候补位置。已取消的订单原样返回；已支付的订单请改用退款。",
    "createLink": "为活动、员工或会员生成的签名链接。相同请求得到同一个链接。"
    "经由它的每次访问与订单都带有其渠道、活动、员工与邀请人。",
    "listLinks": "分页返回分享链接，最新的在前，也包括用户自己生成的。"
    "使用商家令牌时只返回其持有的直播间的链接。",
    "listPolicies": "每个渠道可以分享什么、什么计入、奖励归谁，每条规则都附有理由。"
    "在某个应用自带的浏览器内打开时，以两条规则中较严的为准。",
    "exportOrdersCsv": "供电子表格使用：会被当作公式的文本前面加一个撇号。"
    "内容以账本为准，按标识排序。",
    "exportAll": "直播间及其操作日志、商品、秒杀及其订单、付款、退款与每一次变动，"
    "以及链接、访问、阶梯、优惠券、佣金与账户：每行一个 JSON 对象。"
    "最后一行的 kind 为 `end`，没有它说明文件不完整。"
    "使用商家令牌时只包含属于其持有的直播间的内容；优惠券与账户属于整个店铺。",
    "paymentWebhook": "服务方对请求体的字节签名，并反复发送直到收到 200。同一事件只生效一次。"
    "结果不是 `accepted` 的款项会被记录并退回：占用已结束、订单已付过，或金额、币种不符。"
    "此前已用于另一订单的支付同样返回 `mismatch`，但在此既不记录也不退回。",
    "publish": "向直播间内所有人发送一个 JSON 值。`state` 与 `chat` 通道的消息带有 offset，"
    "重连的客户端可以补收；`pulse` 通道只保留最新值。",
    "broadcast": "把同一个值发送到列表中的每个频道。响应按相同顺序逐一给出结果："
    "`result`，或只与该频道有关的 `error`。",
    "history": "已存储的消息（旧的在前）以及频道的最新位置。",
    "presenceStats": "所有进程上的连接数与用户数，最多有几秒延迟。",
    "disconnect": "关闭某位用户在所有进程上的全部连接。"
    "关闭码告诉客户端是否重连；默认 3503 表示不再重连。",
    # fields, by their English text
    "The room that it opens.": "链接打开的直播间。",
    "One of the channels of `GET /api/v1/policies`.": "`GET /api/v1/policies` 中的某个渠道。",
    "Your own name of the campaign.": "你自定的活动名称。",
    "Your own id of the employee whose link it is.": "链接所属员工在你系统中的标识。",
    "The user whose link it is; absent: the shop's.": "链接所属的用户；不填则属于店铺。",
    "Opens this product of the shelf.": "打开货架上的这件商品。",
    "Opens the room at this recent comment.": "从这条近期评论处打开直播间。",
    "Of the product or comment; empty for a room.": "商品或评论的标识；直播间则为空。",
    "What stands in its address.": "链接地址中的代码。",
    "`/qr.svg` and `/qr.png` behind it are its QR code.": (
        "在其后加 `/qr.svg` 或 `/qr.png` 即为二维码。"
    ),
    "The moment in the room that it opens, or null.": "链接打开的直播时刻，可为 null。",
    "What a reseller adds to a unit, by sku.": "转售者对每件加价的金额，按 sku。",
    "Links of this channel can be made.": "是否可以生成该渠道的链接。",
    "Progress and rewards are shown to those who share.": "是否向分享者展示进度与奖励。",
    "An arrival by it counts towards a ladder.": "经该渠道到访是否计入阶梯。",
    "Who is rewarded for a valid arrival.": "有效到访的奖励归谁。",
    "The reason, by language.": "理由，按语言。",
    "Where the rule comes from.": "规则的来源。",
    "Holds for whatever is opened in this app's own browser, too.": (
        "在该应用自带的浏览器内打开的一切同样适用。"
    ),
    "Only of this inviter.": "只看该邀请人。",
    "Only of this campaign.": "只看该活动。",
    "Rows of a page.": "每页行数。",
    "`next` of the page before.": "上一页的 `next`。",
    "The room's id.": "直播间标识。",
    "The product's id.": "商品标识。",
    "The sale's id.": "秒杀标识。",
    "The order's id.": "订单标识。",
    "Only of this room.": "只看该直播间。",
    "Only of this sale.": "只看该秒杀。",
    "Only of this user.": "只看该用户。",
    "Only in this state.": "只看该状态。",
    "The same id takes effect once: after a lost answer, send the request again. With other "
    "fields it is a 409.": (
        "同一标识只生效一次：没有收到响应时，原样重发即可；字段不同则返回 409。"
    ),
    "Units by sku to begin with; the rest can be restocked. Absent: all.": (
        "各 sku 的起售数量，其余可稍后补货；不填则全部上架。"
    ),
    "No coupon brings the price of a unit below this.": "优惠后的单价不会低于此数。",
    "What a reseller may add to the price of a unit; 0: not for resale.": (
        "分销者每件最多可加价多少；0 表示不可加价分销。"
    ),
    "Of a unit, as the buyer pays it before discounts.": "单价：买家在优惠前看到的价格。",
    "The sum of the items less `discount_minor`.": "各行之和减去 `discount_minor`。",
    "What coupons take off, if they do.": "优惠券减免的金额；没有则不出现。",
    "Ids of the coupons used, if any.": "所用优惠券的标识；没有则不出现。",
    "What each coupon does to the price, and why, if any was asked for.": (
        "每张优惠券对价格的作用及原因；没有用券则不出现。"
    ),
    "Where the buyer came from, if known.": "买家从何处来；未知则不出现。",
    "The reseller's link whose prices were paid, if any.": (
        "按其加价成交的分享链接；没有则不出现。"
    ),
    "Opens then by itself.": "到时自动开售。",
    "Opens by itself after so many seconds.": "经过该秒数后自动开售。",
    "0: at once.": "0：立即。",
    "Shown to viewers and kept in the audit trail.": "向观众展示，并记入审计记录。",
    "Kept in the audit trail.": "记入审计记录。",
    "Holds that are not paid end at once.": "未支付的占用立即结束。",
    "Units to add; a host only up to the allocation.": "增加的数量；主播不得超出分配。",
    "On sale: `initial = available + reserved + sold`.": (
        "上架数量：`initial = available + reserved + sold`。"
    ),
    "Held by buyers who have not paid.": "买家已占用但尚未支付的数量。",
    "Units whose money went back.": "已退款的数量。",
    "Refunded units that did not return to stock.": "退款后没有回到库存的数量。",
    "Whether the counters add up.": "各计数是否相符。",
    "Null: the store cannot be read; see `why`.": "null：无法读取实时存储，原因见 `why`。",
    "Entries of the stream that the ledger does not hold yet.": "尚未写入账本的记录数。",
    "Null: not comparable at this instant; see `why`.": "null：此刻无法比较，原因见 `why`。",
    "Why they do not agree or cannot be compared, or empty.": "不一致或无法比较的原因，可为空。",
    "The instant of the counters, by the store's clock.": "计数的时刻，以实时存储的时钟为准。",
    "Why it is paused, closed or frozen.": "暂停、结束或冻结的原因。",
    "Grows when state, times or sold out change.": "状态、时间或售罄情况变化时增大。",
    "`store`: as it is now; `ledger`: as far as it is written down.": (
        "`store`：当前状态；`ledger`：以账本已记录的为准。"
    ),
    "Null: on the host's word.": "null：由主播开售。",
    "Null: it is closed by hand.": "null：手动结束。",
    "The whole list anew.": "替换整张列表。",
    "Units on sale now: available, held and sold.": "当前上架数量：可售、已占用与已售之和。",
    "Units that can be bought now.": "当前可购买的数量。",
    "People in the waitlist.": "候补人数。",
    "A sku of a product of the catalogue.": "商品目录中某件商品的 sku。",
    "Its product; needed if several have this sku.": "所属商品；多件商品有相同 sku 时必填。",
    "Units that the host may sell.": "主播可售的数量。",
    "Absent: the price of the sku.": "不填则为该 sku 的价格。",
    "Units that one person may hold, buy or wait for.": "每人可占用、购买或候补的数量。",
    "The room it is sold in.": "所在直播间。",
    "Absent: the currency of the products.": "不填则为商品的币种。",
    "Once armed it opens then by itself; absent: on the host's word.": (
        "准备开售后到时自动开售；不填则由主播开售。"
    ),
    "Closes by itself; absent: by hand.": "到时自动结束；不填则手动结束。",
    "How long a buyer has to pay.": "买家的支付时限（秒）。",
    "How long somebody from the waitlist has to pay; absent: as long.": (
        "候补者的支付时限（秒）；不填则相同。"
    ),
    "What is sold, each sku once.": "所售商品，每个 sku 一次。",
    "Null for a basket of several.": "一单多款时为 null。",
    "Units in all.": "总件数。",
    "Pay until then.": "支付截止时间。",
    "`always`, `everysec` or `replicated`: what held.": (
        "当时生效的持久化方式：`always`、`everysec` 或 `replicated`。"
    ),
    "Only if it was paid.": "仅在已支付时出现。",
    "Place in the waitlist, if it was queued.": "候补时的名次。",
    "The provider's id of the payment that paid it.": "支付该订单的付款在服务方的标识。",
    "Every payment that came for it.": "该订单收到的每一笔付款。",
    "The provider's id of the payment that is given back.": "所退付款在服务方的标识。",
    "`failed`: the provider refused it, see `last_error`.": (
        "`failed`：服务方拒绝退款，见 `last_error`。"
    ),
    "What the provider said last, or empty.": "服务方最近一次的答复，可为空。",
    "Money that is owed back, or was given back.": "应退或已退的款项。",
    "All but `accepted` are given back.": "除 `accepted` 外均退回。",
    "All but `accepted` are given back; `ignored`: another type of event.": (
        "除 `accepted` 外均退回；`ignored`：其他类型的事件。"
    ),
    "The provider's id of this event; it takes effect once.": "服务方的事件标识，只生效一次。",
    "`payment.succeeded`; others are recorded, nothing more.": (
        "`payment.succeeded`；其他类型只作记录。"
    ),
    "Which order was paid.": "所支付的订单。",
    "The provider's id of the payment.": "服务方的付款标识。",
    "What was received.": "收到的金额。",
    "With `reserved` and `queued`.": "结果为 `reserved` 或 `queued` 时出现。",
    "With `sold_out`, if one sku was asked for.": "只买一个 sku 且结果为 `sold_out` 时出现。",
    "Your own id of the buyer.": "你系统中买家的标识。",
    "Shown to others, masked.": "打码后向他人展示。",
    "With `qty`, for one sku; or send `items`.": "与 `qty` 一起购买一个 sku；或改用 `items`。",
    "All units or none.": "全部成功或全部失败。",
    "A basket: all lines or none, each sku once.": "购物篮：全部成功或全部失败，每个 sku 一次。",
    "Yours, one per purchase: the same request gets the same answer.": (
        "由你生成，每次购买一个：相同请求得到相同响应。"
    ),
    "If sold out, wait for a unit (one unit only).": "售罄时加入候补（仅限一件）。",
    "True: the units can be sold again; false: written off.": (
        "true：库存可再次出售；false：核销。"
    ),
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
    **MONEY_ZH,
    **VISITS_ZH,
    **LADDERS_ZH,
    **REHEARSALS_ZH,
}
