/** The views of sharing and visitors; their files are fetched when somebody first goes there. */

import { openCommissions } from './merchant-commissions.js';
import { openCoupons } from './merchant-coupons.js';
import { openLadder } from './merchant-ladder.js';
import { openPlan } from './merchant-ladder-plan.js';
import { openLadders } from './merchant-ladders.js';
import { openLinks } from './merchant-links.js';
import { REWARD_MESSAGES } from './merchant-messages-rewards.js';
import { VISIT_MESSAGES } from './merchant-messages-visits.js';
import { openPeople } from './merchant-people.js';
import { openSources } from './merchant-sources.js';
import { openVisits } from './merchant-visits.js';
import { openVouchers } from './merchant-vouchers.js';
import { LANGUAGES, MESSAGES } from './messages.js';

for (const language of LANGUAGES) Object.assign(MESSAGES[language], REWARD_MESSAGES[language], VISIT_MESSAGES[language]);

/** By view: `open(place, desk, route)` returns `{close, move?}`. */
export const SHARING_VIEWS = {
  ladders: (place, desk, route) => (route.id ? openLadder : openLadders)(place, desk, route),
  plan: openPlan,
  links: openLinks,
  coupons: openCoupons,
  vouchers: openVouchers,
  commissions: openCommissions,
  sources: openSources,
  visits: openVisits,
  people: openPeople,
};
