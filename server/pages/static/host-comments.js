/** The host's stream: each comment with its time, its author's role, and what can be done. */

import { button, icon, make, show } from './dom.js';
import { formatClock, formatCount } from './format.js';
import { language, t } from './i18n.js';
import { quoteOf, roleBadge, tombstone } from './comment-row.js';

/**
 * A row of the log. `acts`: `reply`, `pin`, `moderate` (each called with the comment; one that is
 * missing is not offered).
 */
export function logRow(comment, { state, mine, acts }) {
  const time = make('time', { class: 'tabular', text: formatClock(comment.at_ms ?? 0, language) });
  if (comment.removed) {
    const words = make('p', { class: 'log-text gone', text: tombstone(comment) });
    const who = make('p', { class: 'log-who' }, make('bdi', { class: 'name', text: comment.name ?? '' }), time);
    return make('li', { class: 'log-row removed' }, make('div', { class: 'log-main' }, who, words));
  }
  const staff = comment.role && comment.role !== 'viewer';
  const name = mine ? t('comment.you', { name: comment.name }) : comment.name;
  return make(
    'li',
    { class: `log-row${mine ? ' mine' : ''}${staff ? ' staff' : ''}` },
    make(
      'div',
      { class: 'log-main' },
      make(
        'p',
        { class: 'log-who' },
        roleBadge(comment.role),
        make('bdi', { class: 'name', text: name }),
        time,
        make('span', { class: 'liked tabular', hidden: true }, icon('heart'), make('span')),
      ),
      quoteOf(comment, state),
      make('p', { class: 'log-text', text: comment.text, dir: 'auto' }),
    ),
    tools(comment, acts),
  );
}

function tools(comment, acts) {
  const about = { name: comment.name };
  const tool = (act, name, key) =>
    acts[act]
      ? button({ icon: name, label: t(key, about), class: `icon-button act-${act}` }, () => acts[act](comment))
      : null;
  return make(
    'div',
    { class: 'log-tools' },
    tool('reply', 'reply', 'act.reply'),
    tool('pin', 'pin', 'act.pin'),
    tool('moderate', 'shield', 'act.moderate'),
  );
}

/** Write the likes of a comment into its row. */
export function showLogLikes(row, count) {
  const place = row.querySelector('.liked');
  if (!place) return;
  show(place, count > 0);
  place.lastElementChild.textContent = formatCount(count, language);
}

/** How many comments came in the last minute. */
export class Rate {
  #times = [];

  /** One came now. */
  tick(nowMs) {
    this.#times.push(nowMs);
  }

  /** These were there before. */
  restart(timesMs) {
    this.#times = [...timesMs];
  }

  /** The number within the last minute. */
  perMinute(nowMs) {
    const from = nowMs - 60_000;
    while (this.#times.length && this.#times[0] < from) this.#times.shift();
    return this.#times.length;
  }
}
