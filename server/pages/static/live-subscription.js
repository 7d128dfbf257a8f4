/**
 * What the room client is made of beside the connection: events, errors, and one channel's place.
 */

/** Names to listeners; the base of the client and its subscriptions. */
export class Emitter {
  #listeners = new Map();

  /** Call `listener` on every `name`; returns a function that stops it. */
  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => this.#listeners.get(name).delete(listener);
  }

  /**
   * Tell the listeners of `name`, in the order in which they came. One that throws is reported as
   * an uncaught error, and neither stops the others nor loses the events after this one.
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/**
 * Why a request failed.
 * `kind`: `reply` the server refused (see `code`) · `offline` it was never sent ·
 * `lost` or `timeout` it was sent, and whether it took effect is unknown.
 */
export class LiveError extends Error {
  constructor(kind, code, message, temporary = false) {
    super(message);
    this.name = 'LiveError';
    this.kind = kind;
    this.code = code;
    this.temporary = temporary;
  }
}

/**
 * One channel. Keeps its position (epoch, offset) over reconnects and hands each publication on
 * once. Events:
 * - `subscribed` `{data, recovered, wasRecovering}`: `recovered` true means that nothing was
 *   missed (what was missed follows as publications); false means: start again from `data`.
 * - `publication` `{data, offset, tags, time}`: `offset` is undefined for events without history.
 * - `unsubscribed` `{code, reason}`: the server refused or ended it for good.
 */
export class Subscription extends Emitter {
  state = 'waiting';
  epoch = '';
  offset = 0;
  attempts = 0;
  timer = undefined;

  constructor(channel) {
    super();
    this.channel = channel;
  }

  /** The body of the subscribe command, with the position when there is one. */
  request() {
    const body = { channel: this.channel };
    if (!this.epoch) return body;
    return { ...body, recover: true, epoch: this.epoch, offset: this.offset };
  }

  /** Take the server's answer: tell about it, then about what was missed. */
  accept(result) {
    this.state = 'subscribed';
    this.attempts = 0;
    const recovered = result.recovered === true;
    if (result.epoch) this.epoch = result.epoch;
    if (!recovered) this.offset = result.offset ?? 0;
    const wasRecovering = result.was_recovering === true;
    this.emit('subscribed', { data: result.data, recovered, wasRecovering });
    for (const publication of result.publications ?? []) this.deliver(publication);
  }

  /** Hand on one publication unless it was seen before. */
  deliver(publication) {
    const { offset } = publication;
    if (offset) {
      if (offset <= this.offset) return;
      this.offset = offset;
    }
    this.emit('publication', publication);
  }

  /** Refused or ended for good. */
  end(code, reason) {
    this.state = 'unsubscribed';
    this.emit('unsubscribed', { code, reason });
  }

  /** Forget the position: the next subscribe starts from a snapshot. */
  forget() {
    this.epoch = '';
    this.offset = 0;
  }
}
