/** Choices above the lists of sharing and visitors: rooms, and whatever else a list is cut by. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { selectField } from './merchant-fields.js';
import { emptyCard } from './merchant-load.js';
import { filterBar, withAll } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';
import { roomOptions } from './merchant-sales.js';

/** Draw the fields at once, and again when the merchant's rooms are known: `fields(rooms)`. */
export function mountFilters(bar, desk, fields, onChange) {
  const draw = (rooms) => bar.replaceChildren(filterBar(fields(rooms), onChange));
  draw([]);
  desk.api.all('/api/v1/rooms', 'rooms').then(
    (rooms) => bar.isConnected && !bar.contains(document.activeElement) && draw(rooms),
    () => {}, // the list below says what is wrong; what is chosen already can still be changed
  );
}

/** The room of a list, or all of them. */
export const roomField = (rooms, chosen = '') =>
  selectField({ name: 'room', label: t('merchant.room.room'), value: chosen, options: withAll(roomOptions(rooms, chosen)) });

/** In place of a list that has nothing for these filters: `none()` where there are no filters. */
export function emptyList(icon, view, filters, none) {
  if (!Object.values(filters).some(Boolean)) return none();
  const clear = make('a', { class: 'button quiet', href: hashOf(view), text: t('merchant.filter.clear') });
  return emptyCard(icon, t('merchant.filter.none'), t('merchant.filter.none.text'), clear);
}

/** The sections of one thing as a row of links: `names` are `[value, words]`. */
export function sectionBar(names, here, hrefOf) {
  const link = ([value, words]) =>
    make('a', { class: 'section-link', href: hrefOf(value), 'data-key': `section-${value}`, 'aria-current': value === here ? 'page' : null, text: words });
  return make('nav', { class: 'sections', 'aria-label': t('merchant.sections') }, ...names.map(link));
}
