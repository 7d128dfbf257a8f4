/** Writing a comment: the input, replying, slow mode's countdown, and what comes back refused. */

import { byId, show } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { moderationWords, refusalWords, secondsToWait } from './refusals.js';
import { toast } from './sheet.js';

const TICK_MS = 250;
const SILENCED_TICK_MS = 5000;

/**
 * Wire the composer of the page. `outbox` carries the comments; `context()` answers `{isSomebody,
 * canSpeak, exempt, moderation, language}` at any moment; `askName(then)` gets a guest a name.
 */
export class Composer {
  #replyTo = null;
  #waitUntil = 0;
  #returned = ''; // the words at the beginning of the field that were sent and refused
  #ticking;
  #input = byId('comment-text');

  constructor({ outbox, state, context, askName }) {
    Object.assign(this, { outbox, state, context, askName });
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('input', () => this.draw());
    byId('replying-cancel').addEventListener('click', () => this.replyTo(null));
    outbox.on('sent', () => this.#sent());
    outbox.on('refused', ({ item, error }) => this.#refused(item, error));
    outbox.on('signin', () => this.askName());
    state.on('slowSeconds', () => this.draw());
    state.on('removed', (id) => id === this.#replyTo?.id && this.replyTo(null));
    onLanguage(() => this.draw());
    this.draw();
  }

  /** Answer this comment, or with null nobody's. */
  replyTo(comment) {
    this.#replyTo = comment;
    show(byId('replying'), Boolean(comment));
    if (!comment) return;
    byId('replying-text').textContent = t('reply.to', { name: comment.name, text: comment.text });
    this.#input.focus();
  }

  /** Bring hint, countdown and button up to date. */
  draw() {
    const { canSpeak, moderation, language } = this.context();
    const left = Math.ceil((this.#waitUntil - Date.now()) / 1000);
    const silenced = moderation ? moderationWords(moderation, language) : '';
    const countdown = byId('countdown');
    show(countdown, left > 0);
    if (left > 0) countdown.textContent = t('composer.wait', { n: left });
    this.#input.disabled = !canSpeak || Boolean(silenced);
    this.#input.placeholder = silenced || this.#hint(canSpeak);
    show(byId('send'), this.#input.value.trim() !== '');
    byId('send').disabled = left > 0;
    clearTimeout(this.#ticking);
    const again = left > 0 ? TICK_MS : silenced ? SILENCED_TICK_MS : 0;
    if (again) this.#ticking = setTimeout(() => this.draw(), again);
  }

  #hint(canSpeak) {
    if (!canSpeak) return t('composer.closed');
    const seconds = this.state.slowSeconds;
    return seconds ? t('composer.slow', { n: seconds }) : t('composer.hint');
  }

  #submit() {
    const text = this.#input.value.trim();
    if (!text || this.#waitUntil > Date.now()) return;
    if (this.context().isSomebody) this.#queue(text);
    else this.askName(() => this.#queue(text));
  }

  #queue(text) {
    if (!this.outbox.add(text, this.#replyTo?.id)) {
      toast(t('error.queue'), 'bad');
      return;
    }
    this.#input.value = '';
    this.replyTo(null);
    this.draw();
    this.outbox.flush();
  }

  #sent() {
    const seconds = this.state.slowSeconds;
    if (seconds && !this.context().exempt) this.#wait(seconds);
  }

  #wait(seconds) {
    this.#waitUntil = Date.now() + seconds * 1000;
    this.draw();
  }

  /** Put words back into the field: behind those given back before, in front of what was typed since. */
  #giveBack(text) {
    const words = this.#input.value;
    const before = words.startsWith(this.#returned) ? this.#returned : '';
    this.#returned = joined(before, text);
    this.#input.value = joined(this.#returned, words.slice(before.length).trim());
  }

  #refused(item, error) {
    this.#giveBack(item.text);
    if (error.code === 429) this.#wait(secondsToWait(error) || this.state.slowSeconds || 2);
    const { moderation, language } = this.context();
    toast(refusalWords(error, { moderation, language }), 'bad');
    this.draw();
  }
}

const joined = (...words) => words.filter(Boolean).join(' ');
