/** What a merchant does to a ladder; each is a question with its numbers, asked once. */

import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask } from './merchant-ask.js';
import { money, units } from './merchant-parts.js';

/** By name: `act({ladder, costs, desk})` resolves with the ladder as it is then, or undefined. */
export const LADDER_ACTS = { publish, end };

/** Both may be sent again: what is done already is not done twice. */
const send = (desk, ladder, act) => desk.api.post(apiPath('ladders', ladder.id, act));

function publish({ ladder, costs, desk }) {
  const about = { title: ladder.title, room: ladder.room, n: units(ladder.tiers.length), worst: money(costs.worst_minor, ladder.currency), budget: money(ladder.budget_minor, ladder.currency) };
  return ask({
    title: t('merchant.ladder.act.publish'),
    question: () => t('merchant.ask.publish', about),
    go: () => t('merchant.ladder.act.publish'),
    act: () => send(desk, ladder, 'publish'),
    done: () => t('merchant.ladder.published', about),
  });
}

function end({ ladder, desk }) {
  return ask({
    title: t('merchant.ladder.act.end'),
    question: () => t('merchant.ask.end', { title: ladder.title }),
    go: () => t('merchant.ladder.act.end'),
    danger: true,
    act: () => send(desk, ladder, 'end'),
    done: () => t('merchant.ladder.ended', { title: ladder.title }),
  });
}
