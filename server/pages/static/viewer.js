/** The viewer page: one room, watched, liked and talked about. Builds the parts and joins them. */

import { Composer } from './composer.js';
import { CommentList, announceComments } from './comment-list.js';
import { commentRow, openComment, pendingRow, showLikes } from './comment-row.js';
import { byId, isBusyTyping, show } from './dom.js';
import { formatCount } from './format.js';
import { mountHearts } from './hearts.js';
import { language, languageSwitch, onLanguage, t, translate } from './i18n.js';
import { LiveClient } from './live-client.js';
import { NameDialog } from './name-dialog.js';
import { Outbox } from './outbox.js';
import { mountProducts } from './products.js';
import { moderationFromError, moderationWords, refusalWords } from './refusals.js';
import { drawPinnedComment, drawRoomHead } from './room-head.js';
import { RoomState } from './room-state.js';
import { mountSales } from './sale-desk.js';
import { phaseOf } from './sale-rules.js';
import { ServerClock } from './server-clock.js';
import { keepSession, keptSession, roleIn, socketAddress, tokenFromAddress } from './session.js';
import { ShareDesk } from './share-desk.js';
import { toast } from './sheet.js';
import { mountStage } from './stage.js';
import { mountStatus } from './status.js';
import { tabStorage } from './storage.js';
import { mountVisit } from './visit-page.js';

const KEPT = 'live.viewer';
const INVALID_TOKEN = 3500;
const REFUSED = new Set([400, 403, 409, 422]); // this name, or any guest: asking again is no use

const page = document.body.dataset;
const room = page.room;
const state = new RoomState();
const liked = new Set();
let me = {};
let moderation = null;
let session = openingSession();

const client = new LiveClient(socketAddress(), {
  token: session?.token ?? '',
  getToken: renewToken,
});
const subscription = client.subscribe(`room:${room}`);
const clock = new ServerClock({ ask: () => client.rpc('time.now') });
const visit = mountVisit({ client, subscription, room, share: page.share ?? '', clock });
const outbox = new Outbox({
  storage: tabStorage(),
  key: `live.outbox.${room}`,
  send: ({ text, replyTo, cid }) =>
    client.rpc('comment.send', { room, text, cid, ...(replyTo ? { reply_to: replyTo } : {}) }),
});

/** A token in the link wins over a kept one, and is kept. */
function openingSession() {
  const token = tokenFromAddress();
  if (token === null) return keptSession(KEPT);
  const fresh = token ? { token, guest: false } : null;
  keepSession(KEPT, fresh);
  return fresh;
}

/**
 * The token has run out: a guest takes the name again, anybody else goes on watching. Rejects when
 * the server could not be asked, so that it is asked again.
 */
async function renewToken() {
  if (session?.guest && session.name) {
    try {
      return await names.renew(session.name);
    } catch (error) {
      if (!REFUSED.has(error.status)) throw error;
    }
  }
  endSession();
  return '';
}

function endSession() {
  session = null;
  keepSession(KEPT, null);
  toast(t('session.over'));
}

const isMine = (comment) => Boolean(me.user) && comment.user === me.user;

const names = new NameDialog({
  mayAsk: page.guests === 'yes',
  onGuest: (guest) => {
    session = { ...guest, guest: true };
    keepSession(KEPT, session);
  },
});

const context = () => ({
  moderation: currentModeration(),
  language,
  exempt: roleIn(me, room) !== 'viewer',
  isSomebody: Boolean(me.user || session),
  canSpeak: Boolean(me.user || session) || page.guests === 'yes',
});

function currentModeration() {
  const over = moderation?.until_ms && moderation.until_ms <= Date.now();
  return over ? null : moderation;
}

/** Ask for a name, connect with it, and then do what was wanted. */
function askName(then) {
  names.ask((guest) => {
    client.setToken(guest.token);
    then?.();
  });
}

outbox.on('refused', ({ error }) => {
  const learnt = moderationFromError(error);
  if (learnt) moderation = { ...learnt, reason: moderation?.reason ?? '' };
});

const composer = new Composer({ outbox, state, context, askName });

const list = new CommentList({
  state,
  outbox,
  list: byId('stream'),
  pill: byId('newer'),
  empty: byId('stream-empty'),
  isMine,
  showLikes,
  makeRow: (comment) => commentRow(comment, { state, mine: isMine(comment), onPress: pressComment }),
  makePending: (item) =>
    pendingRow(item, {
      name: me.name,
      onRetry: () => outbox.retry(item.cid),
      onDiscard: () => outbox.discard(item.cid),
    }),
});

function pressComment(comment) {
  openComment(comment, {
    count: state.commentLikes.get(comment.id) ?? 0,
    liked: liked.has(comment.id),
    onReply: () => composer.replyTo(comment),
    onLike: () => likeComment(comment),
    onShare: () => sharing.share({ kind: 'comment', comment }),
  });
}

async function likeComment(comment) {
  if (!me.user && page.guests === 'yes') {
    askName(() => whenSubscribed(() => likeComment(comment)));
    return;
  }
  try {
    const { likes } = await client.rpc('comment.like', { room, id: comment.id });
    liked.add(comment.id);
    state.count({ [comment.id]: likes });
  } catch (error) {
    toast(refusalWords(error, context()), 'bad');
  }
}

/** A link leads to this product: to its sale while there is one, else to its page. */
function openShared(id) {
  const runs = (sale) => phaseOf(sale, clock.now()) !== 'closed';
  const sale = state.sales.find((one) => runs(one) && one.items.some(({ product }) => product === id));
  const product = state.shelf.find((one) => one.id === id);
  if (sale) sales.openSale(sale.id, id);
  else if (product) products.open(product);
}

function whenSubscribed(act) {
  const stop = subscription.on('subscribed', () => {
    stop();
    act();
  });
}

function drawHead() {
  drawRoomHead(state.room, page.brand);
  show(byId('viewers'), state.ready);
  byId('viewer-count').textContent = formatCount(state.viewers, language);
}

function drawLikes(total) {
  byId('like-total').textContent = t('likes.total', { n: formatCount(total, language) });
}

function drawNotice() {
  show(byId('notice'), Boolean(state.notice));
  byId('notice-text').textContent = state.notice ?? '';
}

function draw() {
  drawHead();
  drawNotice();
  drawPinnedComment(state.pinnedComment);
  composer.draw();
}

function wireConnection() {
  client.on('connected', ({ data }) => {
    const isSame = me.user === data?.user;
    me = data ?? {};
    if (!isSame) list.redraw(); // other comments are ours now
    composer.draw();
  });
  subscription.on('subscribed', ({ data, recovered }) => {
    if (moderation?.action === 'banned') moderation = null; // the door was opened again
    delete byId('room').dataset.gone;
    state.restore(data, recovered);
    composer.draw();
  });
  subscription.on('publication', ({ data }) => {
    if (data.t === 'comment' && isMine(data) && !data.removed) outbox.saw(data);
    state.apply(data);
  });
  // What was missed is applied by now: only then is it clear what still has to be sent.
  subscription.on('subscribed', () => setTimeout(() => outbox.flush({ again: Boolean(me.user) })));
  subscription.on('unsubscribed', ({ code, reason }) => closedRoom(code, reason));
  client.on('publication', ({ data }) => {
    if (data?.t !== 'moderation' || data.room !== room) return;
    moderation = ['muted', 'banned'].includes(data.action) ? data : null;
    toast(moderationWords(data, language) || t('moderation.lifted'), moderation ? 'bad' : 'info');
    composer.draw();
  });
  client.on('state', ({ state: name, code }) => {
    if (name !== 'closed' || code !== INVALID_TOKEN || !session) return;
    endSession(); // such as a token from before the shop changed its key: go on as a guest
    client.setToken('');
  });
}

function closedRoom(code, reason) {
  const banned = code === 2101 || (code === 403 && moderation?.action === 'banned');
  const unknown = code === 102 || code === 404;
  const key = banned ? 'closed.banned' : unknown ? 'closed.unknown' : 'closed.other';
  client.disconnect();
  byId('room').dataset.gone = 'yes';
  sayClosed(() => t(key, { reason }));
}

function enterAgain() {
  client.subscribe(subscription.channel);
  client.connect();
}

function wireKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isBusyTyping(event.target)) return;
    if (event.key === 'l' || event.key === 'L') byId('like').click();
    if (event.key === 's' || event.key === 'S') byId('share').click();
    if (event.key === '/') {
      event.preventDefault();
      byId('comment-text').focus();
    }
  });
  document.addEventListener('visibilitychange', () => document.hidden || client.wake());
  addEventListener('pageshow', (event) => event.persisted && client.wake());
}

translate(document.documentElement);
languageSwitch(byId('language'));
mountStage(state);
const sayClosed = mountStatus(client, enterAgain);
const sharing = new ShareDesk({
  client,
  subscription,
  state,
  room,
  brand: page.brand,
  logo: page.logo,
  code: page.share ?? '',
  askName,
  whenSubscribed,
  isSomebody: () => Boolean(me.user),
  explain: (error) => refusalWords(error, context()),
  openProduct: openShared,
});
const onShare = (product) => sharing.share({ kind: 'product', product });
const products = mountProducts(state, { visit, onShare });
mountHearts({
  client,
  state,
  onTotal: drawLikes,
  onRefused: (error) => toast(refusalWords(error, context()), 'bad'),
  send: (n) => client.rpc('like.add', { room, n }),
});
announceComments(state, isMine);
const sales = mountSales({
  client,
  subscription,
  state,
  room,
  clock,
  visit,
  storage: tabStorage(),
  pays: page.pays === 'yes',
  askName: () => askName(),
  explain: (error) => refusalWords(error, context()),
  onShare,
  shareFor: (skus) => sharing.codeFor(skus),
  hasRewards: () => sharing.rewards,
  openRewards: () => sharing.openRewards('rewards'),
});
for (const part of ['reset', 'room', 'viewers']) state.on(part, drawHead);
for (const part of ['reset', 'notice']) state.on(part, drawNotice);
for (const part of ['reset', 'pinnedComment']) {
  state.on(part, () => drawPinnedComment(state.pinnedComment));
}
onLanguage(() => {
  draw();
  drawLikes(state.likes);
});
drawHead();
drawLikes(0);
wireConnection();
wireKeys();
client.connect();
