/** The sheets of sharing and their words, as one part that is fetched when it is first asked for. */

import { LANGUAGES, MESSAGES } from './messages.js';
import { SHARE_MESSAGES } from './share-messages.js';

export { RewardSheet } from './reward-sheet.js';
export { ShareSheet } from './share-sheet.js';

for (const language of LANGUAGES) Object.assign(MESSAGES[language], SHARE_MESSAGES[language]);
