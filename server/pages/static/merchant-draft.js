/** Preparing a sale: where, when, which goods, how many, at what price. Nothing is sold yet. */

import { button, icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { FieldProblem, wireForm } from './merchant-ask.js';
import { goodsFields } from './merchant-draft-goods.js';
import { instantField, selectField, textField, zoneNote } from './merchant-fields.js';
import { emptyCard, mountLoaded } from './merchant-load.js';
import { formatSpan } from './merchant-numbers.js';
import { money, pageHead, unitsOf, variantsOf } from './merchant-parts.js';
import { goodsOf, hashOf } from './merchant-rules.js';
import { roomOptions } from './merchant-sales.js';
import { newId } from './outbox.js';
import { toast } from './sheet.js';

const HOLDS_S = [60, 120, 300, 600, 900, 1800, 3600];
const OFFERS_S = [30, 60, 120, 300, 600];
const HOLD_S = 600;

/** The view of a draft; without an id a new one. Returns `{close}`. */
export function openDraft(place, desk, { id, filters }) {
  return mountLoaded(place, {
    load: async () => {
      const [rooms, products, sale] = await Promise.all([
        desk.api.all('/api/v1/rooms', 'rooms'),
        desk.api.all('/api/v1/products', 'products'),
        id ? desk.api.get(apiPath('sales', id)) : null,
      ]);
      return { rooms, products, sale };
    },
    draw: (found) => drawDraft(found, desk, filters.room),
    empty: () => make('p'),
  });
}

function drawDraft({ rooms, products, sale }, desk, roomWanted) {
  const back = sale ? { href: hashOf('sales', sale.id), words: sale.id } : { href: hashOf('sales'), words: t('merchant.nav.sales') };
  const head = pageHead(t(sale ? 'merchant.draft.edit' : 'merchant.sale.new'), { back, lead: t('merchant.draft.lead') });
  const link = (view) => make('a', { class: 'button', href: hashOf(view), text: t(`merchant.nav.${view}`) });
  if (sale && sale.state !== 'draft') return [head, emptyCard('flash', t('merchant.draft.late'), t('merchant.draft.late.text'))];
  if (!rooms.length && !sale) return [head, emptyCard('rooms', t('merchant.room.none'), t('merchant.draft.noroom'), link('rooms'))];
  if (!products.length) return [head, emptyCard('bag', t('merchant.product.none'), t('merchant.draft.noproduct'), link('products'))];
  return [head, draftForm({ rooms, products, sale, roomWanted, desk })];
}

/** A name that says the day and collides with no other; people may change it. */
function suggestId() {
  const now = new Date();
  const two = (number) => String(number).padStart(2, '0');
  return `sale-${two(now.getMonth() + 1)}${two(now.getDate())}-${newId().slice(0, 5)}`;
}

const spanOptions = (choices, chosen) =>
  [...new Set([...choices, chosen].filter(Boolean))].sort((one, other) => one - other).map((seconds) => [String(seconds), formatSpan(seconds, language)]);

function draftForm({ rooms, products, sale, roomWanted, desk }) {
  const hold = sale?.hold_seconds ?? HOLD_S;
  const offer = sale?.offer_seconds;
  const fields = {
    id: textField({ name: 'id', label: t('merchant.draft.id'), help: t('merchant.draft.id.help'), value: sale?.id ?? suggestId(), required: true, maxlength: 64, spellcheck: 'false', disabled: Boolean(sale) }),
    room: selectField({ name: 'room', label: t('merchant.room.room'), value: sale?.room ?? roomWanted ?? rooms[0]?.id, options: roomOptions(rooms, sale?.room), disabled: Boolean(sale) }),
    starts: instantField({ name: 'starts_at_ms', label: t('merchant.sale.starts'), help: t('merchant.draft.starts.help'), atMs: sale?.starts_at_ms ?? null }),
    ends: instantField({ name: 'ends_at_ms', label: t('merchant.sale.ends'), help: t('merchant.draft.ends.help'), atMs: sale?.ends_at_ms ?? null }),
    hold: selectField({ name: 'hold_seconds', label: t('merchant.sale.hold'), help: t('merchant.draft.hold.help'), value: String(hold), options: spanOptions(HOLDS_S, hold) }),
    offer: selectField({ name: 'offer_seconds', label: t('merchant.draft.offer'), help: t('merchant.draft.offer.help'), value: String(offer ?? ''), options: [['', t('merchant.draft.offer.usual')], ...spanOptions(OFFERS_S, offer)] }),
  };
  const goods = goodsFields(products, sale);
  const total = make('p', { class: 'question', role: 'status' });
  const section = (words, ...rows) => make('section', { class: 'card form-card' }, make('h2', { text: words }), ...rows);
  const pair = (...rows) => make('div', { class: 'form-pair' }, ...rows.map(({ root }) => root));
  const parts = wireForm({
    fields: [
      section(t('merchant.draft.where'), pair(fields.room, fields.id), pair(fields.starts, fields.ends), zoneNote(), pair(fields.hold, fields.offer)),
      section(t('merchant.sale.goods'), goods.root, total),
    ],
    goWords: t('merchant.draft.save'),
    onChange: () => {
      const { skus, units: all, worth } = goodsOf(goods.peek());
      total.classList.toggle('soft', !skus);
      total.textContent = skus ? t('merchant.sale.total', { variants: variantsOf(skus), n: unitsOf(all), worth: money(worth, goods.currency()) }) : t('merchant.draft.nogoods');
    },
    act: () => save(fields, goods, sale, desk),
    onDone: (saved) => {
      toast(t('merchant.draft.saved', { sale: saved.id }));
      desk.go('sales', saved.id);
    },
    cancel: () => desk.go('sales', sale?.id ?? ''),
  });
  return parts.form;
}

function save(fields, goods, sale, desk) {
  const [starts, ends] = [fields.starts.read(), fields.ends.read()];
  if (ends !== null && ends <= Math.max(starts ?? 0, Date.now())) throw new FieldProblem('ends_at_ms', t('merchant.draft.ends.early'));
  const items = goods.read();
  if (!items.length) throw new FieldProblem('add', t('merchant.draft.nogoods'));
  const offer = fields.offer.read();
  const content = {
    starts_at_ms: starts,
    ends_at_ms: ends,
    hold_seconds: Number(fields.hold.read()),
    ...(offer ? { offer_seconds: Number(offer) } : {}),
    items,
  };
  if (sale) return desk.api.patch(apiPath('sales', sale.id), content);
  return desk.api.post('/api/v1/sales', { id: fields.id.read(), room: fields.room.read(), currency: goods.currency(), ...content });
}
