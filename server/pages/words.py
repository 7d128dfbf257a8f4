"""The few sentences the server itself writes into a page, in both languages, and the choice.

Everything after the first paint comes from `static/messages.js`.
"""

from __future__ import annotations

LANGUAGES = ("zh-CN", "en")
FALLBACK = "en"

WORDS: dict[str, dict[str, str]] = {
    "zh-CN": {
        "viewer_title": "直播间",
        "host_title": "主播台",
        "merchant_title": "商家工作台",
        "landing_title": "直播",
        "landing_head": "欢迎来到直播间",
        "landing_text": "请打开商家分享给您的链接，即可进入直播。",
        "missing_title": "找不到页面",
        "missing_head": "这里没有直播间",
        "missing_text": "链接可能不完整或已经失效，请向商家确认后再打开。",
        "busy_title": "请稍候",
        "busy_head": "人有点多",
        "busy_text": "直播间马上就好，请过几秒再试。",
        "busy_again": "再试一次",
        "card_room": "正在直播间，一起来看看",
        "card_product": "来自直播间「{}」",
        "card_says": "：",
        "no_script": "观看直播需要启用 JavaScript。",
        "no_script_desk": "使用工作台需要启用 JavaScript。",
        "home": "返回首页",
        "other_language": "English",
    },
    "en": {
        "viewer_title": "Live room",
        "host_title": "Host console",
        "merchant_title": "Merchant desk",
        "landing_title": "Live",
        "landing_head": "Welcome",
        "landing_text": "Open the link you were given to enter a live room.",
        "missing_title": "Page not found",
        "missing_head": "There is no room here",
        "missing_text": "The link may be incomplete or out of date. Ask for it once more.",
        "busy_title": "One moment",
        "busy_head": "Very busy just now",
        "busy_text": "The room will be ready in a moment. Please try again.",
        "busy_again": "Try again",
        "card_room": "Join the live show",
        "card_product": "In the live show “{}”",
        "card_says": ": ",
        "no_script": "Please enable JavaScript to watch the live show.",
        "no_script_desk": "Please enable JavaScript to use the desk.",
        "home": "Home",
        "other_language": "中文",
    },
}


def match_language(tag: str) -> str | None:
    """The language we have for a tag such as `zh-TW` or `en-GB`; None if we have none."""
    primary = tag.strip().lower().partition("-")[0]
    return {"zh": "zh-CN", "en": "en"}.get(primary)


def choose_language(query: str | None, accept: str) -> str:
    """The language of a page: asked for in the address, else by `Accept-Language`, else English."""
    chosen = match_language(query) if query else None
    if chosen:
        return chosen
    for tag in _by_preference(accept):
        if found := match_language(tag):
            return found
    return FALLBACK


def _by_preference(accept: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in accept.split(",")[:20]:
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            weight = 0.0
        if tag.strip() and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
