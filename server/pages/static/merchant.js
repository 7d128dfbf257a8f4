/** The merchant desk: signs in, follows the address, and shows one view at a time. */

import { byId, make, show } from './dom.js';
import { languageSwitch, onLanguage, t, translate } from './i18n.js';
import { DeskApi, failureWords } from './merchant-api.js';
import { openBooks } from './merchant-books.js';
import { openDraft } from './merchant-draft.js';
import { mountLoaded } from './merchant-load.js';
import { MERCHANT_MESSAGES } from './merchant-messages.js';
import { openOrders } from './merchant-orders.js';
import { openProducts } from './merchant-products.js';
import { openRooms } from './merchant-rooms.js';
import { groupOf, hashOf, personOf, placeOf, tabOf } from './merchant-rules.js';
import { openSale } from './merchant-sale.js';
import { openSales } from './merchant-sales.js';
import { LANGUAGES, MESSAGES } from './messages.js';
import { HttpError, keepSession, keptSession, tokenFromAddress } from './session.js';
import { tabStorage } from './storage.js';

for (const language of LANGUAGES) Object.assign(MESSAGES[language], MERCHANT_MESSAGES[language]);

const KEPT = 'live.desk';
const VIEWS = {
  rooms: openRooms,
  products: openProducts,
  sales: (place, desk, route) => (route.id ? openSale : openSales)(place, desk, route),
  draft: openDraft,
  orders: openOrders,
  books: openBooks,
};
/** The other views, once their files are here, and how these come. */
const later = {};
const loadSharing = async () => (await import('./merchant-sharing.js')).SHARING_VIEWS;
const loadRehearsing = async () => (await import('./merchant-rehearsing.js')).REHEARSAL_VIEWS;

/** What views get: the API with this merchant's token, and the way to other views. */
let desk = null;
let now = { view: null, place: null };

/** Go to a place; the view follows the address. */
function go(view, id = '', filters = {}) {
  const hash = hashOf(view, id, filters);
  if (location.hash !== hash) location.hash = hash;
}

/** Show what the address says. `anew`: also when it is shown already, as after a new language. */
function follow({ anew = false } = {}) {
  if (!desk) return;
  const place = placeOf(location.hash);
  const isSame = now.place?.view === place.view;
  if (!anew && isSame && now.view.move?.(place)) {
    now.place = place;
    return;
  }
  now.view?.close();
  const isFirst = now.place === null;
  now = { place, view: openView(byId('view'), place) };
  markTabs(place.view);
  document.title = `${t(`merchant.nav.${tabOf(place.view)}`)} · ${document.body.dataset.brand}`;
  if (isFirst || anew) return;
  window.scrollTo(0, 0);
  focusHead();
}

/** A reader hears where it is now. */
const focusHead = () => (byId('view').querySelector('h1') ?? byId('view')).focus();

function openView(place, route) {
  const open = VIEWS[route.view] ?? later[route.view];
  return open ? open(place, desk, route) : openLater(place, route);
}

/** A view of sharing, visitors or rehearsals: its files come when somebody first goes there. */
function openLater(place, route) {
  let view;
  const body = make('div');
  place.replaceChildren(body);
  const loading = mountLoaded(body, {
    load: async () => {
      try {
        Object.assign(later, await (tabOf(route.view) === 'rehearsals' ? loadRehearsing : loadSharing)());
      } catch (error) {
        throw error instanceof TypeError ? new HttpError(0, String(error)) : error;
      }
    },
    draw: () => {
      view = later[route.view](place, desk, route);
      if (document.activeElement === place) focusHead();
      return [];
    },
    empty: () => null,
  });
  return {
    close: () => (view ?? loading).close(),
    move: (to) => view?.move?.(to) ?? false,
  };
}

/** Light the tab of a view, and show the tabs of its group where there is room for one group. */
function markTabs(view) {
  const [tab, group] = [tabOf(view), groupOf(view)];
  for (const link of document.querySelectorAll('[data-view], [data-group-of]')) {
    const isHere = link.dataset.view === tab || link.dataset.groupOf === group;
    if (isHere) link.setAttribute('aria-current', link.dataset.view ? 'page' : 'true');
    else link.removeAttribute('aria-current');
    if (link.dataset.groupOf === group) link.hash = hashOf(tab); // one comes back to where one was
    if (isHere && link.dataset.view) link.scrollIntoView({ block: 'nearest', inline: 'center' });
  }
  for (const each of document.querySelectorAll('.tab-group')) each.classList.toggle('here', each.dataset.group === group);
}

/** Back to the sign-in card, with why; the token is forgotten. */
function signOut(words) {
  keepSession(KEPT, null, tabStorage());
  desk = null;
  now.view?.close();
  now = { view: null, place: null };
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  byId('view').replaceChildren();
  byId('signin-error').textContent = words;
  show(byId('signin-error'), Boolean(words));
  show(byId('desk'), false);
  show(byId('signin'), true);
  byId('signin-token').focus();
}

/** Ask the server what the token is worth before anything is shown. */
async function signIn(token) {
  byId('signin-go').disabled = true;
  show(byId('signin-error'), false);
  const api = new DeskApi(token, (error) => desk?.api === api && signOut(signInWords(error)));
  try {
    await api.get('/api/v1/rooms', { limit: 1 });
  } catch (error) {
    signOut(signInWords(error));
    if (error.status === 0 || error.status >= 500) byId('signin-token').value = token;
    return;
  } finally {
    byId('signin-go').disabled = false;
  }
  keepSession(KEPT, { token }, tabStorage());
  desk = { api, go };
  byId('my-name').textContent = personOf(token).name;
  show(byId('signin'), false);
  show(byId('desk'), true);
  follow();
}

function signInWords(error) {
  if (!(error instanceof HttpError)) return failureWords(error);
  if (error.status === 401) return t('merchant.signin.expired');
  return error.status === 403 ? t('merchant.signin.notmerchant') : failureWords(error);
}

function wirePage() {
  byId('signin-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const given = byId('signin-token').value.trim();
    byId('signin-token').value = '';
    if (given) signIn(given);
  });
  byId('leave').addEventListener('click', () => signOut(''));
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('view').focus();
  });
  window.addEventListener('hashchange', () => {
    const token = tokenFromAddress(); // a fresh link that was opened in this tab
    if (token) signIn(token);
    else follow();
  });
  languageSwitch(byId('language'));
  languageSwitch(byId('signin-language'));
  onLanguage(() => follow({ anew: true }));
}

translate(document.documentElement);
wirePage();
const token = tokenFromAddress() || keptSession(KEPT, tabStorage())?.token;
if (token) signIn(token);
else show(byId('signin'), true);
