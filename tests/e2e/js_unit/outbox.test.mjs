import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LiveError } from '../../../server/pages/static/live-client.js';
import { newId, Outbox } from '../../../server/pages/static/outbox.js';

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => this.kept.set(key, value);
  removeItem = (key) => this.kept.delete(key);
}

/** An outbox whose sends fail with each of `failures` in turn and then succeed. */
function makeOutbox(failures = [], storage = new Storage()) {
  const sent = [];
  const heard = [];
  const outbox = new Outbox({
    storage,
    key: 'k',
    send: async (item) => {
      sent.push({ ...item });
      const failure = failures.shift();
      if (failure) throw failure;
      return { id: `id-${sent.length}` };
    },
  });
  for (const name of ['sent', 'refused', 'signin']) {
    outbox.on(name, ({ item, error, id } = {}) => heard.push([name, item?.text, error?.code ?? id]));
  }
  return { outbox, sent, heard, storage };
}

const reply = (code, message = '') => new LiveError('reply', code, message);
const texts = (items) => items.map(({ text }) => text);

test('comments go out in order, one at a time, and leave the queue', async () => {
  const { outbox, sent, heard } = makeOutbox();
  outbox.add('one');
  outbox.add('two', 'c7');
  await outbox.flush();
  assert.deepEqual(texts(sent), ['one', 'two']);
  assert.equal(sent[1].replyTo, 'c7');
  assert.deepEqual(heard, [['sent', 'one', 'id-1'], ['sent', 'two', 'id-2']]);
  assert.deepEqual(outbox.items, []);
});

test('a second flush while one is running sends nothing twice', async () => {
  const { outbox, sent } = makeOutbox();
  outbox.add('one');
  await Promise.all([outbox.flush(), outbox.flush(), outbox.flush({ again: true })]);
  assert.deepEqual(texts(sent), ['one']);
});

test('what was lost on the way goes again with the same cid, and before later ones', async () => {
  for (const kind of ['offline', 'lost']) {
    const { outbox, sent } = makeOutbox([new LiveError(kind, 0, 'gone')]);
    outbox.add('one');
    outbox.add('two');
    await outbox.flush();
    assert.deepEqual(texts(sent), ['one']);
    assert.deepEqual(outbox.items.map(({ state }) => state), ['waiting', 'waiting']);
    await outbox.flush();
    assert.deepEqual(texts(sent), ['one', 'one', 'two']);
    assert.equal(sent[0].cid, sent[1].cid);
  }
});

test('no answer and an overloaded server leave it failed, and a retry keeps its cid', async () => {
  for (const failure of [new LiveError('timeout', 0, 'late'), reply(503, 'busy'), reply(111), reply(100)]) {
    const { outbox, sent, heard } = makeOutbox([failure]);
    outbox.add('one');
    await outbox.flush();
    assert.equal(outbox.items[0].state, 'failed');
    await outbox.flush();
    assert.equal(sent.length, 1, 'a failed one is not sent without being asked');
    outbox.retry(outbox.items[0].cid);
    await new Promise((done) => setImmediate(done));
    assert.equal(sent[0].cid, sent[1].cid);
    assert.deepEqual(heard, [['sent', 'one', 'id-2']]);
  }
});

test('a reconnect sends failed ones again', async () => {
  const { outbox, sent } = makeOutbox([reply(503)]);
  outbox.add('one');
  await outbox.flush();
  await outbox.flush({ again: true });
  assert.deepEqual(outbox.items, []);
  assert.equal(sent[0].cid, sent[1].cid);
});

test('a refused comment leaves the queue, says why, and the next one goes', async () => {
  for (const code of [400, 403, 404, 409, 413, 422, 429]) {
    const { outbox, heard } = makeOutbox([reply(code, 'no')]);
    outbox.add('bad');
    outbox.add('good');
    await outbox.flush();
    assert.deepEqual(heard, [['refused', 'bad', code], ['sent', 'good', 'id-2']]);
  }
});

test('who is not signed in is asked to, and the comment waits for that', async () => {
  const { outbox, sent, heard } = makeOutbox([reply(401)]);
  outbox.add('one');
  await outbox.flush();
  assert.deepEqual(heard, [['signin', undefined, undefined]]);
  await outbox.flush();
  assert.equal(sent.length, 1);
  await outbox.flush({ again: true });
  assert.equal(sent[0].cid, sent[1].cid);
});

test('a reload keeps what was not answered, with its cid, and nothing else', async () => {
  const storage = new Storage();
  const first = makeOutbox([new LiveError('lost', 0, '')], storage);
  first.outbox.add('kept', 'c1');
  await first.outbox.flush();
  const second = makeOutbox([], storage);
  assert.deepEqual(texts(second.outbox.items), ['kept']);
  await second.outbox.flush();
  assert.equal(second.sent[0].cid, first.sent[0].cid);
  assert.equal(second.sent[0].replyTo, 'c1');
  assert.deepEqual(makeOutbox([], storage).outbox.items, []);
});

test('broken or forbidden storage only costs the reload', async () => {
  const broken = new Storage();
  broken.setItem('k', '{"not": "a list"');
  assert.deepEqual(makeOutbox([], broken).outbox.items, []);
  broken.setItem('k', '{"text": "not a list"}');
  assert.deepEqual(makeOutbox([], broken).outbox.items, []);
  const forbidden = { getItem: () => null, setItem: () => { throw new Error('full'); }, removeItem: () => { throw new Error('no'); } };
  const { outbox, heard } = makeOutbox([], forbidden);
  outbox.add('one');
  await outbox.flush();
  assert.deepEqual(heard, [['sent', 'one', 'id-1']]);
});

test('our own comment that comes back before its answer is marked as seen, once', () => {
  const { outbox } = makeOutbox();
  outbox.add('same');
  outbox.add('same');
  outbox.saw({ text: 'same' });
  assert.deepEqual(outbox.items.map(({ seen }) => seen), [true, false]);
  outbox.saw({ text: 'other' });
  assert.deepEqual(outbox.items.map(({ seen }) => seen), [true, false]);
});

test('the queue has a bound', () => {
  const { outbox } = makeOutbox();
  for (let n = 0; n < 20; n += 1) assert.equal(outbox.add(`t${n}`), true);
  assert.equal(outbox.add('one too many'), false);
});

test('ids are long and differ', () => {
  const ids = new Set(Array.from({ length: 1000 }, newId));
  assert.equal(ids.size, 1000);
  assert.match([...ids][0], /^[0-9a-f]{24}$/);
});
