/** The sheet where somebody shares the room, a product or a comment. */

import { button, icon, make, picture, show, write } from './dom.js';
import { language, t } from './i18n.js';
import { copyText } from './share-copy.js';
import { MarkupForm } from './share-markup.js';
import { openPoster } from './share-poster.js';
import { makeSheet, toast } from './sheet.js';

const CHANNELS = ['copy', 'wechat', 'weibo', 'douyin', 'xiaohongshu', 'sms'];

/**
 * One open sheet about `what` (see `ShareDesk.share`); `onClose` when it is gone. A link is made
 * for the channel that is chosen, for rules and rewards differ between them.
 */
export class ShareSheet {
  #links = new Map();
  #channel = 'copy';
  #link = null;
  #turn = 0;
  #asked = 0;

  constructor(what, desk, onClose) {
    this.what = what;
    this.desk = desk;
    this.markup = new MarkupForm({ desk, onTyping: () => this.#forget(), onChange: () => this.#choose(this.#channel) });
    this.#build();
    this.dialog = makeSheet(
      { title: t(`share.title.${what.kind}`), look: 'share-sheet' },
      this.card, this.reward, this.channels, this.markup.element, this.draft, this.wrong, this.why, this.acts,
    );
    this.dialog.addEventListener('close', onClose);
    this.progressed();
    this.#choose('');
  }

  /** How far this person has come has changed. */
  progressed() {
    const { valid, tiers = [] } = this.desk.progress ?? {};
    const next = tiers.find(({ needs }) => needs > valid);
    show(this.reward, Boolean(this.desk.ladder));
    const words = next ? t('share.ladder.next', { n: next.needs - valid, title: next.title }) : t('share.ladder.done');
    write(this.reward.children[1], words);
  }

  #build() {
    const { product, comment } = this.what;
    const { state, brand } = this.desk;
    const title = product?.title ?? (state.room.title || brand);
    const words = comment
      ? make('blockquote', { class: 'share-quote', dir: 'auto' }, make('bdi', { class: 'name', text: comment.name }), make('bdi', { text: comment.text }))
      : make('span', { class: 'soft', text: brand });
    this.card = make(
      'div',
      { class: 'share-card' },
      product ? make('span', { class: 'product-picture' }, picture(product.image_url)) : null,
      make('div', { class: 'product-words' }, make('span', { class: 'product-title', text: title, dir: 'auto' }), words),
    );
    this.reward = make(
      'button',
      { type: 'button', class: 'share-reward', on: { click: () => this.#openRewards() } },
      icon('gift'), make('span'), icon('chevron'),
    );
    this.channels = make(
      'fieldset',
      { class: 'share-channels' },
      make('legend', { class: 'soft', text: t('share.where') }),
      make('div', { class: 'picks' }, ...CHANNELS.map((channel) => this.#pick(channel))),
    );
    this.text = make('p', { class: 'share-text', dir: 'auto' });
    this.other = button({ text: t('share.text.other'), class: 'text-button' }, () => this.#nextText());
    this.draft = make('div', { class: 'share-draft' }, this.text, this.other);
    this.wrong = make('div', { class: 'share-wrong', role: 'alert', hidden: true }, make('p', { class: 'field-error' }), button({ text: t('action.retry'), class: 'button quiet wide' }, () => this.#choose(this.#channel)));
    this.copy = button({ icon: 'copy', text: t('share.copy'), class: 'button share-copy' }, () => this.#copy());
    this.poster = button({ icon: 'qr', text: t('share.poster'), class: 'button quiet share-poster' }, () => this.#poster());
    this.system = button({ icon: 'share', text: t('share.system'), class: 'button quiet share-system' }, () => this.#system());
    show(this.system, typeof navigator.share === 'function');
    this.acts = make('div', { class: 'share-acts' }, this.copy, this.poster, this.system);
    this.why = make('p', { class: 'share-why soft' });
  }

  #pick(channel) {
    const input = make('input', { type: 'radio', name: 'channel', value: channel, checked: channel === this.#channel });
    input.addEventListener('change', () => this.#choose(channel));
    return make('label', { class: 'pick' }, input, make('span', { text: t(`share.channel.${channel}`) }));
  }

  /** Show the link of a channel; '' is the one that fits this browser. */
  async #choose(channel) {
    this.#channel = channel;
    this.#forget();
    if (!this.markup.isRight) return; // its prices are asked for again when they are
    const asked = this.#asked;
    try {
      const link = await this.#linkFor(channel);
      if (asked !== this.#asked) return;
      this.#link = link;
      this.#channel = link.policy.channel;
      this.markup.offer(this.what.product, link.markup_max);
      this.#draw();
    } catch (error) {
      if (asked === this.#asked) this.#draw(this.desk.explain(error));
    }
  }

  /** What was shown is not what is asked for now: nothing can be shared until there is an answer. */
  #forget() {
    this.#link = null;
    this.#asked += 1;
    this.#draw();
  }

  /** The link of a channel, asked for once as long as the answer was a link. */
  #linkFor(channel) {
    const { room, client } = this.desk;
    const { product, comment } = this.what;
    const markups = this.markup.values();
    const body = {
      room,
      ...(channel ? { channel } : {}),
      ...(product ? { product: product.id } : {}),
      ...(comment ? { comment: comment.id } : {}),
      ...(Object.keys(markups).length ? { markups } : {}),
    };
    const key = JSON.stringify(body);
    if (!this.#links.has(key)) {
      const answer = client.rpc('share.create', body);
      this.#links.set(key, answer);
      answer.catch(() => this.#links.delete(key));
    }
    return this.#links.get(key);
  }

  #draw(wrong = '') {
    const link = this.#link;
    const policy = link?.policy;
    const may = policy ? policy.may_share : true;
    for (const input of this.channels.querySelectorAll('input')) input.checked = input.value === this.#channel;
    show(this.wrong, wrong !== '');
    write(this.wrong.firstElementChild, wrong);
    show(this.draft, wrong === '' && may && this.markup.isRight);
    write(this.text, link && may ? this.#words() : t('share.making'));
    show(this.other, Boolean(link) && this.#texts().length > 1);
    for (const press of [this.copy, this.poster, this.system]) press.disabled = !link || !may;
    // Why rewards are given or not is worth saying where there are any to have.
    const tells = policy && (!may || this.desk.ladder);
    write(this.why, tells ? (policy.why?.[language] ?? '') : '');
    show(this.why, this.why.textContent !== '');
    this.dialog?.setAttribute('data-ready', link ? 'yes' : 'no');
  }

  #texts() {
    return this.#link?.texts?.[language] ?? [];
  }

  #words(link = this.#link) {
    const texts = link.texts?.[language] ?? [];
    const text = texts[this.#turn % Math.max(1, texts.length)] ?? '{url}';
    return text.replace('{url}', addressOf(link));
  }

  #nextText() {
    this.#turn += 1;
    this.#draw();
  }

  async #copy() {
    const done = await copyText(this.#words(), this.dialog);
    toast(t(done ? 'share.copied' : 'share.copy.self'), done ? 'info' : 'bad');
  }

  async #system() {
    try {
      const link = await this.#linkFor('system');
      await navigator.share({ title: document.title, text: this.#words(link).replace(addressOf(link), '').trim(), url: addressOf(link) });
    } catch (error) {
      if (error.name !== 'AbortError') toast(error.kind ? this.desk.explain(error) : t('share.system.failed'), 'bad');
    }
  }

  async #poster() {
    this.poster.disabled = true;
    try {
      const { product, comment } = this.what;
      const link = await this.#linkFor(this.#channel === 'copy' ? 'poster' : this.#channel);
      await openPoster({ link, url: addressOf(link), product, comment, desk: this.desk, price: this.markup.priceOf(product) });
    } catch (error) {
      toast(error.kind ? this.desk.explain(error) : t('poster.failed'), 'bad');
    } finally {
      this.poster.disabled = false;
    }
  }

  #openRewards() {
    this.dialog.close();
    this.desk.openRewards();
  }
}

/** The whole address of a link: the server may name it by its path alone. */
export const addressOf = ({ url }) => new URL(url, location.origin).href;
