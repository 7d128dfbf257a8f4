/** Small pieces of the desk: heads, badges, facts, times, filters. */

import { icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { formatInstant, formatMoney, formatUnits } from './merchant-numbers.js';
import { hashOf } from './merchant-rules.js';
import { sitePath } from './site.js';

export const money = (minor, currency) => formatMoney(minor, currency, language);
export const units = (count) => formatUnits(count, language);

/** So many units, and so many variants, in words for a sentence. */
export const unitsOf = (n) => t(n === 1 ? 'merchant.units.one' : 'merchant.units', { n: units(n) });
export const variantsOf = (n) => t(n === 1 ? 'merchant.variants.one' : 'merchant.variants', { n: units(n) });

/** A price or two with a dash between. */
export const moneyRange = ({ from, to }, currency) =>
  from === to ? money(from, currency) : `${money(from, currency)} – ${money(to, currency)}`;

/** An instant where the reader is, or a dash. */
export function instant(atMs, none = '–') {
  if (atMs === null || atMs === undefined) return make('span', { class: 'soft', text: none });
  return make('time', { class: 'tabular', datetime: new Date(atMs).toISOString(), text: formatInstant(atMs, language) });
}

/** A word with the colour of its state. */
export const badge = (state, words) => make('span', { class: 'state', data: { state }, text: words });
export const roomBadge = (state) => badge(state, t(`state.${state}`));
export const saleBadge = (state) => badge(state, t(`merchant.sale.state.${state}`));
export const orderBadge = (state) => badge(state, t(`order.state.${state}`));

/** The head of a view: its title, and what can be done here. `back` is `{href, words}`. */
export function pageHead(title, { back, beside, lead, tools = [] } = {}) {
  return make(
    'header',
    { class: 'page-head' },
    back ? make('a', { class: 'back', href: back.href }, icon('back'), make('span', { text: back.words })) : null,
    make('div', { class: 'page-title' }, make('h1', { text: title, tabindex: '-1', dir: 'auto' }), beside, lead ? make('p', { class: 'soft', text: lead }) : null),
    tools.length ? make('div', { class: 'page-tools' }, ...tools) : null,
  );
}

/** A link inside the desk. */
export const deskLink = (words, ...place) => make('a', { class: 'link', href: hashOf(...place), dir: 'auto', text: words });

/** A link to another page of this server, in a tab of its own. */
export const outLink = (words, href) =>
  make('a', { class: 'link out', href: sitePath(href), target: '_blank', rel: 'noopener', text: words });

/** Names and values; a value is an element or text. */
export const facts = (pairs) =>
  make(
    'dl',
    { class: 'facts' },
    ...pairs.filter(Boolean).map(([name, value]) => make('div', {}, make('dt', { text: name }), make('dd', { dir: 'auto' }, value))),
  );

/** An id as one copies it. */
export const code = (text) => make('code', { text });

/** A channel as people call it; one that the words do not know is shown as it is. */
export function channelName(channel) {
  return CHANNELS.has(channel) ? t(`merchant.channel.${channel}`) : channel || '–';
}

const CHANNELS = new Set(['direct', 'api', 'wechat', 'weibo', 'qq', 'douyin', 'kuaishou', 'xiaohongshu', 'sms', 'email', 'app', 'poster', 'copy', 'system', 'other']);

/** Where a visit or an order came from, as names and values. */
export const sourceFacts = ({ channel, campaign, staff, inviter }) => [
  [t('merchant.channel'), channelName(channel)],
  campaign ? [t('merchant.campaign'), campaign] : null,
  staff ? [t('merchant.staff'), staff] : null,
  inviter ? [t('merchant.inviter'), deskLink(inviter, 'people', inviter)] : null,
];

/** A bar of shares: `parts` are `[kind, units, words]`; it is told as text too. */
export function shareBar(parts, total) {
  const bar = make('div', { class: 'share-bar', 'aria-hidden': 'true' });
  for (const [kind, count] of parts) {
    if (!count) continue;
    const share = make('i', { data: { kind } });
    share.style.flexGrow = count / total; // a style attribute would be refused
    bar.append(share);
  }
  const legend = parts.map(([kind, count, words]) =>
    make('li', { data: { kind } }, make('span', { text: words }), make('b', { class: 'tabular', text: units(count) })),
  );
  return make('div', { class: 'shares' }, bar, make('ul', {}, ...legend));
}

/**
 * Choices above a list. `fields` as of merchant-fields.js; `onChange(filters)` gets the values of
 * all of them by name. Those with `folded` words are folded away below these, unless one is set.
 */
export function filterBar(fields, onChange) {
  const folded = fields.filter((field) => field.folded);
  const rows = fields.filter((field) => !field.folded).map(({ root }) => root);
  const form = make('form', { class: 'filters', role: 'search' }, ...rows, folded.length ? fold(folded) : null);
  const tell = () => onChange(Object.fromEntries(fields.map(({ input, read }) => [input.name, read()])));
  form.addEventListener('change', tell);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    tell();
  });
  return form;
}

const fold = (fields) =>
  make(
    'details',
    { class: 'more-filters', open: fields.some(({ input }) => input.value) },
    make('summary', { text: fields[0].folded }),
    make('div', {}, ...fields.map(({ root }) => root)),
  );

/** Options of a filter: all, then each. */
export const withAll = (options) => [['', t('merchant.filter.all')], ...options];
