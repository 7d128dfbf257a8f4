import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { CONNECTED, FakeSocket, makeClient, publication, settle, welcome } from './fake_socket.mjs';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());

function inRoom(options) {
  const { client } = makeClient(options);
  const room = client.subscribe('room:demo');
  const seen = [];
  room.on('subscribed', (event) => seen.push(['subscribed', event.data, event.recovered]));
  room.on('publication', ({ data, offset }) => seen.push([offset ?? '-', data]));
  room.on('unsubscribed', ({ code, reason }) => seen.push(['unsubscribed', code, reason]));
  client.connect();
  return { client, room, seen };
}

test('the snapshot comes first, then what was missed, then what is new, in order', () => {
  const { seen } = inRoom();
  const socket = welcome({
    answer: () => ({
      subscribe: { epoch: 'e', offset: 4, recovered: true, data: 'snap', publications: [{ offset: 5, data: 'm' }] },
    }),
  });
  socket.say(publication(6, 'n'));
  assert.deepEqual(seen, [['subscribed', 'snap', true], [5, 'm'], [6, 'n']]);
});

test('an event with an offset is handed on once, one without always', () => {
  const { seen } = inRoom();
  const socket = welcome();
  socket.say(publication(1, 'a'), publication(1, 'a'), publication(0, 'p'), publication(2, 'b'));
  socket.say(publication(2, 'b'), publication(0, 'p'));
  assert.deepEqual(seen.slice(1), [[1, 'a'], ['-', 'p'], [2, 'b'], ['-', 'p']]);
});

test('pushes in the frame of the subscribe reply are not lost', () => {
  const { seen } = inRoom();
  const socket = FakeSocket.last;
  socket.open();
  const [connect, subscribe] = socket.commands();
  socket.say(
    { id: connect.id, connect: CONNECTED },
    { id: subscribe.id, subscribe: { epoch: 'e', offset: 7, data: 's' } },
    publication(8, 'x'),
  );
  assert.deepEqual(seen, [['subscribed', 's', false], [8, 'x']]);
});

test('a reconnect recovers from the last offset and hears nothing twice', () => {
  const { seen } = inRoom();
  const socket = welcome();
  socket.say(publication(1, 'a'), publication(2, 'b'));
  socket.end(1006);
  mock.timers.tick(1_000);
  const again = welcome({
    answer: (channel, request) => {
      assert.deepEqual(request, { channel, recover: true, epoch: 'e', offset: 2 });
      const publications = [{ offset: 3, data: 'c' }];
      return { subscribe: { epoch: 'e', offset: 2, recovered: true, was_recovering: true, publications } };
    },
  });
  again.say(publication(3, 'c'), publication(4, 'd'));
  assert.deepEqual(seen.slice(1), [[1, 'a'], [2, 'b'], ['subscribed', undefined, true], [3, 'c'], [4, 'd']]);
});

test('when the server cannot recover, the place is the one of the new snapshot', () => {
  const { room, seen } = inRoom();
  welcome().end(1006);
  mock.timers.tick(1_000);
  const socket = welcome({
    answer: () => ({ subscribe: { epoch: 'f', offset: 90, data: 'new', was_recovering: true } }),
  });
  assert.deepEqual([room.epoch, room.offset], ['f', 90]);
  socket.say(publication(90, 'old'), publication(91, 'next'));
  assert.deepEqual(seen.slice(1), [['subscribed', 'new', false], [91, 'next']]);
});

test('an unsubscribe of 2500 and above comes back with its place, 2502 without', () => {
  for (const [code, request] of [
    [2500, { channel: 'room:demo', recover: true, epoch: 'e', offset: 1 }],
    [2502, { channel: 'room:demo' }],
  ]) {
    inRoom();
    const socket = welcome();
    socket.say(publication(1, 'a'));
    socket.say({ push: { channel: 'room:demo', unsubscribe: { code, reason: 'r' } } });
    mock.timers.tick(1_300);
    assert.deepEqual(socket.commands()[0].subscribe, request);
  }
});

test('an unsubscribe below 2500 ends the subscription with its reason', () => {
  const { room, seen } = inRoom();
  const socket = welcome();
  socket.say({ push: { channel: 'room:demo', unsubscribe: { code: 2101, reason: 'banned' } } });
  assert.deepEqual(seen.at(-1), ['unsubscribed', 2101, 'banned']);
  assert.equal(room.state, 'unsubscribed');
  const before = socket.frames.length;
  mock.timers.tick(30_000);
  assert.equal(socket.frames.length, before);
});

test('a refused subscribe ends, a temporary one is tried again', () => {
  const { seen } = inRoom();
  welcome({ answer: () => ({ error: { code: 102, message: 'unknown channel' } }) });
  assert.deepEqual(seen, [['unsubscribed', 102, 'unknown channel']]);
  inRoom();
  const socket = welcome({ answer: () => ({ error: { code: 111, message: 'busy', temporary: true } }) });
  mock.timers.tick(1_300);
  assert.deepEqual(socket.commands()[0].subscribe, { channel: 'room:demo' });
});

test('a subscribe that is never answered is a lost line', () => {
  const { client } = inRoom();
  const socket = FakeSocket.last;
  socket.open();
  socket.say({ id: socket.commands()[0].id, connect: CONNECTED });
  mock.timers.tick(8_000);
  assert.equal(client.state, 'waiting');
});

test('a listener that throws is reported and loses nobody the next event', (context) => {
  const reported = [];
  context.mock.method(globalThis, 'queueMicrotask', (report) => reported.push(report));
  const { room, seen } = inRoom();
  room.on('publication', () => {
    throw new Error('mine');
  });
  welcome().say(publication(1, 'a'), publication(2, 'b'));
  assert.deepEqual(seen.slice(1), [[1, 'a'], [2, 'b']]);
  assert.equal(reported.length, 2);
  assert.throws(reported[0], /mine/);
});

test('rpc resolves with the data, and rejects with code and message', async () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  const good = client.rpc('like.add', { n: 3 });
  const [command] = socket.commands();
  assert.deepEqual(command.rpc, { method: 'like.add', data: { n: 3 } });
  socket.say({ id: command.id, rpc: { data: { total: 9 } } });
  assert.deepEqual(await good, { total: 9 });
  const bad = client.rpc('product.pin', {});
  socket.say({ id: socket.commands()[0].id, error: { code: 403, message: 'not allowed' } });
  await assert.rejects(bad, { name: 'LiveError', kind: 'reply', code: 403, message: 'not allowed' });
});

test('any command can be sent by name', async () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  const stats = client.request('presence_stats', { channel: 'room:demo' });
  const [command] = socket.commands();
  assert.deepEqual(command.presence_stats, { channel: 'room:demo' });
  socket.say({ id: command.id, presence_stats: { num_clients: 2 } });
  assert.deepEqual(await stats, { num_clients: 2 });
});

test('rpc says whether it was never sent, lost on the way, or not answered', async () => {
  const { client } = makeClient();
  await assert.rejects(client.rpc('time.now'), { kind: 'offline' });
  client.connect();
  const socket = welcome();
  const slow = assert.rejects(client.rpc('time.now'), { kind: 'timeout' });
  mock.timers.tick(8_000);
  await slow;
  const lost = assert.rejects(client.rpc('time.now'), { kind: 'lost' });
  socket.end(1006);
  await lost;
});

test('an answer that comes after its timeout is ignored', async () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  const slow = assert.rejects(client.rpc('time.now', {}, { timeoutMs: 100 }), { kind: 'timeout' });
  const [{ id }] = socket.commands();
  mock.timers.tick(100);
  await slow;
  socket.say({ id, rpc: { data: {} } });
  assert.equal(client.state, 'connected');
});

test('an expired token is renewed before the next try', async () => {
  const asked = [];
  const { client, events } = makeClient({
    token: 'old',
    getToken: async () => {
      asked.push(1);
      return 'fresh';
    },
  });
  client.connect();
  const socket = FakeSocket.last;
  socket.open();
  socket.say({ id: socket.commands()[0].id, error: { code: 109, message: 'token expired' } });
  assert.equal(events.at(-1).code, 109);
  mock.timers.tick(1_000);
  await settle();
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.commands()[0].connect.token, 'fresh');
  assert.equal(asked.length, 1);
});

test('an expired token that cannot be renewed closes for good', () => {
  const { client, events } = makeClient({ token: 'old' });
  client.connect();
  const socket = FakeSocket.last;
  socket.open();
  socket.say({ id: socket.commands()[0].id, error: { code: 109, message: 'token expired' } });
  assert.deepEqual(events.at(-1), { state: 'closed', code: 109, reason: 'token expired' });
});

test('when asking for a token fails, it is asked for again later', async () => {
  let asked = 0;
  const { client } = makeClient({
    token: 'old',
    getToken: async () => {
      asked += 1;
      throw new Error('no network');
    },
  });
  client.connect();
  const socket = FakeSocket.last;
  socket.open();
  socket.say({ id: socket.commands()[0].id, error: { code: 109, message: 'token expired' } });
  for (let round = 0; round < 3; round += 1) {
    mock.timers.tick(10_000);
    await settle();
  }
  assert.equal(client.state, 'waiting');
  assert.equal(asked, 3);
});

test('a refused connect closes for good, a temporary one is tried again', () => {
  for (const [error, state] of [
    [{ code: 403, message: 'no' }, 'closed'],
    [{ code: 111, message: 'busy', temporary: true }, 'waiting'],
  ]) {
    const { client } = makeClient();
    client.connect();
    const socket = FakeSocket.last;
    socket.open();
    socket.say({ id: socket.commands()[0].id, error });
    assert.equal(client.state, state);
  }
});

test('the token is refreshed when its time is over, and again after that', async () => {
  let count = 0;
  const { client } = makeClient({ token: 't0', getToken: async () => `t${(count += 1)}` });
  client.connect();
  const socket = welcome({ connect: { ...CONNECTED, expires: true, ttl: 20 } });
  for (const token of ['t1', 't2']) {
    mock.timers.tick(20_000);
    await settle();
    const [command] = socket.commands();
    assert.deepEqual(command.refresh, { token });
    socket.say({ id: command.id, refresh: { expires: true, ttl: 20 } });
    await settle();
  }
});

test('a token of a year does not ask for the next one at once', async () => {
  let asked = 0;
  const { client } = makeClient({ token: 't', getToken: async () => `t${(asked += 1)}` });
  client.connect();
  welcome({ connect: { ...CONNECTED, ping: 0, expires: true, ttl: 31_536_000 } });
  mock.timers.tick(86_400_000);
  await settle();
  assert.equal(asked, 0);
});
