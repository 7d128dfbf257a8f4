/** What the viewer page and the host console both show of a room: its head and the pinned comment. */

import { roleBadge, tombstone } from './comment-row.js';
import { byId, icon, make, show } from './dom.js';
import { t } from './i18n.js';

/** Title, brand and phase; the document's title too. */
export function drawRoomHead({ title, state: phase }, brand) {
  if (title) document.title = `${title} · ${brand}`;
  byId('title').textContent = title || brand;
  byId('live-state').dataset.state = phase;
  byId('live-state').textContent = t(`state.${phase}`);
}

/** The pinned comment in its place, or nothing; `tool` is what can be done about it, if anything. */
export function drawPinnedComment(comment, tool = null) {
  const place = byId('pinned-comment');
  show(place, Boolean(comment));
  if (!comment) return;
  const words = make(
    'p',
    { dir: 'auto' },
    make('span', { class: 'only-read', text: t('comment.pinned') }),
    roleBadge(comment.role),
    make('bdi', { class: 'name', text: comment.name ?? '' }),
    make('bdi', { text: comment.removed ? tombstone(comment) : comment.text }),
  );
  place.replaceChildren(icon('pin'), words, ...(tool ? [tool] : []));
}
