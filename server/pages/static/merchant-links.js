/** Campaign links: one for each channel, campaign or employee, as an address and as a QR code. */

import { button, icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { openForm } from './merchant-ask.js';
import { selectField, textField } from './merchant-fields.js';
import { copyButton } from './merchant-files.js';
import { emptyList, mountFilters, roomField } from './merchant-filters.js';
import { emptyCard, mountList } from './merchant-load.js';
import { channelName, code, facts, instant, pageHead } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';
import { roomOptions } from './merchant-sales.js';
import { makeSheet } from './sheet.js';
import { sitePath } from './site.js';

const LABEL_CHARS_MAX = 64;
const ID_CHARS_MAX = 255;
let policies = null;

/** The view of all links. Returns `{close}`. */
export function openLinks(place, desk, { filters }) {
  const body = make('div');
  const bar = make('div');
  const create = () => button({ icon: 'plus', text: t('merchant.link.new'), class: 'button', 'data-key': 'new' }, () => newLink(desk, filters.room).then((link) => {
    if (!link) return;
    list.refresh();
    showLink(link, desk);
  }));
  place.replaceChildren(pageHead(t('merchant.nav.links'), { lead: t('merchant.link.lead'), tools: [create()] }), bar, body);
  mountFilters(bar, desk, (rooms) => [
    roomField(rooms, filters.room),
    textField({ name: 'campaign', label: t('merchant.campaign'), value: filters.campaign ?? '', maxlength: LABEL_CHARS_MAX, enterkeyhint: 'search' }),
  ], (chosen) => desk.go('links', '', chosen));
  const list = mountList(body, {
    label: t('merchant.nav.links'),
    page: (after) => desk.api.page('/api/v1/links', 'links', filters, after),
    empty: () => emptyList('link', 'links', filters, () => emptyCard('link', t('merchant.link.none'), t('merchant.link.none.text'), create())),
    columns: [
      { name: t('merchant.channel'), cell: (link) => make('div', { class: 'two-lines' }, make('b', { text: channelName(link.channel) }), make('small', { class: 'soft', text: t('merchant.sale.in', { room: link.room }) })) },
      { name: t('merchant.campaign'), cell: (link) => text(link.campaign) },
      { name: t('merchant.staff'), cell: (link) => text(link.staff) },
      { name: t('merchant.inviter'), cell: (link) => text(link.inviter) },
      { name: t('merchant.link.made'), look: 'fixed', cell: (link) => instant(link.created_at_ms) },
      { name: t('merchant.acts'), look: 'acts', cell: (link) => make('div', { class: 'row-acts' }, button({ icon: 'qr', text: t('merchant.link.show'), class: 'button quiet small', 'data-key': link.code }, () => showLink(link, desk))) },
    ],
  });
  return list;
}

const text = (words) => (words ? make('span', { text: words, dir: 'auto' }) : make('span', { class: 'soft', text: '–' }));

async function newLink(desk, roomWanted) {
  const [rooms, table] = await Promise.all([
    desk.api.all('/api/v1/rooms', 'rooms').catch(() => []),
    loadPolicies(desk).catch(() => []),
  ]);
  const channels = table.filter(({ may_share: may }) => may).map(({ channel }) => channel);
  if (!channels.length) channels.push('other');
  const room = selectField({ name: 'room', label: t('merchant.room.room'), value: roomWanted ?? rooms[0]?.id, options: roomOptions(rooms, roomWanted) });
  const channel = selectField({ name: 'channel', label: t('merchant.channel'), value: channels.includes('poster') ? 'poster' : channels[0], options: channels.map((each) => [each, channelName(each)]) });
  const why = make('p', { class: 'help', role: 'status' });
  channel.root.append(why);
  const campaign = textField({ name: 'campaign', label: t('merchant.campaign.optional'), help: t('merchant.campaign.help'), maxlength: LABEL_CHARS_MAX });
  const staff = textField({ name: 'staff', label: t('merchant.staff.optional'), help: t('merchant.staff.help'), maxlength: ID_CHARS_MAX });
  const product = selectField({ name: 'product', label: t('merchant.link.opens'), options: [] });
  const drawProducts = (products) => product.input.replaceChildren(...[['', t('merchant.link.opens.room')], ...products.map(({ id, title }) => [id, title])].map(([value, words]) => make('option', { value, text: words })));
  const loadProducts = () => {
    drawProducts([]);
    const wanted = room.read();
    if (wanted) desk.api.get(apiPath('rooms', wanted, 'shelf')).then(({ products }) => wanted === room.read() && drawProducts(products), () => {});
  };
  room.input.addEventListener('change', loadProducts);
  loadProducts();
  return openForm({
    title: t('merchant.link.new'),
    fields: [room.root, channel.root, campaign.root, staff.root, product.root],
    goWords: t('merchant.link.create'),
    onChange: () => {
      why.textContent = table.find((each) => each.channel === channel.read())?.why[language] ?? '';
    },
    act: () => desk.api.post('/api/v1/links', onlySet({ room: room.read(), channel: channel.read(), campaign: campaign.read(), staff: staff.read(), product: product.read() })),
    done: () => t('merchant.link.created'),
  });
}

const onlySet = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));

async function loadPolicies(desk) {
  policies ??= (await desk.api.get('/api/v1/policies')).policies;
  return policies;
}

/** One link in whole: its code to scan, its address to copy, and what its channel allows. */
function showLink(link, desk) {
  const address = make('input', { class: 'field', type: 'text', readonly: true, value: link.url, 'aria-label': t('merchant.link.address') });
  address.addEventListener('focus', () => address.select());
  const picture = make('img', { class: 'qr', src: sitePath(`/s/${link.code}/qr.svg`), alt: t('merchant.link.qr'), width: 232, height: 232 });
  const file = make('a', { class: 'button quiet', href: sitePath(`/s/${link.code}/qr.png`), download: `qr-${link.channel}-${link.code}.png` }, icon('download'), make('span', { text: t('merchant.link.png') }));
  const rule = make('p', { class: 'help', role: 'status' });
  loadPolicies(desk).then((table) => {
    rule.textContent = table.find(({ channel }) => channel === link.channel)?.why[language] ?? '';
  }, () => {});
  const report = make('a', { class: 'link', href: hashOf('sources', '', { room: link.room, by: reportBy(link) }), text: t('merchant.link.report') });
  const dialog = makeSheet(
    { title: t('merchant.link.link') },
    make('div', { class: 'qr-frame' }, picture),
    make('div', { class: 'copy-row' }, address, copyButton(t('merchant.copy'), address)),
    rule,
    facts([
      [t('merchant.room.room'), code(link.room)],
      [t('merchant.channel'), channelName(link.channel)],
      link.campaign ? [t('merchant.campaign'), link.campaign] : null,
      link.staff ? [t('merchant.staff'), link.staff] : null,
      link.inviter ? [t('merchant.inviter'), link.inviter] : null,
    ]),
    make('div', { class: 'actions' }, report, file),
  );
  report.addEventListener('click', () => dialog.close());
}

function reportBy({ campaign, staff }) {
  if (staff) return 'staff';
  return campaign ? 'campaign' : 'channel';
}
