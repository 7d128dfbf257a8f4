import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { isTerminal } from '../../../server/pages/static/live-client.js';
import { CONNECTED, FakeSocket, makeClient, publication, settle, welcome } from './fake_socket.mjs';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());

test('connect and every subscribe leave in one frame, connect first', () => {
  const { client } = makeClient({ token: 'T' });
  client.subscribe('room:a');
  client.subscribe('room:b');
  client.connect();
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.frames.length, 1);
  const [connect, first, second] = FakeSocket.last.commands();
  assert.equal(connect.connect.token, 'T');
  assert.deepEqual(first.subscribe, { channel: 'room:a' });
  assert.deepEqual(second.subscribe, { channel: 'room:b' });
  assert.equal(new Set([connect.id, first.id, second.id]).size, 3);
});

test('a guest sends no token', () => {
  const { client } = makeClient();
  client.connect();
  FakeSocket.last.open();
  assert.equal('token' in FakeSocket.last.commands()[0].connect, false);
});

test('who we are and the state are known once connected', () => {
  const { client, events } = makeClient();
  let seen;
  client.on('connected', (result) => (seen = result));
  client.connect();
  welcome();
  assert.deepEqual(seen, CONNECTED);
  assert.deepEqual(events.map(({ state }) => state), ['connecting', 'connected']);
});

test('a channel that is subscribed while connected is asked for at once', () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  client.subscribe('room:late');
  assert.deepEqual(socket.commands()[0].subscribe, { channel: 'room:late' });
});

test('calling subscribe twice gives the same subscription and one command', () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  const before = socket.frames.length;
  assert.equal(client.subscribe('room:a'), client.subscribe('room:a'));
  assert.equal(socket.frames.length, before + 1);
});

test('unsubscribe tells the server and stops deliveries', () => {
  const { client } = makeClient();
  const seen = [];
  client.subscribe('room:demo').on('publication', ({ data }) => seen.push(data));
  client.connect();
  const socket = welcome();
  client.unsubscribe('room:demo');
  assert.deepEqual(socket.commands()[0].unsubscribe, { channel: 'room:demo' });
  socket.say(publication(1, 'late'));
  assert.deepEqual(seen, []);
});

test('publications of server-side channels reach the client', () => {
  const { client } = makeClient();
  const seen = [];
  client.on('publication', (event) => seen.push(event));
  client.connect();
  welcome().say({ push: { channel: '#u', pub: { data: { t: 'moderation' } } } });
  assert.deepEqual(seen, [{ channel: '#u', data: { t: 'moderation' } }]);
});

test('a ping is answered with a pong, and only when the server wants one', () => {
  const { client } = makeClient();
  client.connect();
  const socket = welcome();
  socket.say({});
  assert.equal(socket.frames.at(-1), '{}');
  const { client: quiet } = makeClient();
  quiet.connect();
  const other = welcome({ connect: { ...CONNECTED, pong: false } });
  const before = other.frames.length;
  other.say({});
  assert.equal(other.frames.length, before);
});

test('silence for ping and ten seconds more is a lost line', () => {
  const { client, events } = makeClient();
  client.connect();
  const socket = welcome();
  mock.timers.tick(34_000);
  socket.say({});
  mock.timers.tick(34_000);
  assert.equal(client.state, 'connected');
  mock.timers.tick(1_000);
  assert.equal(client.state, 'waiting');
  assert.deepEqual([events.at(-1).code, events.at(-1).reason], [3012, 'no ping']);
  assert.equal(socket.closed.code, 1000);
});

test('a connection that is never answered is given up and tried again', () => {
  const { client } = makeClient();
  client.connect();
  FakeSocket.last.open();
  mock.timers.tick(18_000);
  assert.equal(client.state, 'waiting');
});

test('an unreadable frame is a lost line, and what follows in it is not believed', () => {
  const { client } = makeClient();
  const seen = [];
  client.subscribe('room:demo').on('publication', ({ data }) => seen.push(data));
  client.connect();
  const socket = welcome();
  socket.onmessage({ data: `{oops\n${JSON.stringify(publication(1, 'x'))}` });
  assert.equal(client.state, 'waiting');
  assert.deepEqual(seen, []);
});

test('the first wait is 0.2 to 1 second, later ones grow to 20, with full jitter', () => {
  const waits = (random) => {
    const { client, events } = makeClient({ random: () => random });
    client.connect();
    for (let attempt = 0; attempt < 9; attempt += 1) {
      FakeSocket.last.end(1006);
      mock.timers.tick(20_000);
    }
    client.disconnect();
    return events.filter(({ state }) => state === 'waiting').map(({ retryInMs }) => retryInMs);
  };
  assert.deepEqual(waits(0), Array(9).fill(200));
  assert.deepEqual(waits(1), [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000, 20_000]);
});

test('a connection that held starts the waits from the beginning', () => {
  const { client, events } = makeClient({ random: () => 1 });
  client.connect();
  FakeSocket.last.end(1006);
  mock.timers.tick(1_000);
  const socket = welcome();
  mock.timers.tick(6_000);
  socket.end(1006);
  assert.equal(events.at(-1).retryInMs, 1_000);
});

test('a server that takes and drops connections is not hammered', () => {
  const { client, events } = makeClient({ random: () => 1 });
  client.connect();
  for (let round = 0; round < 3; round += 1) {
    welcome().end(3001, 'shutdown');
    mock.timers.tick(20_000);
  }
  const waits = events.filter(({ state }) => state === 'waiting').map(({ retryInMs }) => retryInMs);
  assert.deepEqual(waits, [1000, 2000, 4000]);
});

test('terminal close codes stop with their reason, all others come back', () => {
  for (const code of [3500, 3999, 4500, 4999, 1009]) {
    const { client, events } = makeClient();
    client.connect();
    welcome().end(code, 'because');
    assert.equal(isTerminal(code), true);
    assert.deepEqual(events.at(-1), { state: 'closed', code, reason: 'because' });
    mock.timers.tick(60_000);
    assert.equal(FakeSocket.opened.length, 1);
  }
  for (const code of [1000, 1001, 1006, 1012, 3000, 3499, 4000, 4499, 5000]) {
    const { client } = makeClient();
    client.connect();
    welcome().end(code, 'because');
    assert.equal(isTerminal(code), false);
    mock.timers.tick(1_000);
    assert.equal(FakeSocket.opened.length, 2, `no second socket after ${code}`);
    client.disconnect();
  }
});

test('a disconnect push ends the connection as a close would', () => {
  const { client, events } = makeClient();
  client.connect();
  welcome().say({ push: { disconnect: { code: 3503, reason: 'force disconnect' } } });
  assert.deepEqual(events.at(-1), { state: 'closed', code: 3503, reason: 'force disconnect' });
});

test('after a close for good, connect starts anew', () => {
  const { client } = makeClient();
  client.connect();
  welcome().end(3503, 'stay away');
  client.connect();
  welcome();
  assert.equal(client.state, 'connected');
});

test('disconnect stays away and leaves no timer that would come back', () => {
  const { client } = makeClient();
  client.connect();
  welcome();
  client.disconnect();
  mock.timers.tick(120_000);
  assert.equal(client.state, 'idle');
  assert.equal(FakeSocket.opened.length, 1);
});

test('late events of a former socket are ignored', () => {
  const { client } = makeClient();
  client.connect();
  const former = welcome();
  former.end(1006);
  mock.timers.tick(1_000);
  welcome();
  former.end(3500, 'old');
  former.say(publication(1, 'old'));
  assert.equal(client.state, 'connected');
});

test('the browser going offline drops the line, and online reconnects at once', () => {
  const environment = new EventTarget();
  const { client } = makeClient({ environment });
  client.connect();
  const socket = welcome();
  environment.dispatchEvent(new Event('offline'));
  assert.equal(client.state, 'offline');
  assert.notEqual(socket.closed, null);
  environment.dispatchEvent(new Event('online'));
  assert.equal(FakeSocket.opened.length, 2);
});

test('an offline event that lies costs at most 20 seconds', () => {
  const environment = new EventTarget();
  const { client } = makeClient({ environment });
  client.connect();
  welcome();
  environment.dispatchEvent(new Event('offline'));
  mock.timers.tick(20_000);
  assert.equal(client.state, 'connecting');
});

test('wake retries now instead of waiting', () => {
  const { client } = makeClient();
  client.connect();
  FakeSocket.last.end(1006);
  client.wake();
  assert.equal(client.state, 'connecting');
  assert.equal(FakeSocket.opened.length, 2);
});

test('wake drops a line that was silent while the page slept, and no other', () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date'] }); // time passes, and no timer runs
  const { client } = makeClient();
  client.connect();
  welcome();
  mock.timers.tick(34_000);
  client.wake();
  assert.equal(client.state, 'connected');
  mock.timers.tick(2_000);
  client.wake();
  assert.equal(client.state, 'waiting');
  client.disconnect();
});

test('another token reconnects at once and keeps the place in the channel', async () => {
  const { client } = makeClient();
  const room = client.subscribe('room:demo');
  client.connect();
  const socket = welcome();
  socket.say(publication(1, 'a'));
  client.setToken('new');
  await settle();
  FakeSocket.last.open();
  const [connect, subscribe] = FakeSocket.last.commands();
  assert.equal(connect.connect.token, 'new');
  assert.deepEqual(subscribe.subscribe, { channel: 'room:demo', recover: true, epoch: 'e', offset: 1 });
  assert.equal(room.offset, 1);
  assert.notEqual(socket.closed, null);
});
