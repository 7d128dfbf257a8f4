/** Sharing on the viewer page: what a link opens, how far its sharer has come, and the sheets. */

import { byId, button, icon, make, show, write } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { toast } from './sheet.js';

const TRY_AGAIN = new Set([100, 503]);
// With all its words and looks; few visitors need it, so it comes when it is asked for.
const PART = new URL('./share-sheets.js', import.meta.url).href;
const LOOKS = new URL('./share-sheets.css', import.meta.url).href;

/**
 * `parts`: `client`, `subscription`, `state`, `room`, `brand`, `logo`, `code` (of the link in the
 * address, or ''), `askName(then)`, `whenSubscribed(act)`, `isSomebody()`, `explain(error)`,
 * `openProduct(id)`, `pays`.
 */
export class ShareDesk {
  progress = null;
  #opened = null; // the answer of share.open
  #isOld = true; // it was given to somebody else, or never
  #me = '';
  #sheet = null;

  constructor(parts) {
    Object.assign(this, parts);
    byId('share').addEventListener('click', () => this.share({ kind: 'room' }));
    byId('invite').addEventListener('click', () => this.openRewards());
    this.client.on('connected', ({ data }) => this.#connected(data?.user ?? ''));
    this.client.on('publication', ({ data }) => this.#told(data ?? {}));
    this.subscription.on('subscribed', () => this.#openLink());
    this.state.on('ranking', (event) => this.#sheet?.ranked?.(event));
    this.state.on('removed', (id) => id === this.#opened?.comment?.id && show(byId('shared'), false));
    onLanguage(() => this.draw());
  }

  /** Whether rewards may be shown here at all; the app whose browser this is may forbid it. */
  get rewards() {
    return this.progress?.policy?.show_rewards === true;
  }

  /** The ladder that can be climbed now and may be shown here, or null. */
  get ladder() {
    const { ladder } = this.progress ?? {};
    return this.rewards && ladder?.state === 'published' ? ladder : null;
  }

  /** The code to order with: its link sets prices of its own for some of these skus. */
  codeFor(skus) {
    return skus.some((sku) => this.#opened?.markups?.[sku]) ? this.code : '';
  }

  /** Open the sheet to share something: `{kind: 'room' | 'product' | 'comment', product?, comment?}`. */
  share(what) {
    if (!this.isSomebody()) {
      this.askName(() => this.whenSubscribed(() => this.share(what)));
      return;
    }
    this.#open(({ ShareSheet }, gone) => new ShareSheet(what, this, gone));
  }

  /** Open what sharing has brought: `progress`, `rewards`, `ranking` or `earnings`. */
  openRewards(tab = 'progress') {
    this.#open(({ RewardSheet }, gone) => new RewardSheet(tab, this, gone));
  }

  /** Ask anew how far this person has come. Rejects when there is no answer. */
  async refresh() {
    const me = this.#me;
    const progress = me ? await this.client.rpc('share.progress', { room: this.room }) : null;
    if (me === this.#me) this.#take(progress);
  }

  draw() {
    const { valid, tiers = [] } = this.progress ?? {};
    const next = tiers.find(({ needs }) => needs > valid);
    show(byId('invite'), Boolean(this.ladder));
    const words = next ? t('invite.next', { n: valid, needs: next.needs }) : t('invite.done');
    write(byId('invite-text'), words);
  }

  #take(progress) {
    this.progress = progress;
    this.draw();
    this.#sheet?.progressed?.();
  }

  async #open(build) {
    try {
      const [part] = await Promise.all([import(PART), loadLooks()]);
      this.#sheet = build(part, () => (this.#sheet = null));
    } catch {
      toast(t('error.offline'), 'bad');
    }
  }

  // ---- what comes in ------------------------------------------------------------------------

  #connected(user) {
    if (user !== this.#me) {
      this.#take(null);
      this.#isOld = true; // the same link may mean other prices to somebody else
    }
    this.#me = user;
    this.refresh().catch(() => {}); // the sheet asks by itself, and says what went wrong
  }

  #told(event) {
    if (event.t === 'reward' && this.rewards) {
      if (event.state !== 'missed') toast(t('reward.won', { title: event.title }));
      this.#sheet?.rewarded?.();
    }
    // Whether rewards may be shown in this browser, only an answer to it can say.
    const isOurs = event.t === 'share.progress' && event.room === this.room && this.rewards;
    if (isOurs) this.#take({ ...event, policy: this.progress.policy });
  }

  /** Show what the link in the address is about, once. */
  async #openLink() {
    if (!this.code || !this.#isOld) return;
    const isFirst = !this.#opened;
    try {
      this.#opened = await this.client.rpc('share.open', { code: this.code });
      this.#isOld = false;
    } catch (error) {
      if (error.kind === 'reply' && !TRY_AGAIN.has(error.code)) this.code = ''; // else ask next time
      return;
    }
    const { inviter, markups, target, comment } = this.#opened;
    this.state.setMarkups(markups ?? {});
    if (!isFirst) return;
    if (inviter) toast(t('share.welcome', { name: inviter }));
    if (comment) this.#quote(comment);
    if (target.kind === 'product') this.openProduct(target.id);
  }

  #quote({ id, name, text }) {
    const place = byId('shared');
    const words = make('p', { dir: 'auto' }, make('bdi', { class: 'name', text: name }), make('bdi', { text }));
    const close = button({ icon: 'close', label: t('share.quote.close'), class: 'icon-button' }, () => show(place, false));
    place.replaceChildren(icon('share'), make('span', { class: 'only-read', text: t('share.quote') }), words, close);
    show(place, true);
    const row = byId('stream').querySelector(`[data-id="${CSS.escape(id)}"]`);
    row?.classList.add('quoted-row');
    row?.scrollIntoView({ block: 'center' });
  }
}

let looks = null;

/** The stylesheet of the sheets, once; asked for again when it did not come. */
function loadLooks() {
  looks ??= new Promise((resolve, reject) => {
    const link = make('link', { rel: 'stylesheet', href: LOOKS, on: { load: resolve, error: reject } });
    document.head.append(link);
  }).catch((error) => {
    looks = null;
    throw error;
  });
  return looks;
}
