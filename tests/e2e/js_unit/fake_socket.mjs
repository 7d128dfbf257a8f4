/**
 * A WebSocket whose other end is the test: it reads what was sent and says what comes back.
 * The real thing is covered by the browser tests; here every order of events can be produced.
 */

import { LiveClient } from '../../../server/pages/static/live-client.js';

export class FakeSocket {
  static opened = [];
  static get last() {
    return FakeSocket.opened.at(-1);
  }

  frames = [];
  closed = null;

  constructor(url) {
    this.url = url;
    FakeSocket.opened.push(this);
  }

  send(frame) {
    this.frames.push(frame);
  }

  close(code, reason) {
    this.closed = { code, reason };
  }

  /** Commands of one sent frame, the last by default. */
  commands(index = -1) {
    return (this.frames.at(index) ?? '').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  open() {
    this.onopen?.({});
  }

  /** Say these values in one frame. */
  say(...values) {
    this.onmessage?.({ data: values.map((value) => JSON.stringify(value)).join('\n') });
  }

  /** The server closes. */
  end(code, reason = '') {
    this.onclose?.({ code, reason });
  }
}

export const CONNECTED = { client: 'c', version: 'v', ping: 25, pong: true, data: { user: 'u' } };

/** A client whose sockets are fake and whose jitter is `random`. */
export function makeClient(options = {}) {
  FakeSocket.opened.length = 0;
  const events = [];
  const client = new LiveClient('ws://test/connection/websocket', {
    WebSocket: FakeSocket,
    random: () => 0.5,
    environment: undefined,
    ...options,
  });
  client.on('state', (event) => events.push(event));
  return { client, events };
}

/** Let promises that are already settled be heard. */
export async function settle() {
  for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
}

/** Open the newest socket and answer connect, and each subscribe by `answer(channel, request)`. */
export function welcome({ connect = CONNECTED, answer = () => ({ subscribe: { epoch: 'e', offset: 0 } }) } = {}) {
  const socket = FakeSocket.last;
  socket.open();
  const replies = socket.commands().map((command) =>
    command.connect
      ? { id: command.id, connect }
      : { id: command.id, ...answer(command.subscribe.channel, command.subscribe) },
  );
  socket.say(...replies);
  return socket;
}

export const publication = (offset, data, channel = 'room:demo') => ({
  push: { channel, pub: offset ? { offset, data } : { data } },
});
