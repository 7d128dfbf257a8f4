/**
 * A small client for the room server: Centrifuge client protocol v2 (JSON) over one WebSocket.
 * No dependencies and no DOM: it runs in browsers and, given a WebSocket class, in Node.
 *
 *   const client = new LiveClient('wss://shop.example/connection/websocket', { token });
 *   const room = client.subscribe('room:demo');
 *   room.on('subscribed', ({ data }) => show(data));          // the snapshot
 *   room.on('publication', ({ data }) => apply(data));        // each event, once, in order
 *   client.connect();
 *   await client.rpc('comment.send', { room: 'demo', text: 'Hi' });
 */

import { Emitter, LiveError, Subscription } from './live-subscription.js';

export { Emitter, LiveError, Subscription };

const TOKEN_EXPIRED = 109;
const INVALIDATED = 2502;
const TIMER_MS_MAX = 2_000_000_000;
const STABLE_AFTER_MS = 5_000;

/** Close codes after which a client must stay away. 1009: we sent what the server will not take. */
export const isTerminal = (code) =>
  (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === 1009;

const isTemporary = (error) => error.temporary === true || error.code < 100;

/**
 * The connection. Options (all optional): `token`; `getToken` (async, called when the token has
 * expired; '' means go on as a guest); `data` for the connect command; `name`; `WebSocket`;
 * `random`; `timeoutMs` 8000; `backoffMinMs` 200; `backoffMaxMs` 20000; `livenessGraceMs` 10000;
 * `environment`: an EventTarget with `online` and `offline` events (the window, if there is one).
 *
 * `state`: `idle`, `connecting`, `connected`, `waiting` (will retry), `offline` (the browser says
 * so; will retry), `closed` (for good, see code and reason). Events: `state` `{state, code,
 * reason, retryInMs}`, `connected` (the connect result), `publication` `{channel, data, ...}` of
 * server-side channels, `message` (its data).
 */
export class LiveClient extends Emitter {
  state = 'idle';
  info = null;
  #url;
  #options;
  #token;
  #tokenExpired = false;
  #socket = null;
  #opening = 0;
  #nextId = 1;
  #pending = new Map();
  #subscriptions = new Map();
  #attempts = 0;
  #connectedAt = 0;
  #heardAt = 0;
  #silenceMs = 0;
  #timers = { retry: undefined, silence: undefined, refresh: undefined };

  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = {
      name: 'live-client',
      random: Math.random,
      timeoutMs: 8_000,
      backoffMinMs: 200,
      backoffMaxMs: 20_000,
      livenessGraceMs: 10_000,
      environment: typeof globalThis.addEventListener === 'function' ? globalThis : undefined,
      ...options,
    };
    this.#token = options.token ?? '';
    const { environment } = this.#options;
    environment?.addEventListener('online', () => this.wake());
    environment?.addEventListener('offline', () => this.#goOffline());
  }

  /** Connect and stay connected until `disconnect` or a terminal close. Safe to call again. */
  connect() {
    if (this.state === 'idle' || this.state === 'closed') {
      this.#attempts = 0;
      this.#open();
    }
  }

  /** Close and stay closed until `connect`. */
  disconnect() {
    this.#drop();
    this.#setState('idle', { code: 0, reason: 'disconnect called' });
  }

  /** Use another token from now on ('' for guest): reconnects at once when connected. */
  setToken(token) {
    this.#token = token ?? '';
    this.#tokenExpired = false;
    if (this.state === 'idle') return;
    this.#drop();
    this.#attempts = 0;
    this.#open();
  }

  /** The page is visible or online again: retry now, or check a line that has long been silent. */
  wake() {
    if (this.state === 'waiting' || this.state === 'offline') {
      this.#attempts = 0;
      this.#open();
    } else if (this.state === 'connected' && this.#silenceMs) {
      if (Date.now() - this.#heardAt > this.#silenceMs) this.#lost(3012, 'no ping');
    }
  }

  /** The subscription of a channel; created, and subscribed as soon as connected, if new. */
  subscribe(channel) {
    let subscription = this.#subscriptions.get(channel);
    if (!subscription) {
      subscription = new Subscription(channel);
      this.#subscriptions.set(channel, subscription);
    }
    if (subscription.state === 'unsubscribed') subscription.state = 'waiting';
    if (this.state === 'connected' && subscription.state === 'waiting') {
      this.#send([this.#subscribeCommand(subscription)]);
    }
    return subscription;
  }

  /** Leave a channel and forget it. */
  unsubscribe(channel) {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return;
    clearTimeout(subscription.timer);
    this.#subscriptions.delete(channel);
    if (this.state === 'connected') {
      this.#send([this.#command('unsubscribe', { channel }, () => {})]);
    }
  }

  /** Call a method; resolves with the result's data. Rejects with `LiveError`; never retries. */
  async rpc(method, data = {}, { timeoutMs } = {}) {
    const result = await this.request('rpc', { method, data }, { timeoutMs });
    return result.data;
  }

  /** Any command by name, such as `history` or `presence_stats`; resolves with its result. */
  request(name, body, { timeoutMs = this.#options.timeoutMs } = {}) {
    if (this.state !== 'connected') {
      return Promise.reject(new LiveError('offline', 0, 'not connected', true));
    }
    return new Promise((resolve, reject) => {
      const settle = (error, result) => (error ? reject(error) : resolve(result));
      this.#send([this.#command(name, body, settle, timeoutMs)]);
    });
  }

  // ---- opening and closing ------------------------------------------------------------------

  async #open() {
    this.#drop();
    const opening = this.#opening;
    this.#setState('connecting');
    if (this.#tokenExpired) {
      try {
        this.#token = (await this.#options.getToken()) ?? '';
      } catch {
        if (opening === this.#opening) this.#retry(0, 'no new token');
        return;
      }
      if (opening !== this.#opening) return;
      this.#tokenExpired = false;
    }
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    const socket = new Socket(this.#url);
    this.#socket = socket;
    const mine = (act) => (event) => this.#socket === socket && act(event);
    socket.onopen = mine(() => this.#greet());
    socket.onmessage = mine((event) => this.#receive(event.data));
    socket.onclose = mine((event) => this.#lost(event.code, event.reason || 'connection lost'));
    socket.onerror = () => {}; // a close event always follows
    this.#expectWithin(this.#options.timeoutMs + this.#options.livenessGraceMs);
  }

  /** Say who we are and ask for every channel, in one frame. */
  #greet() {
    const body = { name: this.#options.name };
    if (this.#token) body.token = this.#token;
    if (this.#options.data !== undefined) body.data = this.#options.data;
    const commands = [this.#command('connect', body, (error, result) => {
      if (error) this.#refused(error);
      else this.#welcome(result);
    })];
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.state !== 'unsubscribed') {
        commands.push(this.#subscribeCommand(subscription));
      }
    }
    this.#send(commands);
  }

  #welcome(result) {
    this.info = result;
    this.#connectedAt = Date.now();
    this.#silenceMs = result.ping ? result.ping * 1000 + this.#options.livenessGraceMs : 0;
    this.#expectWithin(this.#silenceMs);
    this.#refreshLater(result);
    this.#setState('connected');
    this.emit('connected', result);
  }

  #refused(error) {
    if (error.kind !== 'reply') return; // the connection went, which is handled where it went
    if (error.code === TOKEN_EXPIRED && this.#options.getToken) {
      this.#tokenExpired = true;
      this.#retry(error.code, error.message);
    } else if (isTemporary(error)) {
      this.#retry(error.code, error.message);
    } else {
      this.#close(error.code, error.message);
    }
  }

  #lost(code, reason) {
    if (isTerminal(code)) this.#close(code, reason);
    else this.#retry(code, reason);
  }

  #close(code, reason) {
    this.#drop();
    this.#setState('closed', { code, reason });
  }

  #goOffline() {
    if (this.state === 'idle' || this.state === 'closed') return;
    this.#drop();
    // The event may lie (some systems mean "no route"), so still try now and then.
    const retryInMs = this.#options.backoffMaxMs;
    this.#timers.retry = setTimeout(() => this.#open(), retryInMs);
    this.#setState('offline', { code: 0, reason: 'offline', retryInMs });
  }

  /** Exponential backoff with full jitter: the first wait is at most a second. */
  #retry(code, reason) {
    if (this.#connectedAt && Date.now() - this.#connectedAt > STABLE_AFTER_MS) this.#attempts = 0;
    this.#drop();
    const { backoffMinMs, backoffMaxMs, random } = this.#options;
    const ceiling = Math.min(backoffMaxMs, 1000 * 2 ** Math.min(this.#attempts, 16));
    this.#attempts += 1;
    const retryInMs = Math.round(backoffMinMs + random() * Math.max(0, ceiling - backoffMinMs));
    this.#timers.retry = setTimeout(() => this.#open(), retryInMs);
    this.#setState('waiting', { code, reason, retryInMs });
  }

  /** Let go of the socket, of everything that waited for it, and of every timer. */
  #drop() {
    this.#opening += 1;
    for (const name of Object.keys(this.#timers)) clearTimeout(this.#timers[name]);
    const socket = this.#socket;
    this.#socket = null;
    this.#connectedAt = 0;
    socket?.close(1000, 'client');
    for (const subscription of this.#subscriptions.values()) {
      clearTimeout(subscription.timer);
      if (subscription.state !== 'unsubscribed') subscription.state = 'waiting';
    }
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { settle, timer } of pending) {
      clearTimeout(timer);
      settle(new LiveError('lost', 0, 'the connection was lost', false));
    }
  }

  #setState(state, detail = {}) {
    this.state = state;
    this.emit('state', { state, ...detail });
  }

  // ---- frames -------------------------------------------------------------------------------

  #command(name, body, settle, timeoutMs) {
    const id = this.#nextId++;
    const timer = timeoutMs && setTimeout(() => {
      this.#pending.delete(id);
      settle(new LiveError('timeout', 0, `no answer to ${name}`, true));
    }, timeoutMs);
    this.#pending.set(id, { settle, timer, name });
    return { id, [name]: body };
  }

  #send(commands) {
    this.#socket.send(commands.map((command) => JSON.stringify(command)).join('\n'));
  }

  #receive(frame) {
    const socket = this.#socket;
    this.#heardAt = Date.now();
    if (this.state === 'connected') this.#expectWithin(this.#silenceMs);
    for (const line of frame.split('\n')) {
      if (this.#socket !== socket) return; // an earlier line of this frame ended the connection
      if (line) this.#handle(line);
    }
  }

  #handle(line) {
    let reply;
    try {
      reply = JSON.parse(line);
    } catch {
      this.#lost(0, 'unreadable frame');
      return;
    }
    if (reply.push) this.#pushed(reply.push);
    else if (reply.id) this.#replied(reply);
    else if (this.info?.pong) this.#socket.send('{}');
  }

  #replied(reply) {
    const waiting = this.#pending.get(reply.id);
    if (!waiting) return; // it timed out
    this.#pending.delete(reply.id);
    clearTimeout(waiting.timer);
    if (reply.error) {
      const { code, message, temporary } = reply.error;
      waiting.settle(new LiveError('reply', code, message, temporary));
    } else {
      waiting.settle(null, reply[waiting.name] ?? {});
    }
  }

  #pushed(push) {
    const subscription = this.#subscriptions.get(push.channel);
    if (push.pub) {
      if (subscription) subscription.deliver(push.pub);
      else this.emit('publication', { channel: push.channel, ...push.pub });
    } else if (push.unsubscribe && subscription) {
      this.#unsubscribed(subscription, push.unsubscribe);
    } else if (push.message) {
      this.emit('message', push.message.data);
    } else if (push.disconnect) {
      this.#lost(push.disconnect.code, push.disconnect.reason);
    }
  }

  // ---- subscriptions, tokens, liveness ------------------------------------------------------

  #subscribeCommand(subscription) {
    subscription.state = 'subscribing';
    return this.#command('subscribe', subscription.request(), (error, result) => {
      if (this.#subscriptions.get(subscription.channel) !== subscription) return;
      if (!error) subscription.accept(result);
      else if (error.kind === 'timeout') this.#lost(0, error.message);
      else if (error.kind === 'lost') subscription.state = 'waiting';
      else if (isTemporary(error)) this.#subscribeLater(subscription);
      else subscription.end(error.code, error.message);
    }, this.#options.timeoutMs);
  }

  #subscribeLater(subscription) {
    subscription.state = 'waiting';
    const ceiling = Math.min(this.#options.backoffMaxMs, 1000 * 2 ** subscription.attempts++);
    subscription.timer = setTimeout(() => {
      if (this.state !== 'connected' || subscription.state !== 'waiting') return;
      this.#send([this.#subscribeCommand(subscription)]);
    }, this.#options.backoffMinMs + this.#options.random() * ceiling);
  }

  #unsubscribed(subscription, { code, reason }) {
    if (code < 2500) {
      subscription.end(code, reason);
      return;
    }
    if (code === INVALIDATED) subscription.forget();
    this.#subscribeLater(subscription);
  }

  /** Ask for a new token when the server says that this one runs out. */
  #refreshLater({ expires, ttl }) {
    const waitMs = (ttl ?? 0) * 1000;
    if (!expires || !this.#options.getToken || waitMs > TIMER_MS_MAX) return;
    this.#timers.refresh = setTimeout(async () => {
      const opening = this.#opening;
      try {
        const token = await this.#options.getToken();
        if (opening !== this.#opening) return;
        this.#token = token ?? '';
        this.#refreshLater(await this.request('refresh', { token: this.#token }));
      } catch {
        // The server closes with 3005 when the grace is over; the reconnect asks again.
      }
    }, waitMs);
  }

  #expectWithin(waitMs) {
    clearTimeout(this.#timers.silence);
    if (waitMs) this.#timers.silence = setTimeout(() => this.#lost(3012, 'no ping'), waitMs);
  }
}
