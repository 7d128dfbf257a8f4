/** Likes: taps are gathered and sent a few times a second; hearts rise for everybody's. */

import { byId, icon, show } from './dom.js';
import { language } from './i18n.js';
import { formatCount } from './format.js';

const SEND_EVERY_MS = 350;
const TOO_FAST_WAIT_MS = 2000;
const TAPS_PER_SEND_MAX = 50;
const TAPS_KEPT_MAX = 500;
const FLYING_MAX = 22;
const OTHERS_PER_BEAT_MAX = 6;
const BURST_SHOWN_MS = 1100;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/**
 * Wire the like button. `send(n)` resolves when the server has counted n likes. What could not be
 * sent is kept (to a bound) for the next try; what may have arrived is not sent again.
 */
export function mountHearts({ client, state, send, onTotal, onRefused }) {
  const gather = new Gather({ client, send, onRefused, changed: () => onTotal(total()) });
  const total = () => state.likes + gather.unsent;
  const press = byId('like');
  let burst = 0;
  let burstTimer;
  press.addEventListener('click', () => {
    gather.tap();
    burst += 1;
    byId('like-burst').textContent = `+${formatCount(burst, language)}`;
    show(byId('like-burst'), true);
    clearTimeout(burstTimer);
    burstTimer = setTimeout(() => {
      burst = 0;
      show(byId('like-burst'), false);
    }, BURST_SHOWN_MS);
    beat(press);
    fly(1);
    onTotal(total());
  });
  state.on('heartbeat', ({ delta }) => {
    const others = gather.others(delta);
    fly(Math.min(OTHERS_PER_BEAT_MAX, Math.ceil(Math.sqrt(others))));
  });
  for (const part of ['likes', 'reset']) state.on(part, () => onTotal(total()));
}

class Gather {
  unsent = 0;
  #mine = 0; // sent, and not yet seen in anybody's count
  #timer;
  #busy = false;

  constructor(parts) {
    Object.assign(this, parts);
    this.client.on('connected', () => this.#later());
  }

  tap() {
    this.unsent = Math.min(TAPS_KEPT_MAX, this.unsent + 1);
    this.#later();
  }

  /** How many of these likes were not ours. */
  others(delta) {
    const ours = Math.min(delta, this.#mine);
    this.#mine -= ours;
    return delta - ours;
  }

  #later(waitMs = SEND_EVERY_MS) {
    if (this.#timer || this.#busy || !this.unsent || this.client.state !== 'connected') return;
    this.#timer = setTimeout(() => this.#flush(), waitMs);
  }

  async #flush() {
    this.#timer = undefined;
    const n = Math.min(TAPS_PER_SEND_MAX, this.unsent);
    let waitMs = SEND_EVERY_MS;
    this.#busy = true;
    try {
      this.#mine += n;
      await this.send(n);
      this.unsent -= n;
    } catch (error) {
      this.#mine -= Math.min(n, this.#mine);
      const keep = error.kind === 'offline' || error.code === 429 || error.code === 503;
      if (keep) waitMs = TOO_FAST_WAIT_MS;
      else this.unsent -= n;
      if (error.kind === 'reply' && !keep) this.onRefused(error);
    }
    this.#busy = false;
    this.changed();
    this.#later(waitMs);
  }
}

function beat(element) {
  if (calm.matches || !element.animate) return;
  element.animate(
    [{ transform: 'scale(1)' }, { transform: 'scale(1.22)' }, { transform: 'scale(1)' }],
    { duration: 220, easing: 'cubic-bezier(.3,1.6,.6,1)' },
  );
}

/** Let hearts rise from above the button; fewer when many are in the air, none when asked so. */
function fly(count) {
  const sky = byId('hearts');
  if (calm.matches || document.hidden) return;
  for (let i = 0; i < count && sky.childElementCount < FLYING_MAX; i += 1) {
    const heart = icon('heart');
    heart.classList.add('flying', `tone-${Math.floor(Math.random() * 4)}`);
    sky.append(heart);
    const drift = (Math.random() - 0.5) * 70;
    const rise = 190 + Math.random() * 130;
    const turn = (Math.random() - 0.5) * 50;
    const size = 0.75 + Math.random() * 0.7;
    const frames = [
      { transform: 'translate(0, 0) scale(.3)', opacity: 0 },
      { transform: `translate(${drift * -0.3}px, ${-rise * 0.18}px) scale(${size})`, opacity: 1, offset: 0.15 },
      { transform: `translate(${drift}px, ${-rise * 0.65}px) scale(${size}) rotate(${turn}deg)`, opacity: 0.9, offset: 0.65 },
      { transform: `translate(${drift * 0.6}px, ${-rise}px) scale(${size * 0.8}) rotate(${-turn}deg)`, opacity: 0 },
    ];
    const flight = heart.animate(frames, {
      duration: 1900 + Math.random() * 900,
      delay: i * 90,
      easing: 'cubic-bezier(.25,.5,.4,1)',
      fill: 'backwards',
    });
    flight.finished.then(() => heart.remove(), () => heart.remove());
  }
}
