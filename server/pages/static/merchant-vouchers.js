/** Handing a gift over: a voucher's code is taken, once, and says what to give. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { FieldProblem, wireForm } from './merchant-ask.js';
import { textField } from './merchant-fields.js';
import { deskLink, facts, instant, pageHead } from './merchant-parts.js';
import { cleanCode } from './merchant-reward-rules.js';
import { newId } from './outbox.js';
import { toast } from './sheet.js';

const CODE = /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/;

/** The view at the till. Returns `{close}`. */
export function openVouchers(place, desk) {
  const result = make('div', { role: 'status' });
  const body = make('div', { class: 'till' });
  const draw = () => {
    body.replaceChildren(redeemForm(desk, { onDone, cancel: draw }));
    body.querySelector('input').focus();
  };
  const onDone = (answer) => {
    result.replaceChildren(handedOver(answer));
    toast(t('merchant.voucher.done'));
    draw();
  };
  place.replaceChildren(pageHead(t('merchant.nav.vouchers'), { lead: t('merchant.voucher.lead') }), body, result);
  draw();
  return { close() {} };
}

function redeemForm(desk, { onDone, cancel }) {
  const code = textField({ name: 'code', label: t('merchant.voucher.code'), help: t('merchant.voucher.help'), required: true, maxlength: 64, spellcheck: 'false', class: 'field mono-code', placeholder: 'XXXX-XXXX-XXXX', enterkeyhint: 'go' });
  const sent = new Map(); // one id per code: pressing again after a lost answer hands over once
  const parts = wireForm({
    fields: [code.root],
    goWords: t('merchant.voucher.go'),
    act: () => {
      const text = cleanCode(code.read());
      code.input.value = text;
      if (!CODE.test(text)) throw new FieldProblem('code', t('merchant.voucher.wrong'));
      if (!sent.has(text)) sent.set(text, newId());
      return desk.api.post('/api/v1/vouchers/redeem', { code: text, request_id: sent.get(text) });
    },
    onDone,
    cancel,
  });
  parts.form.classList.add('card', 'form-card');
  return parts.form;
}

const handedOver = ({ grant, ladder }) =>
  make(
    'section',
    { class: 'verdict', data: { verdict: 'agree' } },
    make('span', { class: 'verdict-mark' }, icon('check')),
    make('div', { class: 'two-lines' }, make('h2', { text: t('merchant.voucher.give', { title: grant.title }) }), make('p', { text: t('merchant.voucher.once') })),
    facts([
      [t('merchant.arrival.who'), deskLink(grant.user, 'people', grant.user)],
      [t('merchant.ladder.ladder'), deskLink(ladder, 'ladders', ladder, { show: 'grants' })],
      [t('merchant.order.when'), instant(grant.done_at_ms)],
    ]),
  );
