/**
 * Building elements. Text goes in as text, never as markup: this file and its callers use no API
 * that parses HTML.
 */

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = new URL('./icons.svg', import.meta.url).href;

/** The element with this id; a missing one is a mistake in the template, so it throws. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/**
 * A new element. `properties`: `class`, `text`, `on` {event: listener}, `data` {name: value},
 * anything else is an attribute (true sets it empty; false, null and undefined leave it out).
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'text') element.textContent = value;
    else if (name === 'on') listen(element, value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function listen(element, listeners) {
  for (const [event, listener] of Object.entries(listeners)) {
    element.addEventListener(event, listener);
  }
}

/** An icon of the sprite, invisible to screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon, a word, or both; `label` names it when there is no word. */
export function button({ icon: name, text, label, class: look = '', ...rest }, onPress) {
  return make(
    'button',
    { type: 'button', class: look, 'aria-label': label, title: label, ...rest, on: { click: onPress } },
    name ? icon(name) : null,
    text ? make('span', { text }) : null,
  );
}

/** An image from an address in a product: only https, this server, or data: images. */
export function picture(url, label = '') {
  const image = make('img', { alt: label, loading: 'lazy', decoding: 'async' });
  image.addEventListener('error', () => image.classList.add('broken'));
  const address = safeUrl(url);
  if (address) image.src = address;
  else image.classList.add('broken');
  return image;
}

/** The address if a page may load it (http and https, or an image in a data: URL), else ''. */
export function safeUrl(url) {
  try {
    const address = new URL(url, location.origin);
    const isImage = address.protocol === 'data:' && /^data:image\//.test(address.href);
    return isImage || ['http:', 'https:'].includes(address.protocol) ? address.href : '';
  } catch {
    return '';
  }
}

/** Write a text where it differs: what stands already is not read out again. */
export const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** Show or hide. */
export const show = (element, visible) => {
  element.hidden = !visible;
};

/** True while somebody is writing, choosing or in a dialog: shortcuts keep still. */
export function isBusyTyping(target) {
  if (document.querySelector('dialog[open]')) return true;
  return Boolean(target?.closest?.('input, textarea, select, [contenteditable=""], [contenteditable=true]'));
}
