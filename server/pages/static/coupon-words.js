/** What a coupon says, in the reader's language. */

import { endOf } from './coupons.js';
import { formatMoment } from './format.js';
import { language, t } from './i18n.js';
import { money } from './sale-words.js';

/** `¥10 off ¥50` and the like: what it takes off, and from when. */
export function couponTerms({ kind, currency, amount_minor: amount, percent_bp: percent, cap_minor: cap, threshold_minor: threshold }) {
  const price = money(amount ?? 0, currency);
  if (kind === 'threshold') return t('coupon.threshold', { price, from: money(threshold, currency) });
  if (kind !== 'percent') return t('coupon.amount', { price });
  // 15% off is 8.5 折: one language says what goes, the other what is left.
  const words = t('coupon.percent', { n: language === 'en' ? percent / 100 : (10_000 - percent) / 1000 });
  return cap ? `${words}${t('coupon.cap', { price: money(cap, currency) })}` : words;
}

/** Until when it can be spent, or what has become of it. */
export function couponLife(coupon) {
  if (coupon.state !== 'granted') return t(`coupon.state.${coupon.state}`);
  const until = endOf(coupon);
  return until < Infinity ? t('coupon.until', { time: formatMoment(until, language) }) : t('coupon.always');
}

/** What one coupon did to a price: so much off, or why not. */
export function ruleWords({ minor, why_not: why }, currency) {
  return why ? t(`coupon.why.${why}`) : `−${money(minor, currency)}`;
}
