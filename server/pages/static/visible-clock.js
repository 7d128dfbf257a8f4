/** Whether somebody can see the page: says so when it changes, and now and then that it still is. */

const BEAT_EVERY_MS = 15_000;

/** `say('visible' | 'hidden' | 'beat')`. Silent until `set` is called for the first time. */
export class VisibleClock {
  #visible = null;
  #timer;

  constructor({ say, everyMs = BEAT_EVERY_MS }) {
    this.say = say;
    this.everyMs = everyMs;
  }

  /** The page is visible, or it is not. Saying the same again changes nothing. */
  set(visible) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    clearInterval(this.#timer);
    this.say(visible ? 'visible' : 'hidden');
    if (visible) this.#timer = setInterval(() => this.say('beat'), this.everyMs);
  }

  /** The page is about to go: no more beats; `set` says anew what is so. */
  stop() {
    clearInterval(this.#timer);
    this.#visible = null;
  }
}
