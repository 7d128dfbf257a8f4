/** Places that show what was loaded: every one is loading, empty, failing or filled. */

import { button, icon, make, show } from './dom.js';
import { language, t } from './i18n.js';
import { failureWords } from './merchant-api.js';
import { formatSecond } from './merchant-numbers.js';

const BONES = 4;

/**
 * Fill `place` with what `load()` resolves with. `draw(data)` gives the elements, or null for
 * nothing: then `empty()` does. `again(data)` says after how many ms to load once more (0: never).
 * Once filled, a failing refresh leaves what stands there and says how old it is.
 *
 * Returns `{refresh, close}`; after `close` nothing is drawn any more.
 */
export function mountLoaded(place, { load, draw, empty, again = () => 0 }) {
  const remark = make('div', { class: 'load-remark', role: 'status', hidden: true });
  const body = make('div', { class: 'load-body' });
  place.replaceChildren(remark, body);
  let turn = 0;
  let closed = false;
  let filledAtMs = 0;
  let timer;

  const refresh = async () => {
    turn += 1;
    const mine = turn;
    clearTimeout(timer);
    if (!filledAtMs) body.replaceChildren(skeleton());
    body.setAttribute('aria-busy', 'true');
    try {
      const data = await load();
      if (closed || mine !== turn) return;
      const isFirst = !filledAtMs;
      filledAtMs = Date.now();
      show(remark, false);
      fillKeepingFocus(body, draw(data) ?? [empty()]);
      if (isFirst) hearHead(body);
      schedule(again(data));
    } catch (error) {
      if (closed || mine !== turn) return;
      sayFailed(error);
    } finally {
      if (mine === turn) body.removeAttribute('aria-busy');
    }
  };
  const schedule = (afterMs) => {
    if (afterMs > 0) timer = setTimeout(() => document.hidden || refresh(), afterMs); // see wake
  };
  const sayFailed = (error) => {
    if (typeof error.status !== 'number') console.error(error); // a mistake of ours, not of the line
    if (!filledAtMs) {
      body.replaceChildren(failing(error, refresh));
      return;
    }
    const words = t('merchant.load.stale', { time: formatSecond(filledAtMs, language), why: failureWords(error) });
    remark.replaceChildren(icon('warn'), make('p', { text: words }), retryButton(refresh));
    show(remark, true);
    schedule(RETRY_MS);
  };
  const wake = () => !document.hidden && filledAtMs && timer && refresh();
  document.addEventListener('visibilitychange', wake);
  refresh();
  return {
    refresh,
    close() {
      closed = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
    },
  };
}

const RETRY_MS = 5000;

/**
 * A table that is loaded page by page. `columns`: `[{name, cell(row), look?}]`, the first names the
 * row; `page(after)` resolves with `{rows, next}`. Returns `{refresh, close}`.
 */
export function mountList(place, { label, columns, page, empty }) {
  let rows = [];
  let next = null;
  const more = make('div', { class: 'more' });
  const drawRows = () => [table(label, columns, rows), more];
  const loaded = mountLoaded(place, {
    load: () => page(''),
    draw: (first) => {
      ({ rows, next } = first);
      drawMore();
      return rows.length ? drawRows() : null;
    },
    empty,
  });
  const drawMore = (error = null, busy = false) => {
    const words = make('p', { class: 'soft', role: 'status', text: error ? failureWords(error) : t('merchant.load.shown', { n: rows.length }) });
    const press = button({ text: t('merchant.load.more'), class: 'button quiet', disabled: busy, 'data-key': 'more' }, loadMore);
    more.replaceChildren(words, ...(next === null ? [] : [press]));
    show(more, next !== null || error !== null);
  };
  const loadMore = async () => {
    drawMore(null, true);
    const after = next;
    try {
      const found = await page(after);
      if (after !== next) return; // loaded anew meanwhile
      rows = [...rows, ...found.rows];
      next = found.next;
      place.querySelector('tbody').append(...found.rows.map((row) => tableRow(columns, row)));
      drawMore();
    } catch (error) {
      drawMore(error);
    }
  };
  return loaded;
}

/** A table; on a phone each row is a card, so every cell carries its column's name. */
export function table(label, columns, rows) {
  const head = columns.map(({ name, look }) => make('th', { scope: 'col', role: 'columnheader', class: look ?? '', text: name }));
  return make(
    'div',
    { class: 'table-frame' },
    make(
      'table',
      { class: 'table', role: 'table', 'aria-label': label },
      make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...head)),
      make('tbody', { role: 'rowgroup' }, ...rows.map((row) => tableRow(columns, row))),
    ),
  );
}

function tableRow(columns, row) {
  const cells = columns.map(({ name, cell, look }, index) => {
    const content = cell(row);
    const place = { class: look ?? '', data: { name } };
    return index
      ? make('td', { ...place, role: 'cell' }, content)
      : make('th', { ...place, scope: 'row', role: 'rowheader' }, content);
  });
  return make('tr', { role: 'row' }, ...cells);
}

/** Words in place of what is not there, with what to do about it. */
export const emptyCard = (name, title, text, ...acts) =>
  make('div', { class: 'state-card' }, icon(name), make('h2', { text: title }), make('p', { class: 'soft', text }), ...acts);

function failing(error, retry) {
  return make(
    'div',
    { class: 'state-card failing', role: 'alert' },
    icon('warn'),
    make('h2', { text: t('merchant.load.failed') }),
    make('p', { class: 'soft', text: failureWords(error) }),
    retryButton(retry),
  );
}

const retryButton = (retry) => button({ text: t('action.retry'), class: 'button quiet', 'data-key': 'retry' }, retry);

function skeleton() {
  const bones = Array.from({ length: BONES }, () => make('i'));
  return make('div', { class: 'skeleton', role: 'status' }, make('span', { class: 'only-read', text: t('merchant.load.loading') }), ...bones);
}

/** Who came to a view before its head was there stands on its head now. */
function hearHead(body) {
  if (document.activeElement?.matches('.view')) body.querySelector('h1')?.focus();
}

/** Replace what is inside; who stood on a `data-key` stands on it again. */
function fillKeepingFocus(body, elements) {
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  body.replaceChildren(...elements);
  if (key) body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}
