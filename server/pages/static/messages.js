/** Every word the pages say, in both languages, and the choice between them. No DOM. */

import { EN } from './messages-en.js';
import { ZH } from './messages-zh.js';

export const LANGUAGES = ['zh-CN', 'en'];
export const MESSAGES = { 'zh-CN': ZH, en: EN };

/** A message with `{name}` replaced from `values`; the key itself when there is no message. */
export function fill(message, values = {}, key = '') {
  if (message === undefined) return key;
  return message.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** The language we have for a tag such as `zh-TW` or `en-GB`, or null. */
export function matchLanguage(tag) {
  const primary = String(tag ?? '').toLowerCase().split('-')[0];
  return { zh: 'zh-CN', en: 'en' }[primary] ?? null;
}

/** What the address asks for, else what was chosen before, else what the browser prefers. */
export function chooseLanguage({ asked, stored, preferred = [] }) {
  for (const tag of [asked, stored, ...preferred]) {
    const found = matchLanguage(tag);
    if (found) return found;
  }
  return 'en';
}
