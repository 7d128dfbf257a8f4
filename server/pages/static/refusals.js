/** Why the server refused, in the reader's language. Codes first; its own words where ours lack. */

import { t } from './i18n.js';
import { formatMoment } from './format.js';

/**
 * A sentence for a failed call. `moderation` is what `#<user>` last told: `{action, until_ms,
 * reason}`, so that a muted person reads until when and why.
 */
export function refusalWords(error, { moderation = null, language } = {}) {
  if (error.kind === 'offline' || error.status === 0) return t('error.offline');
  if (error.kind === 'lost' || error.kind === 'timeout') return t('error.unsure');
  const code = error.code ?? error.status;
  if (code === 403 && moderation) return moderationWords(moderation, language);
  const about = { reason: error.message };
  switch (code) {
    case 400:
      return t('error.bad', about);
    case 401:
      return t('error.signin');
    case 403:
      return t('error.forbidden', about);
    case 404:
      return t('error.unknown');
    case 409:
      return t('error.conflict', about);
    case 413:
      return t('error.long');
    case 422:
      return t('error.rules', about);
    case 111:
    case 429:
      return t('error.fast');
    case 100:
    case 503:
      return t('error.busy');
    default:
      return t('error.other', { reason: error.message || String(code) });
  }
}

/** What a moderation event means to the person it is about; '' when it is over. */
export function moderationWords({ action, until_ms: untilMs, reason }, language) {
  const why = reason ? t('moderation.why', { reason: reasonWords(reason) }) : '';
  if (action === 'banned') return t('moderation.banned') + why;
  if (action !== 'muted') return '';
  if (!untilMs || untilMs - Date.now() > YEARS_MS) return t('moderation.muted.open') + why;
  return t('moderation.muted', { time: formatMoment(untilMs, language) }) + why;
}

/** What a refused call says about the person: muted or banned, as a moderation event; or null. */
export function moderationFromError({ code, message = '' }) {
  if (code !== 403) return null;
  const muted = /^muted: (\d+) s left/.exec(message);
  if (muted) return { action: 'muted', until_ms: Date.now() + Number(muted[1]) * 1000, reason: '' };
  return message.startsWith('banned') ? { action: 'banned', until_ms: null, reason: '' } : null;
}

const YEARS_MS = 10 * 365 * 86_400_000; // a mute this long has no end that is worth naming
const REASONS = ['spam', 'abuse', 'contact', 'false', 'other'];

/** Reasons that the console offers travel as these words, and are read in the reader's language. */
export const REASON_KEYS = REASONS;

/** A reason as a reader should see it: `spam: sold fakes` is "Spam: sold fakes". */
export function reasonWords(reason) {
  const [word, ...more] = reason.split(': ');
  return REASONS.includes(word) ? [t(`reason.${word}`), ...more].join(': ') : reason;
}

/** Seconds that the message tells to wait, or 0. */
export function secondsToWait(error) {
  const found = /(\d+(?:\.\d+)?)\s*(ms|s\b|second)/.exec(error.message ?? '');
  if (!found) return 0;
  return Math.ceil(found[2] === 'ms' ? Number(found[1]) / 1000 : Number(found[1]));
}
