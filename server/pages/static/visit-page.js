/** What a page tells of its visit: that it is seen, which products are, and when it goes. */

import { tabStorage } from './storage.js';
import { VisibleClock } from './visible-clock.js';
import { deviceId, sourceOf, VisitTracker } from './visit-tracker.js';

const DEVICE = 'live.device';
const SEEN_SHARE = 0.5; // of a card, at least, for it to have been seen

/**
 * Begin the visit of `room` and keep it up to date; `share` is the code in the address, or ''.
 * Returns `{tell(t, facts), see(element, product), id}`; `see` says that an element shows a
 * product, which counts as seen once it has been in view.
 */
export function mountVisit({ client, subscription, room, share, clock }) {
  const tracker = new VisitTracker({
    send: (batch) => client.rpc('visit.track', { room, ...batch }),
    storage: tabStorage(),
    key: `live.visit.${room}`,
    source: sourceOf({ share, search: location.search, referrer: document.referrer, host: location.host }),
    device: deviceId(DEVICE),
    nowMs: () => clock.now(),
  });
  const tell = (t, facts) => tracker.tell(t, facts);
  const seen = new VisibleClock({ say: tell });
  let gone = false; // a page that goes is hidden too, which says nothing new
  const look = () => gone || seen.set(!document.hidden);
  const begin = () => {
    tell('enter', tracker.source);
    seen.stop();
    look();
  };
  begin();
  let wasIn = false;
  const join = () => {
    if (wasIn) begin(); // a new connection knows nothing of the visit
    wasIn = true;
    tracker.joined();
  };
  // What is told carries the server's time: nothing is told before that is known.
  subscription.on('subscribed', () => clock.synced && join());
  clock.on('sync', () => subscription.state === 'subscribed' && !tracker.isJoined && join());
  subscription.on('unsubscribed', () => tracker.left());
  client.on('state', ({ state }) => state !== 'connected' && tracker.left());
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', () => {
    tell('leave');
    gone = true;
    seen.stop();
  });
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    gone = false;
    if (tracker.isJoined) begin(); // else it begins with the new connection
  });
  return { tell, see: watcher(tell), id: tracker.id };
}

/** Tells each product once, when an element that shows it comes into view. */
function watcher(tell) {
  const told = new Set();
  const shown = new WeakMap();
  const eye = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        const product = shown.get(target);
        if (!isIntersecting) continue;
        eye.unobserve(target);
        if (told.has(product)) continue;
        told.add(product);
        tell('card_seen', { product });
      }
    },
    { threshold: SEEN_SHARE },
  );
  return (element, product) => {
    if (shown.get(element) === product) return;
    shown.set(element, product);
    eye.unobserve(element); // what is observed anew is looked at anew
    if (!told.has(product)) eye.observe(element);
  };
}
