import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RoomState } from '../../../server/pages/static/room-state.js';

const comment = (id, more = {}) => ({ t: 'comment', id, user: 'u', name: 'n', role: 'viewer', text: id, at_ms: 1, ...more });
const SNAPSHOT = {
  room: { id: 'demo', title: 'T', stream_url: '', state: 'live' },
  pinned: { id: 'p1' },
  pinned_comment: comment('c1'),
  notice: { text: 'hello' },
  mode: { slow_seconds: 5 },
  shelf: [{ id: 'p1' }],
  likes: { total: 7 },
  viewers: { count: 3 },
  comments: [comment('c1'), comment('c2')],
  comment_likes: { c1: 2 },
};

function makeState(options) {
  const state = new RoomState(options);
  const heard = [];
  for (const name of ['reset', 'comment', 'removed', 'counted', 'trimmed', 'heartbeat', 'room', 'pinned', 'pinnedComment', 'notice', 'slowSeconds', 'shelf', 'likes', 'viewers', 'sales', 'ordered']) {
    state.on(name, (detail) => heard.push([name, detail]));
  }
  return { state, heard };
}
const ids = (state) => [...state.comments.keys()];

test('a snapshot sets every part', () => {
  const { state, heard } = makeState();
  state.restore(SNAPSHOT, false);
  assert.deepEqual(ids(state), ['c1', 'c2']);
  assert.equal(state.notice, 'hello');
  assert.equal(state.slowSeconds, 5);
  assert.equal(state.likes, 7);
  assert.equal(state.viewers, 3);
  assert.equal(state.pinned.id, 'p1');
  assert.equal(state.pinnedComment.id, 'c1');
  assert.equal(state.commentLikes.get('c1'), 2);
  assert.deepEqual(heard, [['reset', { recovered: false }]]);
});

test('an empty room is a room', () => {
  const { state } = makeState();
  state.restore({ room: { id: 'r', title: '', stream_url: '', state: 'scheduled' } }, false);
  assert.deepEqual([state.notice, state.pinned, state.likes, ids(state).length, state.ready], [null, null, 0, 0, true]);
});

test('a recovered snapshot keeps the comments we hold and refreshes the rest', () => {
  const { state } = makeState();
  state.restore(SNAPSHOT, false);
  state.apply(comment('c3'));
  state.restore({ ...SNAPSHOT, likes: { total: 9 }, pinned: null, comments: [comment('c3')] }, true);
  assert.deepEqual(ids(state), ['c1', 'c2', 'c3']);
  assert.deepEqual([state.likes, state.pinned], [9, null]);
});

test('a snapshot that was not recovered replaces the comments', () => {
  const { state } = makeState();
  state.restore(SNAPSHOT, false);
  state.restore({ ...SNAPSHOT, comments: [comment('c9')] }, false);
  assert.deepEqual(ids(state), ['c9']);
});

test('a comment is added once', () => {
  const { state, heard } = makeState();
  state.apply(comment('c1'));
  state.apply(comment('c1'));
  assert.equal(heard.filter(([name]) => name === 'comment').length, 1);
});

test('a removed comment leaves a tombstone without its text, and is unpinned', () => {
  const { state, heard } = makeState();
  state.restore(SNAPSHOT, false);
  state.apply({ t: 'comment.removed', id: 'c1', reason: 'spam' });
  const gone = state.comments.get('c1');
  assert.deepEqual([gone.removed, gone.reason, gone.text], [true, 'spam', undefined]);
  assert.equal(state.pinnedComment, null);
  assert.deepEqual(ids(state), ['c1', 'c2']);
  state.apply({ t: 'comment.removed', id: 'c1', reason: 'spam' });
  state.apply({ t: 'comment.removed', id: 'unknown', reason: 'spam' });
  assert.equal(heard.filter(([name]) => name === 'removed').length, 1);
});

test('State and Pulse events set their part and tell about it', () => {
  const { state, heard } = makeState();
  for (const event of [
    { t: 'product.pinned', product: { id: 'p2' } },
    { t: 'product.unpinned' },
    { t: 'comment.pinned', comment: comment('c5') },
    { t: 'comment.pinned', comment: null },
    { t: 'notice', text: 'n' },
    { t: 'notice', text: null },
    { t: 'room.mode', slow_seconds: 30 },
    { t: 'room.info', title: 'New', stream_url: 'https://x/y.m3u8' },
    { t: 'room.state', state: 'ended' },
    { t: 'shelf', products: [{ id: 'p9' }] },
    { t: 'viewers', count: 12 },
    { t: 'likes', total: 20, delta: 4 },
  ]) state.apply(event);
  assert.deepEqual(
    heard.map(([name]) => name),
    ['pinned', 'pinned', 'pinnedComment', 'pinnedComment', 'notice', 'notice', 'slowSeconds', 'room', 'room', 'shelf', 'viewers', 'likes', 'heartbeat'],
  );
  assert.deepEqual(state.room, { id: '', title: 'New', stream_url: 'https://x/y.m3u8', state: 'ended' });
  assert.deepEqual([state.slowSeconds, state.viewers, state.likes, state.shelf[0].id], [30, 12, 20, 'p9']);
});

test('likes of comments are kept for comments that are there', () => {
  const { state, heard } = makeState();
  state.restore(SNAPSHOT, false);
  state.apply({ t: 'comment.likes', counts: { c2: 4, gone: 9 } });
  assert.equal(state.commentLikes.get('c2'), 4);
  assert.equal(state.commentLikes.has('gone'), false);
  assert.deepEqual(heard.at(-1), ['counted', ['c2']]);
});

test('an event of a later server changes nothing', () => {
  const { state, heard } = makeState();
  state.apply({ t: 'share.ranking', top: [] });
  state.apply({ t: 'constructor' });
  state.apply({ t: '__proto__' });
  assert.deepEqual(heard, []);
});

test('the oldest comments are let go at the bound', () => {
  const { state, heard } = makeState({ commentsMax: 3 });
  for (const id of ['a', 'b', 'c', 'd', 'e']) state.apply(comment(id));
  assert.deepEqual(ids(state), ['c', 'd', 'e']);
  assert.deepEqual(heard.filter(([name]) => name === 'trimmed').map(([, gone]) => gone), [['a'], ['b']]);
});

const item = (sku, available) => ({ sku, product: 'p', title: sku, price_minor: 100, per_user_max: 1, stock: 9, available, waiting: 0 });
const sale = (id, more = {}) => ({ id, room: 'demo', state: 'open', starts_at_ms: null, ends_at_ms: null, version: 1, items: [item('a', 3), item('b', 4)], ...more });
const left = (state, id) => state.sale(id).items.map(({ sku, available }) => `${sku} ${available}`);

test('sales come with the snapshot and change by their events', () => {
  const { state, heard } = makeState();
  state.restore({ ...SNAPSHOT, sales: [sale('s1')] }, false);
  assert.deepEqual(left(state, 's1'), ['a 3', 'b 4']);
  state.apply({ t: 'sale.state', sale: 's0', ...sale('s0', { state: 'armed' }) });
  assert.deepEqual(state.sales.map(({ id }) => id), ['s0', 's1']);
  assert.equal(state.sale('s0').t, undefined);
  state.apply({ t: 'sale.state', sale: 's1', state: 'paused', starts_at_ms: null, ends_at_ms: 7, version: 2 });
  assert.deepEqual([state.sale('s1').state, state.sale('s1').ends_at_ms, left(state, 's1')], ['paused', 7, ['a 3', 'b 4']]);
  assert.deepEqual(heard.map(([name]) => name), ['reset', 'sales', 'sales']);
});

test('stock changes sku by sku, and a sold-out sku has nothing left', () => {
  const { state } = makeState();
  state.restore({ ...SNAPSHOT, sales: [sale('s1'), sale('s2')] }, false);
  state.apply({ t: 'sale.stock', sale: 's1', items: [{ sku: 'b', available: 1, waiting: 2 }, { sku: 'unknown', available: 5 }] });
  state.apply({ t: 'sale.sold_out', sale: 's1', sku: 'a' });
  assert.deepEqual(left(state, 's1'), ['a 0', 'b 1']);
  assert.deepEqual(state.sale('s1').items.map(({ waiting }) => waiting), [0, 2]);
  assert.deepEqual(left(state, 's2'), ['a 3', 'b 4']);
});

test('news of a sale that was never seen whole changes nothing', () => {
  const { state, heard } = makeState();
  state.apply({ t: 'sale.stock', sale: 's9', items: [{ sku: 'a', available: 1 }] });
  state.apply({ t: 'sale.sold_out', sale: 's9', sku: 'a' });
  state.apply({ t: 'sale.state', sale: 's9', state: 'open' });
  assert.deepEqual([state.sales, heard], [[], []]);
});

test('a snapshot replaces the sales, also one that was recovered', () => {
  const { state } = makeState();
  state.restore({ ...SNAPSHOT, sales: [sale('s1'), sale('s2')] }, false);
  state.restore({ ...SNAPSHOT, sales: [sale('s2')] }, true);
  assert.deepEqual(state.sales.map(({ id }) => id), ['s2']);
  state.restore(SNAPSHOT, true);
  assert.deepEqual(state.sales, []);
});

test('orders of others are told as they come', () => {
  const { state, heard } = makeState();
  state.apply({ t: 'orders', sale: 's1', count: 3, names: ['小*'] });
  assert.deepEqual(heard.map(([name, { count }]) => [name, count]), [['ordered', 3]]);
});
