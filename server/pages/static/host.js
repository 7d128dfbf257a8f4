/** The host console: one room, run from a phone or a desk. Builds the parts and joins them. */

import { askSheet } from './ask-sheet.js';
import { CommentList, announceComments } from './comment-list.js';
import { byId, isBusyTyping, make, show } from './dom.js';
import { logRow, Rate, showLogLikes } from './host-comments.js';
import { Done, drawCounts, focusSlow, mountControls } from './host-controls.js';
import { openModeration } from './host-moderate.js';
import { mountHostSales } from './host-sale.js';
import { mountShelf, shelfKeys, unpinButton } from './host-shelf.js';
import { languageSwitch, onLanguage, t, translate } from './i18n.js';
import { LiveClient } from './live-client.js';
import { newId } from './outbox.js';
import { refusalWords } from './refusals.js';
import { drawPinnedComment, drawRoomHead } from './room-head.js';
import { RoomState } from './room-state.js';
import { callApi, keepSession, keptSession, roleIn, socketAddress, tokenFromAddress } from './session.js';
import { makeSheet, toast } from './sheet.js';
import { closedWords, mountStatus } from './status.js';
import { tabStorage } from './storage.js';

const page = document.body.dataset;
const room = page.room;
const KEPT = `live.host.${room}`;
const COUNT_EVERY_MS = 1000;
const state = new RoomState({ commentsMax: 500 });
const rate = new Rate();
const done = new Done();
let me = {};
let token = openingToken();
let replyTo = null;
let attempt = { text: '', cid: '' };

const client = new LiveClient(socketAddress(), { token });
const subscription = client.subscribe(`room:${room}`);
const role = () => roleIn(me, room);
const isHost = () => ['host', 'merchant'].includes(role());
const isMine = (comment) => Boolean(me.user) && comment.user === me.user;

/** A token in the link wins over the one that this tab has kept. */
function openingToken() {
  const given = tokenFromAddress();
  if (given) keepSession(KEPT, { token: given }, tabStorage());
  return given || keptSession(KEPT, tabStorage())?.token || '';
}

function explain(error) {
  return error.code === 403 || error.status === 403 ? t('error.role', { reason: error.message }) : refusalWords(error);
}

/** Call, and say so when it is refused; resolves true when it was done. */
async function ask(method, data) {
  try {
    await client.rpc(method, { room, ...data });
    return true;
  } catch (error) {
    toast(explain(error), 'bad');
    return false;
  }
}

const pin = (product) => ask('product.pin', { product: product?.id ?? null });

const drawShelf = mountShelf({ state, pin, mayPin: isHost });
const drawControls = mountControls({
  state,
  role,
  acts: {
    slow: (seconds) => ask('room.mode', { slow_seconds: seconds }),
    notice: (text) => ask('room.notice', { text }),
    phase: changePhase,
  },
});

async function changePhase(phase) {
  const title = t('controls.end.title');
  const end = { title, text: t('controls.end.text'), go: t('controls.end.go'), danger: true };
  if (phase === 'ended' && !(await askSheet(end))) return false;
  try {
    await callApi('PATCH', `/api/v1/rooms/${encodeURIComponent(room)}`, { state: phase }, token);
    return true;
  } catch (error) {
    toast(explain(error), 'bad');
    return false;
  }
}

/** Act on a sale; resolves with '' or with why it was not done. */
async function steer(method, data) {
  try {
    const { sale } = await client.rpc(method, data);
    if (sale) state.putSale({ ...sale, sale: sale.id });
    return '';
  } catch (error) {
    return explain(error);
  }
}

/** Sales that were prepared for this room and wait to be armed; none where we may not see them. */
async function drafts() {
  const query = new URLSearchParams({ room, state: 'draft' });
  try {
    return (await callApi('GET', `/api/v1/sales?${query}`, undefined, token)).sales;
  } catch {
    return [];
  }
}

const drawSales = mountHostSales({
  client,
  state,
  steer,
  drafts,
  maySteer: isHost,
  reasonMax: Number(page.reasonMax),
});

const list = new CommentList({
  state,
  list: byId('stream'),
  pill: byId('newer'),
  empty: byId('stream-empty'),
  isMine,
  showLikes: showLogLikes,
  makeRow: (comment) => logRow(comment, { state, mine: isMine(comment), acts: actsOn(comment) }),
});

function actsOn(comment) {
  if (role() === 'viewer') return {};
  const acts = { reply: setReply, pin: ({ id }) => ask('comment.pin', { id }) };
  return isMine(comment) ? acts : { ...acts, moderate };
}

function moderate(comment) {
  const { user, name, id } = comment;
  openModeration(comment, {
    explain,
    reasonMax: Number(page.reasonMax),
    act: async ({ kind, reason, seconds }) => {
      if (kind === 'remove') {
        await client.rpc('comment.remove', { room, id, reason });
      } else if (kind === 'mute') {
        await client.rpc('room.mute', { room, user, seconds, reason });
        done.add({ kind, user, name, seconds }, () =>
          ask('room.mute', { user, seconds: 0, reason: 'lifted' }));
      } else {
        await client.rpc('room.ban', { room, user, reason });
        done.add({ kind, user, name }, () => ask('room.unban', { user }));
      }
      toast(t(`moderate.${kind}.done`, { name }));
    },
  });
}

function setReply(comment) {
  replyTo = comment;
  show(byId('replying'), Boolean(comment));
  if (!comment) return;
  byId('replying-text').textContent = t('reply.to', { name: comment.name, text: comment.text });
  byId('answer-text').focus();
}

async function answer(event) {
  event.preventDefault();
  const text = byId('answer-text').value.trim();
  if (!text) return;
  byId('answer-send').disabled = true;
  // Pressed again after no answer: the same words keep their cid and are accepted once.
  if (attempt.text !== text) attempt = { text, cid: newId() };
  const about = replyTo ? { reply_to: replyTo.id } : {};
  const sent = await ask('comment.send', { ...attempt, ...about });
  byId('answer-send').disabled = false;
  if (!sent) return;
  attempt = { text: '', cid: '' };
  byId('answer-text').value = '';
  setReply(null);
}

function drawHead() {
  drawRoomHead(state.room, page.brand);
  byId('my-role').className = `badge badge-${role()}`;
  byId('my-role').textContent = t(`role.${role()}`);
  byId('my-name').textContent = me.name ?? '';
}

function drawPinned() {
  const tool = role() === 'viewer' ? null : unpinButton(() => ask('comment.pin', { id: null }));
  drawPinnedComment(state.pinnedComment, tool);
}

const LINE = { connected: 'good', closed: 'bad' };

function drawLine({ state: name }) {
  byId('line').dataset.look = LINE[name] ?? 'wait';
  byId('line-words').textContent = t(`line.${LINE[name] ?? 'wait'}`);
}

function signInAgain(words) {
  client.disconnect();
  keepSession(KEPT, null, tabStorage());
  token = '';
  byId('signin-error').textContent = words;
  show(byId('signin-error'), Boolean(words));
  show(byId('room'), false);
  show(byId('signin'), true);
}

function signIn(given) {
  token = given;
  keepSession(KEPT, { token }, tabStorage());
  show(byId('signin'), false);
  show(byId('room'), true);
  client.subscribe(subscription.channel); // again, if it was refused before
  client.setToken(token);
  client.connect();
}

function wireConnection() {
  client.on('connected', ({ data }) => {
    const before = `${me.user} ${role()}`;
    me = data ?? {};
    if (role() === 'viewer') {
      signInAgain(t('signin.notstaff'));
      return;
    }
    drawAll();
    if (before !== `${me.user} ${role()}`) list.redraw(); // what may be done has changed
  });
  client.on('state', (event) => {
    drawLine(event);
    if (event.state === 'closed') signInAgain(closedWords(event));
  });
  subscription.on('subscribed', ({ data, recovered }) => {
    state.restore(data, recovered);
    if (!recovered) rate.restart((data.comments ?? []).map((comment) => comment.at_ms));
  });
  subscription.on('unsubscribed', ({ code, reason }) => {
    const unknown = code === 102 || code === 404;
    signInAgain(unknown ? t('closed.unknown') : t('closed.other', { reason }));
  });
  subscription.on('publication', ({ data }) => {
    if (data.t === 'comment') rate.tick(Date.now());
    state.apply(data);
  });
}

function wirePage() {
  byId('answer').addEventListener('submit', answer);
  byId('replying-cancel').addEventListener('click', () => setReply(null));
  byId('leave').addEventListener('click', () => signInAgain(''));
  byId('help').addEventListener('click', openHelp);
  byId('signin-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const given = byId('signin-token').value.trim();
    byId('signin-token').value = '';
    if (given) signIn(given);
  });
  for (const tab of document.querySelectorAll('.tabs button')) {
    tab.addEventListener('click', () => chooseTab(tab.dataset.tab));
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isBusyTyping(event.target)) return;
    if (event.key === 's' || event.key === 'S') {
      event.preventDefault();
      chooseTab('controls');
      focusSlow();
    }
    if (event.key === '?') openHelp();
  });
  document.addEventListener('visibilitychange', () => document.hidden || client.wake());
}

function chooseTab(name) {
  byId('room').dataset.tab = name;
  for (const tab of document.querySelectorAll('.tabs button')) {
    if (tab.dataset.tab === name) tab.setAttribute('aria-current', 'true');
    else tab.removeAttribute('aria-current');
  }
}

function openHelp() {
  const rows = [...shelfKeys(), ['S', t('help.slow')], ['?', t('help.help')]];
  const keys = rows.map(([key, words]) => make('li', {}, make('kbd', { text: key }), make('span', { text: words })));
  makeSheet({ title: t('help.title'), look: 'small' }, make('ul', { class: 'keys' }, ...keys), make('p', { class: 'soft', text: t('help.typing') }));
}

function drawAll() {
  drawHead();
  drawPinned();
  drawShelf();
  drawControls();
  drawSales();
}

translate(document.documentElement);
languageSwitch(byId('language'));
languageSwitch(byId('signin-language'));
onLanguage(() => {
  drawAll();
  drawLine(client);
});
for (const part of ['reset', 'room']) state.on(part, drawHead);
for (const part of ['reset', 'pinnedComment']) state.on(part, drawPinned);
for (const part of ['reset', 'likes', 'viewers']) state.on(part, () => drawCounts(state, rate.perMinute(Date.now())));
setInterval(() => drawCounts(state, rate.perMinute(Date.now())), COUNT_EVERY_MS);
state.on('removed', (id) => id === replyTo?.id && setReply(null));
announceComments(state, isMine);
mountStatus(client, () => client.connect());
chooseTab('comments');
drawLine(client);
wireConnection();
wirePage();
if (token) signIn(token);
else show(byId('signin'), true);
