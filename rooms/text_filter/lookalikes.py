"""What characters look like: letters of other scripts, enclosed letters, kinds of dot and dash.

Only data; `fold` applies it after Unicode compatibility folding and lower case.
"""

from __future__ import annotations

from typing import Final

# Latin letter, then characters drawn like it: Latin small capitals and variants, Cyrillic, Greek,
# Armenian, Cherokee, Lisu, Canadian syllabics. Capital forms arrive here already in lower case.
_LETTERS: Final = """
a ᴀɑаαꓮᎪᗩⱥ
b ʙвьβɓꓐᏴᗷƀ
c ᴄсϲꓚᏟᑕƈȼ
d ᴅԁđɗꓓᎠᗪδ
e ᴇеєэҽεꓰᎬᗴɛɇ
f ꜰƒꓝᖴ
g ɢɡցꓖᏀᘜɠǥ
h ʜһнհħꓧᎻᕼ
i ɪіıɩιꓲᎥɨ
j ᴊјꓙᎫᒍɉ
k ᴋкκꓗᏦᛕƙ
l ʟӏłꓡᏞᒪɫƚ
m ᴍмꓟᎷᗰ
n ɴпηոꓠᑎŋɲ
o ᴏоοօσꓳᎾøɵ
p ᴘрρꓑᏢᑭþƥ
q ǫԛզɋ
r ʀгяꓣᖇɍ
s ꜱѕꓢᏚᔕʂ
t ᴛтτꓔᎢŧƭ
u ᴜцυսμꓴᑌʉ
v ᴠνѵʋꓦᏙᐯʌⱱ∨
w ᴡшщԝѡωꓪᎳᗯ
x хχꓫ᙭✗✘
y ʏуγꓬᎩ
z ᴢꓜᏃƶ
"""

_CIRCLED_CAPITALS: Final = (0x1F150, 0x1F170)  # white on black circles, white on black squares
_REGIONAL_A: Final = 0x1F1E6


def _letters() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _LETTERS.split("\n"):
        latin, _, lookalikes = line.partition(" ")
        table.update(dict.fromkeys(lookalikes, latin))
    for offset in range(26):
        for first in _CIRCLED_CAPITALS:
            table[chr(first + offset)] = chr(ord("a") + offset)
    # Of the regional indicators only these: the rest spell flags, and a flag after a full stop
    # would read as a country's domain.
    for letter in "qvwx":
        table[chr(_REGIONAL_A + ord(letter) - ord("a"))] = letter
    return table


LETTERS: Final[dict[str, str]] = _letters()

# Every kind of mark that serves as a dot, dash, plus, colon, slash, apostrophe or heart.
MARKS: Final[dict[str, str]] = {
    mark: plain
    for plain, marks in {
        ".": "。．｡·•・‧∙●⋅◦丶᛫⸱⸳ꞏ",
        "-": "‐‑‒–—―−﹣－",
        "+": "➕﹢✚✛╋",
        "|": "丨｜│┃",
        ":": "∶꞉︰：",
        "/": "∕⁄／",
        "'": "’‘´`ʼ′",
        "♥": "❤♥♡❥❣💗💖💕💓💘💝💙💚💛🧡💜🖤🤍🤎💞💟🩷🩵🩶",
    }.items()
    for mark in marks
}
