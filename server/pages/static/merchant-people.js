/** One person: what they earned and hold, what they visited, and their statement as a file. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { commissionColumns } from './merchant-commissions.js';
import { textField } from './merchant-fields.js';
import { saveButton } from './merchant-files.js';
import { sectionBar } from './merchant-filters.js';
import { emptyCard, mountList, mountLoaded } from './merchant-load.js';
import { money, pageHead, units } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';
import { visitColumns } from './merchant-visits.js';

const SECTIONS = { visits: openTheirVisits, commissions: openTheirCommissions };

/** The view of one person; without an id a question for one. Returns `{close}`. */
export function openPeople(place, desk, { id, filters }) {
  if (!id) return askWho(place, desk);
  const show = SECTIONS[filters.show] ? filters.show : '';
  const sections = [['', t('merchant.person.account')], ['visits', t('merchant.nav.visits')], ['commissions', t('merchant.nav.commissions')]];
  const file = saveButton(t('merchant.person.statement'), (name) => desk.api.save(`${apiPath('statements', id)}.csv`, {}, name), `statement-${id}.csv`);
  const body = make('div', { class: 'section-body' });
  place.replaceChildren(
    pageHead(id, { back: { href: hashOf('people'), words: t('merchant.nav.people') }, tools: [file] }),
    sectionBar(sections, show, (each) => hashOf('people', id, { show: each })),
    body,
  );
  return (SECTIONS[show] ?? openAccount)(body, desk, id);
}

function askWho(place, desk) {
  const who = textField({ name: 'user', label: t('merchant.person.id'), help: t('merchant.person.id.help'), maxlength: 255, spellcheck: 'false', enterkeyhint: 'search' });
  const form = make('form', { class: 'card form-card find', role: 'search' }, who.root, make('div', { class: 'actions' }, make('button', { type: 'submit', class: 'button' }, icon('person'), make('span', { text: t('merchant.person.find') }))));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (who.read()) desk.go('people', who.read());
    else who.input.focus();
  });
  place.replaceChildren(pageHead(t('merchant.nav.people'), { lead: t('merchant.person.lead') }), form);
  return { close() {} };
}

const UNIT_POINTS = 'points';
const amountOf = (value, unit) => (unit === UNIT_POINTS ? t('merchant.points', { n: units(value) }) : money(value, unit));

function openAccount(place, desk, user) {
  return mountLoaded(place, {
    load: () => desk.api.get(apiPath('accounts', user)),
    draw: (account) => (account.balances.length ? [balanceCards(account.balances)] : null),
    empty: () => emptyCard('coins', t('merchant.account.none'), t('merchant.account.none.text')),
  });
}

const balanceCards = (balances) =>
  make('ul', { class: 'goods' }, ...balances.map(({ account, unit, balance }) => make('li', { class: 'card', data: { account, unit } }, make('p', { class: 'soft', text: t(`merchant.account.${account}`) }), make('strong', { class: 'balance tabular', text: amountOf(balance, unit) }))));

function openTheirVisits(place, desk, user) {
  return mountList(place, {
    label: t('merchant.nav.visits'),
    page: (after) => desk.api.page(apiPath('people', user, 'visits'), 'visits', {}, after),
    empty: () => emptyCard('eye', t('merchant.visit.none'), t('merchant.person.novisits')),
    columns: visitColumns(),
  });
}

function openTheirCommissions(place, desk, user) {
  return mountList(place, {
    label: t('merchant.nav.commissions'),
    page: (after) => desk.api.page('/api/v1/commissions', 'commissions', { user }, after),
    empty: () => emptyCard('coins', t('merchant.commission.none'), t('merchant.person.nocommissions')),
    columns: commissionColumns(),
  });
}
