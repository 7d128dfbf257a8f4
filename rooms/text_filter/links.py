"""Finds addresses of other places: domains, URLs, IP addresses, share codes.

A domain needs a top-level domain from the lists below, and the more a top-level domain is also a
plain word, the more must speak for an address. Everything here reads `Folded.marked`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rooms.text_filter.findings import Finding, Reason
from rooms.text_filter.fold import Folded

# Never a word of a sentence: enough on their own, whatever stands around the dot.
_CERTAIN: Final = frozenset("com c0m cn xyz org".split())
# Hardly ever a word: enough where the dot is tight.
_LIKELY: Final = frozenset(
    "net cc icu vip shop store site online club io tv biz hk tw jp kr sg uk ru de fr eu ca au br "
    "vn th id ph tk ml ga cf pw ws mobi asia wang ltd tech app dev fm gg gl ly la".split()
)
# Words: enough only with a path, `www.`, a port, or a name that is no word itself.
_DOUBTFUL: Final = frozenset(
    "me in to so us my is it at be no am co top pro work live life fun win info link ink red group "
    "name video chat space world website today cloud art one love bid loan bet cash sale deals buy "
    "fit run host press social media news page zone plus gold vin wiki blog games game design ai "
    "im sh st vc gs nu ht sc tl st es pt pl se do go".split()
)
# Beside the certain ones, those that are read out: "example 点 net".
_SPOKEN: Final = frozenset("net cc".split())
_BUSINESS: Final = frozenset(
    "top pro work live fun link ink red group website space today ai".split()
)
_CHINESE_LETTER: Final = re.compile(r"[\u4e00-\u9fff]")
_CHINESE: Final = "中国|公司|网络|集团|网址|网店|商城|商店|我爱你|在线|中文网"
_NOT_ADDRESSES: Final = frozenset({"asp.net"})
_SHORTENERS: Final = frozenset(
    "t.me wa.me m.me fb.me line.me bit.ly goo.gl is.gd v.gd t.co t.cn youtu.be cutt.ly ow.ly rb.gy "
    "discord.gg tinyurl.com dwz.cn url.cn".split()
)
_TLD_LETTERS_MAX: Final = 8
_HOST_LETTERS_MAX: Final = 128

_DOT: Final = re.compile(
    r"(?<=[0-9a-z\u4e00-\u9fff])(?: ?(?P<dot>[.;,]|点|dot) ?)"
    rf"(?P<tld>[a-z][a-z0-9]{{1,{_TLD_LETTERS_MAX - 1}}}+)(?P<rest>[/:][0-9a-z])?"
)
_CHINESE_DOMAIN: Final = re.compile(rf"(?<=[0-9a-z\u4e00-\u9fff])[.](?:{_CHINESE})")
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
_HOST_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.;")


def find_links(folded: Folded, allowed_domains: frozenset[str]) -> Iterator[Finding]:
    """Addresses in the text, except those at an allowed domain or below one."""
    marked = folded.marked
    hosts = list(_hosts(marked))
    for begin, finish, host in hosts:
        if not _is_allowed(host, allowed_domains):
            yield _finding(folded, begin, finish)
    is_excused = bool(hosts) and all(_is_allowed(host, allowed_domains) for *_, host in hosts)
    if not is_excused:
        for pattern in (_SCHEME, _WWW):
            if (found := pattern.search(marked)) is not None:
                yield _finding(folded, found.start(), found.end())
    for pattern in (_PUNYCODE, _CHINESE_DOMAIN):
        if (found := pattern.search(marked)) is not None:
            yield _finding(folded, found.start(), found.end())
    for found in _ADDRESS_V4.finditer(marked):
        if _is_address(found):
            yield _finding(folded, found.start(), found.end())
    if (found := _SHARE_CODE.search(folded.text)) is not None:
        yield Finding(Reason.LINK, found.start(), found.end())


def _hosts(marked: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and plain spelling of every domain name."""
    for found in _DOT.finditer(marked):
        begin = _host_start(marked, found.start())
        label = marked[begin : found.start()]
        host = f"{label}.{found['tld']}".replace(";", ".").replace("c0m", "com")
        if _is_domain(marked, found, label, host):
            yield begin, found.end("tld"), host


def _host_start(marked: str, end: int) -> int:
    begin = end
    while begin > 0 and end - begin < _HOST_LETTERS_MAX and marked[begin - 1] in _HOST_CHARACTERS:
        begin -= 1
    return begin


def _is_domain(marked: str, found: re.Match[str], label: str, host: str) -> bool:
    tld, dot = found["tld"], found["dot"]
    if host in _NOT_ADDRESSES:
        return False
    if found["rest"] and host in _SHORTENERS:
        return True
    if dot == ",":
        return tld in ("com", "c0m")
    if tld in _CERTAIN:
        return True
    if dot in ("点", "dot"):
        return tld in _SPOKEN
    if dot == ";" or tld not in _LIKELY | _DOUBTFUL or not label or label[-1] in ".;":
        return False
    if host in _SHORTENERS or found["rest"]:
        return True
    if tld in _LIKELY:
        return len(label) > 1 and not label.isdigit()
    if tld in _BUSINESS and _CHINESE_LETTER.search(marked):
        return True  # an English phrase without its space is unlikely among Chinese
    has_www = label.startswith("www.")
    return has_www or (label[0].isalpha() and any(sign in "0123456789-" for sign in label))


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


def _finding(folded: Folded, begin: int, finish: int) -> Finding:
    return Finding(Reason.LINK, *folded.place_in_marked(begin, finish))
