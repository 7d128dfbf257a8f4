"""Finds invitations to another messenger: WeChat, QQ, Telegram, WhatsApp and their many disguises.

Talk about a messenger is fine ("WeChat Pay?", "shared it to my WeChat group"); what is refused is
a call to add somebody there, an account name behind the messenger's name, and any spelling that
only somebody who hides the name would use. Every repetition below is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rooms.text_filter.automaton import Match
from rooms.text_filter.findings import Finding, Reason
from rooms.text_filter.fold import Folded

# --- Chinese, read from `Folded.joined` -----------------------------------------------------------
_NOT_PAY: Final = (
    r"(?!支付|付|红包|转账|小程序|小店|登|分享|公众|朋友圈|零钱|收款|视频号|读书|运动|里|上|群里"
    r"|能|可|和|还是| ?pay)"
)
_ADD: Final = (
    r"(?:(?<!参)加|\+|(?<![一二三四五六七八九几百千])十(?=[我个vq薇溦徽])"
    r"|(?<![\u4e00-\u9fff])[佳嘉伽茄](?=[我个v微薇威维徽])|jia ?)"
)
_WHOM: Final = (
    r"(?:我们|我的|我|你|他|她|个|一下|下|一个|咱|俺|老师|客服|主播|助理|老板娘|老板|店主|店长"
    r"|本人|的|入|上|这个|这|到|\+){0,3} ?(?:wo ?)?"
)
_HEART_OR_XIN: Final = "[信芯心♥]"
_TARGET: Final = (
    rf"微{_HEART_OR_XIN}{_NOT_PAY}"
    r"|微(?![信芯心♥量波辣笑店商型单软电米克升热火甜糖咸酸风妙小弱博光粒胶晶分喇绒弹宽调雨凉苦整])"
    r"|薇(?!诺娜|薇|姿|娅|婷|尔|恩|妮|琪|甘菊)"
    r"|威(?!士|化|海|尼|武|力|猛|廉|露|严|风|胁|卢|高|刚|龙|马|特|震|戈|斯|望|名|孚|伐)"
    r"|维(?!生|他|达|持|修|护|权|度|多|尼|密|族|也纳|吾|纶|棉|语|京|西|e|c|d|a|b|k|信诺)"
    r"|卫(?!生|衣|浴|星|龙|裤|士|视|健|仕|岗|冕|兵|裙)"
    r"|徽(?!章|墨|派|州|商|菜|标|记|式|酒)|溦"
    r"|v(?![a-z0-9]|字|型|脸|口|形|家|绒|面|哥|姐|领(?!券|取|福|红|优|奖|礼|资|样))"
    r"|q(?![a-z]|[0-9]{1,4}(?![0-9])|糖|弹|版|音|萌|娃|比|币)"
    r"|qq(?![a-z]|糖|弹|音乐|飞车|星|版|肠|币|会员)"
    r"|(?:[vw] ?♥?x|wei ?xin|we ?chat|weibo|whats ?app|telegram|line|ins|ig|tg|kakao)(?![a-z])"
    rf"{_NOT_PAY}|[vw]{_HEART_OR_XIN}|wei(?![a-z])"
    r"|[扣抠蔻叩][扣抠蔻叩](?!子)|球球(?=号|群|[0-9])|秋秋(?=号|群|[0-9])"
    r"|企鹅(?![玩公抱娃毛模摆睡帽图款挂钥杯吊])|鹅号"
    r"|(?:纸)?飞机(?![票模场餐上杯玩耳稿盒枕头款])|电报|土豆号"
    r"|绿(?:泡泡|泡|信|色软件)|卫星(?=$|号|[a-z0-9])|小号(?=微|v|薇)|群(?!青|里|众|体|岛|山|像)|q群|裙(?=领|进|有惊|有福|看货|号|聊|拿|抢|了解|[0-9]{4})|好友"
)
_CALL: Final = re.compile(rf"{_ADD}{_WHOM}(?:{_TARGET})")
_STRONG: Final = re.compile(
    r"薇[信芯]|(?<!稍)微芯|微♥|徽[信芯♥]|威[芯♥]|溦[信芯♥]|卫♥|维♥|wei信|[微薇威] ?xin(?![a-z])"
    r"|(?<![a-z])[vw][信芯](?!号[弱强差])|微x(?=号|同|[a-z0-9]{4})|绿泡泡(?=号|同|[a-z0-9])"
    r"|(?:找|联系|搜)我?[薇微威徽卫v]♥|(?<!稍)微我(?=[拿要发看领聊买进问])"
    r"|(?<![a-z])v ?♥?x(?![a-z0-9])|wxid ?[a-z0-9]|(?<![a-z])wei ?xin(?![a-z]| ?pay|支付|付)"
    r"|(?:[vw]x|微信|qq|薇)同[号步]|(?<![a-z])wx(?:同|号)"
    r"|微信号(?![称码])|(?:联系|找|问|私)(?:我|客服|老板|主播)?的?微信"
    r"|(?<![a-z])(?:q|qq|扣|扣扣|企鹅|电报|飞机|tg)群|[进入](?:q|扣扣?|企鹅)?裙(?!子)|(?<![a-z])q裙"
    r"|扣裙|纸?飞机(?:联系|私聊|群|频道|号)|电报(?:联系|私聊|群|频道)|纸飞机联系"
    r"|[看点戳]我(?:的)?(?:头像|主页|简介|资料|签名)|扫我(?:的)?(?:头像)?的?(?:二维)?码"
    r"|扫(?:码|二维码)(?:加|进|入群|关注我|联系)|头像(?:扫码|二维码|有码)"
    r"|(?:主页|简介|头像|资料)里?有(?:我的?)?(?:联系|微|v)"
)
_SPLIT_WECHAT: Final = re.compile(r"微信(?!支付|付|号弱|号不)")

# --- English, read from `Folded.joined` -----------------------------------------------------------
_SURE: Final = (
    r"(?:we ?chat|weixin|whats? ?s? ?app|wats ?app|telegram|snap ?chat|instagram|viber|skype"
    r"|discord|kakao(?: ?talk)?|zalo|facebook|fb|messenger)"
)
_UNSURE: Final = r"(?:tele|tg|ig|insta|ins|snap|line|signal|wa|vx|wx|qq|vk|imo)"
_ASK: Final = (
    r"(?:add|contact|message|msg|text|dm|pm|inbox|hmu|hit|find|reach|chat|talk|follow|join|ping|call"
    r"|write|buzz|connect)"
)
_ENGLISH: Final = re.compile(
    rf"(?<![a-z]){_ASK}(?: (?:me|us|my|our|up|with|via|on|at|in|by|to|through|a|dm|the|fb)){{1,4}}"
    rf" {_SURE}(?![a-z])(?! ?pay)"
    rf"|(?<![a-z]){_ASK} (?:me|us)(?: up| out)? (?:on|at|via|my|to)(?: my)? {_UNSURE}(?![a-z])"
    rf"|(?<![a-z])(?:add|join) (?:me |my |our ){{1,2}}{_UNSURE}(?![a-z])"
    rf"|(?<![a-z]){_ASK} me {_UNSURE} [a-z]{{2,20}}|(?<![a-z])hmu on {_UNSURE}(?![a-z])"
    rf"|(?<![a-z])(?:my|our) {_SURE}(?: id| number| no| group| channel| is|$)"
    rf"|(?<![a-z]){_SURE} (?:me|us)(?![a-z])"
    rf"|(?<![a-z])(?:my )?(?:{_SURE}|line|kakao) (?:id|number|group|channel) "
    rf"|(?<![a-z])(?:my|our) {_UNSURE} id(?![a-z])"
    rf"|(?<![a-z])(?:send|dm|message) (?:me|us) (?:a )?(?:dm|message|pm) (?:on|via|at) "
    rf"(?:{_SURE}|{_UNSURE})(?![a-z])"
)

# --- a messenger's name and an account name, read from `Folded.marked` ----------------------------
_NAMED: Final = (
    r"微信|绿泡泡|wei信|[薇微]xin|薇信|威信|维信|卫信|微芯|徽信|[卫微薇威][心星]|威♥|wei ?xin"
    r"|we ?chat|[vw] ?♥?x|微|薇|威|徽|q ?q|扣扣|扣|叩叩|球球|企鹅|telegram|纸飞机|飞机|电报"
    r"|instagram|whats ?app|snap ?chat"
)
# Also words or letters of their own: the account name must not be a plain word then.
_NAMED_DOUBTFULLY: Final = (
    r"v|w|q|tg|tele|line|ins|insta|ig|facebook|fb|kakao|snap|skype|discord|viber|signal|zalo"
)
_OTHERS: Final = "(?:号|群|id|频道){0,2} ?"
_SPELLED_OUT: Final = re.compile(
    rf"(?<![a-z0-9])(?:(?:{_NAMED}){_OTHERS}(?:[:@是]|[:;]@)@?(?!pay)"
    r"(?:[a-z][a-z0-9_.+-]{3,24}+|[0-9]{5})"
    rf"|(?:{_NAMED_DOUBTFULLY}){_OTHERS}(?:[:是]?@|[:是])"
    r"(?:(?=[a-z.-]{1,16}[0-9_])[a-z][a-z0-9_.+-]{3,24}+|[0-9]{5})"
    rf"|(?:tg|tele|telegram|ig|ins|line|飞机|电报) ?@[a-z])"
)
_BESIDE: Final = re.compile(
    r"(?<![a-z0-9])(?:微信|薇信|威信|维信|卫信|微芯|徽信|[卫微薇威][心星]|[威微薇徽v]♥|绿泡泡"
    r"|we ?chat|wei ?xin|[vw] ?♥?x(?![0-9]{1,4}[a-z])|qq|扣扣|叩叩|企鹅|telegram|snapchat|instagram"
    rf"|discord|skype|whats ?app|line|tg){_OTHERS}"
    r"(?:(?=[a-z_.-]{1,16}[0-9_])[a-z][a-z0-9_.-]{4,20}+|[0-9]{5})"
)
_QQ_NUMBER: Final = re.compile(
    r"(?<![a-z])(?:qq|q|[扣抠蔻叩]{1,2}|球球|秋秋|企鹅|鹅)(?:号|群|裙){0,2} ?[0-9]{5}"
)
_HANDLE_ON: Final = re.compile(
    rf"(?<![a-z]){_ASK} ?@[a-z0-9_.]{{3,25}}+ on (?:{_SURE}|{_UNSURE})(?![a-z])"
)
_IS: Final = re.compile(rf"(?<![a-z])my (?:{_UNSURE}|{_SURE}) is [a-z]{{1,20}}[0-9_.]")
_EMAIL: Final = re.compile(
    r"[a-z0-9]@[a-z0-9-]{1,40}+(?:[.;]|点| ?dot ?)(?:[a-z0-9-]{1,40}[.;])?"
    r"(?:com|cn|net|org|edu|gov|io|me|hk|tw|jp|kr|uk|ru|de|fr|in|cc)(?![a-z0-9])"
)

# Each pattern with characters of which every text that it matches has one. Looking for those first
# is cheap, and most comments have none.
_IN_JOINED: Final = (
    (_CALL, frozenset("加+十佳嘉伽茄j")),
    (_STRONG, frozenset("微薇威维卫徽溦扣鹅飞报群裙绿头主简资签扫信芯x")),
    (_QQ_NUMBER, frozenset("q扣抠蔻叩球秋鹅")),
)
_IN_MARKED: Final = (
    (_SPELLED_OUT, frozenset(":@是")),
    (_BESIDE, frozenset("0123456789_")),
    (_HANDLE_ON, frozenset("@")),
)
_NAME_PARTS: Final = (
    "chat", "app", "gram", "snap", "insta", "line", "weixin", "viber", "skype", "discord", "kakao",
    "zalo", "face", "fb", "messenger", "signal", "tele", "tg", "ig", "ins", "wa", "vx", "wx", "qq",
    "vk", "imo",
)  # fmt: skip
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
# Their disguise alone gives them away: nobody writes te1egram to ask about a sticker.
HIDDEN_NAMES: Final = ("whatsapp", "telegram", "wechat", "weixin", "instagram", "snapchat")
_TWO_WORDS: Final = frozenset({"we chat", "whats app", "snap chat", "insta gram"})


def find_accounts(folded: Folded) -> Iterator[Finding]:
    """Invitations and account names; names of `HIDDEN_NAMES` in disguise are not looked for."""
    characters = set(folded.text)
    for pattern, cues in _IN_JOINED:
        if not cues.isdisjoint(characters):
            for found in pattern.finditer(folded.joined.text):
                yield _finding(folded.joined.place(found.start(), found.end()))
    for pattern, cues in _IN_MARKED:
        if not cues.isdisjoint(characters):
            for found in pattern.finditer(folded.marked.text):
                yield _finding(folded.marked.place(found.start(), found.end()))
    if "微" in characters:
        yield from _find_split_wechat(folded)
    if not _LETTERS.isdisjoint(characters):
        yield from _find_english(folded)


def _find_split_wechat(folded: Folded) -> Iterator[Finding]:
    """微 and 信 with something between them."""
    for found in _SPLIT_WECHAT.finditer(folded.joined.text):
        begin, finish = folded.joined.place(found.start(), found.end())
        if finish - begin > len("微信") and folded.text[max(0, begin - 1)] != "稍":
            yield _finding((begin, finish))


def _find_english(folded: Folded) -> Iterator[Finding]:
    joined = folded.joined
    if any(part in joined.text for part in _NAME_PARTS):
        for found in _ENGLISH.finditer(joined.text):
            yield _finding(joined.place(found.start(), found.end()))
        for found in _IS.finditer(folded.marked.text):
            yield _finding(folded.marked.place(found.start(), found.end()))


def find_emails(folded: Folded) -> Iterator[Finding]:
    """Mail addresses; looked for before links, because each holds a domain."""
    if "@" in folded.text:
        for found in _EMAIL.finditer(folded.marked.text):
            yield _finding(folded.marked.place(found.start(), found.end()))


def is_bait(folded: Folded, match: Match) -> bool:
    """Whether one of `HIDDEN_NAMES` was written so as not to be found."""
    return match.disguised and folded.text[match.begin : match.finish] not in _TWO_WORDS


def _finding(place: tuple[int, int]) -> Finding:
    return Finding(Reason.CONTACT_ACCOUNT, *place)
