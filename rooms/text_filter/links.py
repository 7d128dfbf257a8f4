"""Finds addresses of other places: domains, URLs, IP addresses, share codes.

A domain needs a top-level domain from the lists below, and the more a top-level domain is also a
plain word, the more must speak for an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from rooms.text_filter.findings import Finding, Reason
from rooms.text_filter.fold import Folded


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never a word of a sentence: enough on their own, whatever stands around the dot.
_CERTAIN: Final = frozenset({"com", "c0m", "cn", "xyz", "org"})
# Beside those, the ones that are read out: "example 点 net".
_SPOKEN: Final = frozenset({"net", "cc"})
# Hardly ever a word: enough where the dot is tight.
_LIKELY: Final = _words(
    "net cc icu vip shop store site online club io tv biz hk tw jp kr sg uk ru de fr eu ca au br "
    "vn th id ph ee tk ml ga cf pw ws mobi asia wang ltd tech app dev fm gg gl ly la"
)
# Of those and the next, the ones that bait is sold under: read also with a spoken or loose dot.
_BAIT: Final = frozenset({"shop", "store", "site", "online", "club", "top", "vip", "icu", "fun"})
# Nouns: enough where the name before the dot is no word either, or among Chinese.
_NOUNS: Final = _words(
    "co top work live life fun win info link ink red group name video chat space world today "
    "website cloud art one love bid loan bet cash sale deals buy fit run host press social media "
    "news page zone gold vin wiki blog games game design ai"
)
# Words that begin sentences: enough only with a path or after "www.".
_GRAMMAR: Final = _words("me in to so us my is it at be no am im do go es se st pt pl sh vc")
# A name with a digit in it, or a single word before "dot shop" that is no pattern of a dress.
_HOST_NAME: Final = re.compile(
    r"(?=[a-z-]{2,20}[0-9]|(?!polka|red|micro|the)[a-z]{4,20}$)[a-z0-9-]{4,40}"
)
_CHINESE_LETTER: Final = re.compile(r"[\u4e00-\u9fff]")
_CHINESE: Final = "中国|公司|网络|集团|网址|网店|商城|商店|我爱你|在线|中文网"
_SENTENCE_END: Final = "。"  # before 中国 it ends a sentence more often than a host name
_NOT_ADDRESSES: Final = frozenset({"asp.net"})
_SHORTENERS: Final = _words(
    "t.me wa.me m.me fb.me line.me bit.ly goo.gl is.gd v.gd t.co t.cn youtu.be cutt.ly ow.ly rb.gy "
    "discord.gg tinyurl.com dwz.cn url.cn"
)
_TLD_LETTERS_MAX: Final = 8
_HOST_LETTERS_MAX: Final = 128

_DOT: Final = re.compile(
    r"(?<=[0-9a-z\u4e00-\u9fff])(?: ?(?P<dot>[.;,]|点|dot) ?)"
    rf"(?P<tld>[a-z][a-z0-9]{{1,{_TLD_LETTERS_MAX - 1}}}+)(?P<rest>[/:][0-9a-z])?"
)
_CHINESE_DOMAIN: Final = re.compile(
    rf"(?<=[0-9a-z\u4e00-\u9fff])[.](?:{_CHINESE})(?![\u4e00-\u9fff])"
)
_SPOKEN_DOMAIN: Final = re.compile(
    r"(?<=[0-9a-z\u4e00-\u9fff])点 ?(?:com|c0m|cn|net|org|xyz)(?![a-z0-9])"
)
_SCHEME: Final = re.compile(
    r"[a-z0-9]:;?//|(?<![a-z0-9])(?:h[tx]{2}ps?|ftp)(?![a-z0-9])[ :/]{1,4}+(?=[a-z0-9])"
)
_WWW: Final = re.compile(r"(?<![a-z0-9])www(?:[.;,]|点| ?dot ?| (?=[a-z0-9-]{2,40}+[ .;]))[a-z0-9]")
_PUNYCODE: Final = re.compile(r"(?<![a-z0-9])xn-{1,3}[a-z0-9]{2}")
_ADDRESS_V4: Final = re.compile(
    r"(?<![0-9.])([0-9]{1,3})[.;]([0-9]{1,3})[.;]([0-9]{1,3})[.;]([0-9]{1,3})(?![0-9.])([/:][0-9a-z])?"
)
_VERSION: Final = re.compile(r"(?:version|ver|firmware|版本|固件|系统|os|v)[ .:]{0,2}$")
_SHARE_CODE: Final = re.compile(
    r"[¥€$£₤₳¢₴](?=[a-z]{0,13}[0-9])(?=[0-9]{0,13}[a-z])[a-z0-9]{8,14}[¥€$£₤₳¢₴]"
)
_SHARE_CODE_SIGNS: Final = frozenset("¥€$£₤₳¢₴")
_FURTHER_LABELS: Final = re.compile(r"(?:\.[a-z0-9-]{1,63}+){0,6}+")
_LETTER: Final = re.compile("[a-z]")
_CUES: Final = frozenset("./点")
_CUE_WORDS: Final = (
    "dot",
    "d o t",
    "http",
    "h t",
    "www",
    "w w",
    "xn-",
    "ftp",
    "hxxp",
    "com",
    "c0m",
)
_HOST_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.;")


def find_links(folded: Folded, allowed_domains: frozenset[str]) -> Iterator[Finding]:
    """Addresses in the text, except those at an allowed domain or below one."""
    text = folded.text
    if _SHARE_CODE_SIGNS.intersection(text):
        yield from _found(_SHARE_CODE, text, lambda begin, finish: (begin, finish))
    if "." in text:
        yield from _find_without_letters(folded)
    has_letters = _LETTER.search(text) is not None
    if has_letters and (_CUES.intersection(text) or any(cue in text for cue in _CUE_WORDS)):
        yield from _find_domains(folded, allowed_domains)


def _find_domains(folded: Folded, allowed_domains: frozenset[str]) -> Iterator[Finding]:
    marked = folded.marked
    allowed_at: set[int] = set()
    for begin, finish, host in _hosts(marked.text):
        if _is_allowed(host, allowed_domains):
            allowed_at.add(begin)
        else:
            yield Finding(Reason.LINK, *marked.place(begin, finish))
    for pattern in (_SCHEME, _WWW):
        for found in pattern.finditer(marked.text):
            if allowed_at.isdisjoint(range(found.start(), found.end() + 1)):
                yield Finding(Reason.LINK, *marked.place(found.start(), found.end()))
    yield from _found(_PUNYCODE, marked.text, marked.place)
    yield from _found(_SPOKEN_DOMAIN, folded.joined.text, folded.joined.place)


def _find_without_letters(folded: Folded) -> Iterator[Finding]:
    """Chinese domains and IP addresses."""
    marked = folded.marked
    for finding in _found(_CHINESE_DOMAIN, marked.text, marked.place):
        begin, finish = folded.original_span(finding.begin, finding.finish)
        if _SENTENCE_END not in folded.original[begin:finish]:
            yield finding
    for found in _ADDRESS_V4.finditer(marked.text):
        if _is_address(found):
            yield Finding(Reason.LINK, *marked.place(found.start(), found.end()))


def _found(
    pattern: re.Pattern[str], text: str, place: Callable[[int, int], tuple[int, int]]
) -> Iterator[Finding]:
    for found in pattern.finditer(text):
        yield Finding(Reason.LINK, *place(found.start(), found.end()))


def _hosts(marked: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end of the first top-level domain, and plain spelling of every domain name."""
    has_chinese = _CHINESE_LETTER.search(marked) is not None
    for found in _DOT.finditer(marked):
        begin = _host_start(marked, found.start())
        label = marked[begin : found.start()]
        host = f"{label}.{found['tld']}".replace(";", ".").replace("c0m", "com")
        if _is_domain(found, label, host, has_chinese=has_chinese):
            further = _FURTHER_LABELS.match(marked, found.end("tld"))
            yield begin, found.end("tld"), host + (further.group() if further else "")


def _host_start(marked: str, end: int) -> int:
    begin = end
    while begin > 0 and end - begin < _HOST_LETTERS_MAX and marked[begin - 1] in _HOST_CHARACTERS:
        begin -= 1
    while begin < end and marked[begin] in ".;-":
        begin += 1
    return begin


def _is_domain(found: re.Match[str], label: str, host: str, *, has_chinese: bool) -> bool:
    tld, dot = found["tld"], found["dot"]
    if host in _NOT_ADDRESSES:
        return False
    if found["rest"] and host in _SHORTENERS:
        return True
    if dot == ",":
        return tld in ("com", "c0m")
    if tld in _CERTAIN:
        return True
    if dot == "点" or (dot == "dot" and tld in _SPOKEN):
        return tld in _SPOKEN
    if not label or label[-1] in ".;":
        return False
    if dot in ("dot", ";"):
        return tld in _BAIT and _HOST_NAME.fullmatch(label) is not None
    if tld not in _LIKELY and tld not in _NOUNS and tld not in _GRAMMAR:
        return False
    if host in _SHORTENERS or found["rest"] or label.startswith("www."):
        return True
    return _is_name(label, tld, has_chinese=has_chinese)


def _is_name(label: str, tld: str, *, has_chinese: bool) -> bool:
    """Whether what stands before a doubtful top-level domain is the name of a host."""
    if tld in _LIKELY:
        return len(label) > 1 and not label.isdigit()
    if tld in _GRAMMAR or not label[0].isalpha():
        return False
    return has_chinese or any(sign in "0123456789-" for sign in label)


def _is_allowed(host: str, allowed_domains: frozenset[str]) -> bool:
    labels = host.split(".")
    return any(".".join(labels[first:]) in allowed_domains for first in range(len(labels)))


def _is_address(found: re.Match[str]) -> bool:
    octets = [int(octet) for octet in found.groups()[:4]]
    if max(octets) > 255 or _VERSION.search(
        found.string[max(0, found.start() - 12) : found.start()]
    ):
        return False
    return found[5] is not None or octets[0] >= 10
