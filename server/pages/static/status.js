/** What the page says about its connection: connecting, offline, back again, or closed for good. */

import { byId, button, icon, make, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const BACK_SHOWN_MS = 2500;
const PATIENCE_MS = 700; // a reconnect that takes less need not be seen

/**
 * Follow the client's state in `#status`. `again` starts over after a close for good. Returns a
 * function to call after we ended the connection ourselves: it shows the words that `why()` gives.
 */
export function mountStatus(client, again) {
  const place = byId('status');
  let last = { state: 'idle' };
  let wasConnected = false;
  let closedBy = null;
  let timer;
  const say = (look, name, ...more) => {
    place.dataset.look = look;
    place.replaceChildren(icon(name), ...more);
    show(place, true);
  };
  const words = (text) => make('span', { text });
  const draw = () => {
    clearTimeout(timer);
    document.documentElement.dataset.connection = last.state;
    if (last.state === 'connected') {
      if (!wasConnected || place.hidden) show(place, false);
      else say('good', 'check', words(t('status.back')));
      wasConnected = true;
      timer = setTimeout(() => show(place, false), BACK_SHOWN_MS);
    } else if (last.state === 'offline') {
      say('wait', 'warn', words(t('status.offline')));
    } else if (last.state === 'closed') {
      sayClosed(() => closedWords(last));
    } else if (last.state === 'idle') {
      if (closedBy) sayClosed(closedBy);
      else show(place, false);
    } else if (place.hidden) {
      timer = setTimeout(() => say('wait', 'clock', words(waitingWords())), PATIENCE_MS);
    } else {
      say('wait', 'clock', words(waitingWords()));
    }
  };
  const sayClosed = (why) => {
    closedBy = why;
    say('bad', 'warn', words(why()), button({ text: t('status.again'), class: 'text-button' }, again));
  };
  const waitingWords = () => t(wasConnected ? 'status.again.trying' : 'status.connecting');
  client.on('state', (event) => {
    last = event;
    closedBy = null;
    draw();
  });
  onLanguage(draw);
  return sayClosed;
}

const CLOSED = {
  3500: 'closed.token',
  3503: 'closed.elsewhere',
  3504: 'closed.full',
  3507: 'closed.forbidden',
  403: 'closed.forbidden',
  109: 'closed.expired',
};

/** Why the server closed for good, in the reader's language; the server's words where ours lack. */
export function closedWords({ code, reason }) {
  const key = CLOSED[code];
  return key ? t(key) : t('closed.other', { reason: reason || String(code) });
}
