/**
 * The server's time on this device, whose own clock may be wrong, and what changes with it.
 * No DOM and no network: `ask` brings the server's answers.
 */

import { Emitter } from './live-subscription.js';

const SAMPLES = 3;

/** Emits `sync` when it has learnt the time anew. Until the first time it goes by the device. */
export class ServerClock extends Emitter {
  synced = false;
  errorMs = 0; // the true time is at most this far away, if the way back took no longer than both
  #offsetMs = 0;
  #ask;
  #deviceMs;

  /** `ask()` resolves with the server's `{now_ms}`. */
  constructor({ ask, deviceMs = Date.now }) {
    super();
    this.#ask = ask;
    this.#deviceMs = deviceMs;
  }

  /** Unix milliseconds by the server. */
  now() {
    return this.#deviceMs() + this.#offsetMs;
  }

  /** Ask a few times and believe the quickest answer. When none comes, what was known holds. */
  async sync() {
    let best = null;
    for (let turn = 0; turn < SAMPLES; turn += 1) {
      const sentMs = this.#deviceMs();
      try {
        const { now_ms: serverMs } = await this.#ask();
        const tripMs = this.#deviceMs() - sentMs;
        if (!best || tripMs < best.tripMs) best = { tripMs, offsetMs: serverMs - sentMs - tripMs / 2 };
      } catch {
        break; // the line is gone: whoever connects again asks again
      }
    }
    if (!best) return;
    this.#offsetMs = best.offsetMs;
    this.errorMs = best.tripMs / 2;
    this.synced = true;
    this.emit('sync');
  }
}

/**
 * How long until a display of the time left to any of these deadlines changes: each shows whole
 * seconds, rounded up. Infinity when all are over.
 */
export function nextChangeMs(deadlines, nowMs) {
  const waits = deadlines
    .filter((deadline) => deadline > nowMs)
    .map((deadline) => (deadline - nowMs) % 1000 || 1000);
  return Math.min(...waits);
}

/** Calls `draw` at every change of a display; `deadlines()` are those that are shown. */
export class Ticker {
  #timer;

  constructor({ clock, deadlines, draw }) {
    Object.assign(this, { clock, deadlines, draw });
  }

  /** Call it whenever the deadlines may have changed. */
  restart() {
    clearTimeout(this.#timer);
    const waitMs = nextChangeMs(this.deadlines(), this.clock.now());
    if (waitMs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.draw();
      this.restart();
    }, Math.ceil(waitMs) + 1);
  }
}
