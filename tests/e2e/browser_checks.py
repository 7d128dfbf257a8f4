"""What every page must keep, in every state: targets, names, contrast, no sideways scrolling."""

from __future__ import annotations

from tests.e2e.browser_support import Person

TARGET_PX = 44
CONTRAST_MIN = 4.5

# Visible things to press whose area is too small. A comment's bubble fills the height of its row.
SMALL_TARGETS = """(least) => [...document.querySelectorAll('button, a, input, textarea')]
  .filter((element) => element.checkVisibility() && !element.closest('[aria-hidden=true]'))
  .map((element) => ({ element, box: (element.closest('li.comment') ?? element.closest('.composer')
    ?? element.closest('.segment, .check') ?? element).getBoundingClientRect() }))
  .filter(({ box }) => box.height > 0 && (box.height < least - 0.5 || box.width < least - 0.5))
  .map(({ element, box }) => `${element.id || element.className} ${box.width}x${box.height}`)"""

NAMELESS = """() => [...document.querySelectorAll('button, a, input, textarea')]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.textContent.trim() || element.getAttribute('aria-label')
    || [...(element.labels ?? [])].some((label) => label.textContent.trim())))
  .map((element) => element.outerHTML)"""

# Text on a ground that is one opaque colour; text over video and gradients has its own glass.
PALE_TEXT = """(least) => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = parse(style.backgroundColor);
      if (colour.length === 3) return colour;
      if (colour[3] > 0) return null;
    }
    return [255, 255, 255];
  };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('.only-read, :disabled')) continue;
    const under = ground(element);
    if (!under) continue;
    const [high, low] = [light(parse(getComputedStyle(element).color)), light(under)]
      .sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < least) pale.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim()}`);
  }
  return pale;
}"""


def check_usable(person: Person) -> None:
    """Targets of 44 px, a name on everything to press, and text that can be read."""
    assert person.page.evaluate(SMALL_TARGETS, TARGET_PX) == []
    assert person.page.evaluate(NAMELESS) == []
    assert person.page.evaluate(PALE_TEXT, CONTRAST_MIN) == []
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not person.page.evaluate(too_wide)
