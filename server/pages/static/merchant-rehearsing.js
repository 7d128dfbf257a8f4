/** The views of rehearsals; their files are fetched when somebody first goes there. */

import { REHEARSAL_MESSAGES } from './merchant-messages-rehearsals.js';
import { openRehearsal } from './merchant-rehearsal.js';
import { openRehearsalPlan } from './merchant-rehearsal-plan.js';
import { openRehearsals } from './merchant-rehearsals.js';
import { LANGUAGES, MESSAGES } from './messages.js';

for (const language of LANGUAGES) Object.assign(MESSAGES[language], REHEARSAL_MESSAGES[language]);

/** By view: `open(place, desk, route)` returns `{close, move?}`. */
export const REHEARSAL_VIEWS = {
  rehearsals: (place, desk, route) => (route.id ? openRehearsal : openRehearsals)(place, desk, route),
  rehearse: openRehearsalPlan,
};
