/** Visits: the list with its filters, and one of them step by step. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { instantField, textField } from './merchant-fields.js';
import { emptyList, mountFilters, roomField } from './merchant-filters.js';
import { emptyCard, mountList } from './merchant-load.js';
import { channelName, instant, pageHead, units } from './merchant-parts.js';
import { stayText } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';
import { openVisit } from './merchant-visit.js';
import { openCounts } from './merchant-visit-counts.js';

const WORDS = ['person', 'channel', 'campaign', 'staff', 'inviter'];

/** The view of visits; with an id that one in whole. Returns `{close}`. */
export function openVisits(place, desk, route) {
  if (route.id) return openVisit(place, desk, route);
  const { filters } = route;
  const [bar, counts, body] = [make('div'), make('div'), make('div')];
  place.replaceChildren(pageHead(t('merchant.nav.visits'), { lead: t('merchant.visit.lead') }), bar, counts, body);
  mountFilters(bar, desk, (rooms) => fieldsOf(rooms, filters), (chosen) => desk.go('visits', '', chosen));
  const isCut = Object.entries(filters).some(([name, value]) => value && name !== 'room');
  const counting = isCut ? null : openCounts(counts, desk, filters.room);
  const list = mountList(body, {
    label: t('merchant.nav.visits'),
    page: (after) => desk.api.page('/api/v1/visits', 'visits', filters, after),
    empty: () => emptyList('eye', 'visits', filters, () => emptyCard('eye', t('merchant.visit.none'), t('merchant.visit.none.text'))),
    columns: visitColumns(),
  });
  return {
    close() {
      counting?.close();
      list.close();
    },
  };
}

function fieldsOf(rooms, filters) {
  const word = (name) => textField({ name, label: t(`merchant.visit.by.${name}`), value: filters[name] ?? '', maxlength: 255, enterkeyhint: 'search' });
  const time = (name) => {
    const field = instantField({ name, label: t(`merchant.visit.span.${name}`), atMs: filters[name] ? Number(filters[name]) : null });
    return { ...field, read: () => String(readOrNone(field) ?? '') };
  };
  const [person, channel, ...rest] = WORDS.map(word);
  const more = [...rest, time('from_ms'), time('to_ms')].map((field) => ({ ...field, folded: t('merchant.visit.more') }));
  return [roomField(rooms, filters.room), channel, person, ...more];
}

function readOrNone(field) {
  try {
    return field.read();
  } catch {
    return null; // a time that is half typed filters nothing yet
  }
}

/** The columns of a list of visits, also of one person's. */
export const visitColumns = () => [
  { name: t('merchant.arrival.entered'), cell: (visit) => make('a', { class: 'link', href: hashOf('visits', visit.id), 'aria-label': t('merchant.visit.open') }, instant(visit.entered_at_ms)) },
  { name: t('merchant.visit.who'), cell: whoCell },
  { name: t('merchant.channel'), cell: sourceCell },
  { name: t('merchant.arrival.stayed'), look: 'number', cell: (visit) => stayText(visit.visible_ms) },
  { name: t('merchant.visit.did'), cell: didWords },
  { name: t('merchant.visit.last'), cell: (visit) => (visit.explaining ? make('span', { text: visit.explaining, dir: 'auto' }) : make('span', { class: 'soft', text: '–' })) },
];

function sourceCell({ source }) {
  const words = source.inviter ? t('merchant.visit.from', { user: source.inviter }) : source.staff || source.campaign;
  return make('div', { class: 'two-lines' }, make('span', { text: channelName(source.channel) }), words ? make('small', { class: 'soft', dir: 'auto', text: words }) : null);
}

/** Whoever it was: a member leads on to the person, a guest has no page. */
export function whoCell(visit) {
  const who = visit.person || visit.user;
  const words = who || t('merchant.visit.anonymous');
  const small = make('small', { class: 'soft', text: t('merchant.visit.device', { device: visit.device || '–' }) });
  const name = who ? make('a', { class: 'link', href: hashOf('people', who), dir: 'auto', text: words }) : make('span', { class: 'soft', text: words });
  return make('div', { class: 'two-lines' }, name, small);
}

/** What somebody did, the weightiest first; in words, because zeros say nothing. */
export function didWords(visit) {
  const did = [
    ['orders', visit.orders],
    ['checkouts', visit.checkouts],
    ['shares', visit.shares],
    ['comments', visit.comments],
    ['likes', visit.likes],
    ['cards', visit.cards_opened],
  ].filter(([, count]) => count);
  if (!did.length) return make('span', { class: 'soft', text: t('merchant.visit.nothing') });
  return did.map(([name, count]) => t(`merchant.did.${name}`, { n: units(count) })).join(' · ');
}
