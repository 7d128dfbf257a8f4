/** The host's desk: room state, notice, slow mode, counts, and what this session has done. */

import { byId, button, make, show } from './dom.js';
import { formatCount } from './format.js';
import { language, onLanguage, t } from './i18n.js';

/** The slow modes on offer, in seconds. */
export const SLOW_SECONDS = [0, 3, 5, 10, 30, 60, 120];
const PHASES = ['scheduled', 'live', 'ended'];

/**
 * Wire the desk. `acts`: `slow(seconds)`, `notice(textOrNull)`, `phase(state)`, each resolving
 * true when it was done. `role()` is this person's role here.
 */
export function mountControls({ state, acts, role }) {
  const draw = () => {
    drawSlow(state, acts);
    drawPhase(state, acts, role());
    show(byId('control-notice'), ['host', 'merchant'].includes(role()));
  };
  byId('control-notice').addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = byId('notice-text').value.trim();
    if (text && (await acts.notice(text))) byId('notice-text').blur();
  });
  byId('notice-clear').addEventListener('click', () => acts.notice(null));
  const fillNotice = () => {
    if (document.activeElement !== byId('notice-text')) {
      byId('notice-text').value = state.notice ?? '';
    }
    byId('notice-clear').disabled = !state.notice;
  };
  state.on('notice', fillNotice);
  state.on('reset', fillNotice);
  for (const part of ['reset', 'slowSeconds', 'room']) state.on(part, draw);
  onLanguage(draw);
  return draw;
}

/** Move the focus to slow mode, for its shortcut. */
export function focusSlow() {
  const chosen = byId('slow-choice').querySelector('input:checked') ?? byId('slow-choice').querySelector('input');
  chosen?.focus();
}

function drawSlow(state, acts) {
  const choices = SLOW_SECONDS.map((seconds) => [
    seconds,
    seconds ? t('slow.seconds', { n: seconds }) : t('slow.off'),
  ]);
  fillChoices(byId('slow-choice'), 'slow', choices, state.slowSeconds, acts.slow);
  byId('slow-now').textContent = state.slowSeconds ? t('slow.now', { n: state.slowSeconds }) : '';
}

function drawPhase(state, acts, role) {
  show(byId('control-state'), role === 'merchant');
  const choices = PHASES.map((phase) => [phase, t(`state.${phase}`)]);
  fillChoices(byId('state-choice'), 'phase', choices, state.room.state, acts.phase);
}

/** Radio buttons that follow the room, not the finger: a refused choice falls back. */
function fillChoices(place, name, choices, chosen, onPick) {
  const focused = place.contains(document.activeElement) ? document.activeElement.value : null;
  place.replaceChildren(
    ...choices.map(([value, words]) => {
      const input = make('input', { type: 'radio', name, value, checked: value === chosen });
      input.addEventListener('change', async () => {
        if (!(await onPick(value))) fillChoices(place, name, choices, chosen, onPick);
      });
      return make('label', { class: 'segment' }, input, make('span', { text: words }));
    }),
  );
  if (focused !== null) place.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
}

/** The counts in the head of the page. */
export function drawCounts(state, perMinute) {
  byId('count-viewers').textContent = formatCount(state.viewers, language);
  byId('count-likes').textContent = formatCount(state.likes, language);
  byId('count-rate').textContent = formatCount(perMinute, language);
}

/** What this session has done to people, newest first, each with the way back. */
export class Done {
  #entries = [];

  constructor() {
    onLanguage(() => this.draw());
  }

  /** `{kind: 'mute' | 'ban', user, name, seconds}`; `undo()` resolves true when it was lifted. */
  add(entry, undo) {
    this.#entries = this.#entries.filter(({ user, kind }) => user !== entry.user || kind !== entry.kind);
    this.#entries.unshift({ ...entry, undo });
    this.draw();
  }

  /** Show the list. */
  draw() {
    show(byId('done-empty'), this.#entries.length === 0);
    byId('done').replaceChildren(...this.#entries.map((entry) => this.#row(entry)));
  }

  #row(entry) {
    const words =
      entry.kind === 'mute'
        ? t('done.mute', { name: entry.name, time: t(`mute.${entry.seconds}`) })
        : t('done.ban', { name: entry.name });
    return make(
      'li',
      {},
      make('span', { text: words, dir: 'auto' }),
      button({ text: t(`done.${entry.kind}.undo`), class: 'text-button' }, async () => {
        if (!(await entry.undo())) return;
        this.#entries = this.#entries.filter((each) => each !== entry);
        this.draw();
      }),
    );
  }
}
