/** How one comment looks in the audience's stream, and what a press on it offers. */

import { button, icon, make, show } from './dom.js';
import { formatCount } from './format.js';
import { language, t } from './i18n.js';
import { reasonWords } from './refusals.js';
import { makeSheet } from './sheet.js';

/** A badge for staff, nothing for viewers. */
export function roleBadge(role) {
  if (!role || role === 'viewer') return null;
  return make('span', { class: `badge badge-${role}`, text: t(`role.${role}`) });
}

/** The comment that another one answers, as a line above it. */
export function quoteOf(comment, state) {
  if (!comment.reply_to) return null;
  const original = state.comments.get(comment.reply_to);
  let words = t('reply.earlier');
  if (original?.removed) words = t('comment.removed');
  else if (original) words = t('reply.quote', { name: original.name, text: original.text });
  return make('span', { class: 'quote', dir: 'auto' }, icon('reply'), make('span', { text: words }));
}

/** The words in a removed comment's place: that it was removed, and why. */
export const tombstone = (comment) =>
  comment.reason
    ? t('comment.removed.why', { reason: reasonWords(comment.reason) })
    : t('comment.removed');

/** A row of the stream. `onPress(comment)` when it is pressed. */
export function commentRow(comment, { state, mine, onPress }) {
  if (comment.removed) {
    const words = make('p', { class: 'bubble gone', text: tombstone(comment) });
    return make('li', { class: 'comment removed' }, words);
  }
  const staff = comment.role && comment.role !== 'viewer';
  const bubble = make(
    'button',
    { type: 'button', class: 'bubble', on: { click: () => onPress(comment) } },
    quoteOf(comment, state),
    roleBadge(comment.role),
    make('bdi', { class: 'name', text: mine ? t('comment.you', { name: comment.name }) : comment.name }),
    make('bdi', { class: 'text', text: comment.text }),
    make('span', { class: 'liked tabular', hidden: true }, icon('heart'), make('span')),
  );
  return make('li', { class: `comment${mine ? ' mine' : ''}${staff ? ' staff' : ''}` }, bubble);
}

/** Write the likes of a comment into its row. */
export function showLikes(row, count) {
  const place = row.querySelector('.liked');
  if (!place) return;
  show(place, count > 0);
  place.lastElementChild.textContent = formatCount(count, language);
}

/** A comment of ours on its way. */
export function pendingRow(item, { name, onRetry, onDiscard }) {
  const failed = item.state === 'failed';
  return make(
    'li',
    { class: `comment mine pending${failed ? ' failed' : ''}`, data: { cid: item.cid } },
    make(
      'div',
      { class: 'bubble' },
      name ? make('bdi', { class: 'name', text: t('comment.you', { name }) }) : null,
      make('bdi', { class: 'text', text: item.text }),
      make('span', { class: 'sending' }, icon(failed ? 'warn' : 'clock'), make('span', { text: t(`sending.${item.state}`) })),
      failed ? button({ text: t('action.retry'), class: 'text-button' }, onRetry) : null,
      failed ? button({ text: t('action.discard'), class: 'text-button' }, onDiscard) : null,
    ),
  );
}

/** What can be done with a comment: answer it, like it, share it. */
export function openComment(comment, { count, liked, onReply, onLike, onShare }) {
  const dialog = makeSheet(
    { title: t('comment.title'), look: 'small comment-sheet' },
    make(
      'blockquote',
      { class: 'quoted' },
      make('p', { class: 'who' }, roleBadge(comment.role), make('bdi', { text: comment.name })),
      make('p', { text: comment.text, dir: 'auto' }),
    ),
    make(
      'div',
      { class: 'actions' },
      button({ icon: 'reply', text: t('action.reply'), class: 'button quiet' }, () => {
        dialog.close();
        onReply();
      }),
      button(
        {
          icon: liked ? 'heart' : 'heart-line',
          text: t('action.like', { n: formatCount(count, language) }),
          class: 'button quiet comment-like',
          'aria-pressed': String(liked),
        },
        () => {
          dialog.close();
          if (!liked) onLike();
        },
      ),
      button({ icon: 'share', text: t('action.share'), class: 'button quiet comment-share' }, () => {
        dialog.close();
        onShare();
      }),
    ),
  );
}
