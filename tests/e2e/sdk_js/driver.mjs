// Puts the published JavaScript SDK into the hands of a test that is written in Python.
//
// One process is one client. It reads one JSON object a line on its standard input and writes one
// a line on its standard output; it decides nothing and checks nothing.
//
//   in   {"id", "do": name of a call below, ...its arguments}
//        {"answer": number of a question, "token"}
//   out  {"id", "result"} or {"id", "refused": {"code", "message"}}
//        {"event": {"of": channel or "", "name", "facts"}}    what the SDK tells its application
//        {"question": number, "of": channel or ""}            the SDK asks for a token

import { createInterface } from "node:readline";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const tell = (of, name, facts) => say({ event: { of, name, facts } });

let client;
const questions = new Map();
let questionsAsked = 0;

function askForToken(of) {
  const number = (questionsAsked += 1);
  say({ question: number, of });
  return new Promise((resolve) => questions.set(number, resolve));
}

const ended = ({ code, reason }) => ({ code, reason });
const failed = ({ error }) => ({ code: error.code ?? 0, message: error.message ?? String(error) });
const published = ({ offset, data }) => ({ offset: offset ?? 0, data });

function listenToClient() {
  client.on("connecting", (ctx) => tell("", "connecting", ended(ctx)));
  client.on("connected", (ctx) => tell("", "connected", { client: ctx.client, data: ctx.data }));
  client.on("disconnected", (ctx) => tell("", "disconnected", ended(ctx)));
  client.on("error", (ctx) => tell("", "error", failed(ctx)));
  client.on("subscribed", (ctx) => tell(ctx.channel, "subscribed", { data: ctx.data ?? null }));
  client.on("unsubscribed", (ctx) => tell(ctx.channel, "unsubscribed", {}));
  client.on("publication", (ctx) => tell(ctx.channel, "publication", published(ctx)));
}

function listenToSubscription(subscription, channel) {
  subscription.on("subscribing", (ctx) => tell(channel, "subscribing", ended(ctx)));
  subscription.on("subscribed", (ctx) =>
    tell(channel, "subscribed", {
      recoverable: ctx.recoverable,
      positioned: ctx.positioned,
      was_recovering: ctx.wasRecovering,
      recovered: ctx.recovered,
      offset: ctx.streamPosition?.offset ?? 0,
      epoch: ctx.streamPosition?.epoch ?? "",
      data: ctx.data,
    }),
  );
  subscription.on("unsubscribed", (ctx) => tell(channel, "unsubscribed", ended(ctx)));
  subscription.on("publication", (ctx) => tell(channel, "publication", published(ctx)));
  subscription.on("error", (ctx) => tell(channel, "error", failed(ctx)));
}

const calls = {
  open({ url, token, asks, delays }) {
    client = new Centrifuge(url, {
      websocket: WebSocket,
      token,
      getToken: asks ? () => askForToken("") : null,
      minReconnectDelay: delays[0],
      maxReconnectDelay: delays[1],
    });
    listenToClient();
  },
  connect: () => client.connect(),
  disconnect: () => client.disconnect(),
  subscribe({ channel, token, asks, delays }) {
    let subscription = client.getSubscription(channel);
    if (subscription === null) {
      subscription = client.newSubscription(channel, {
        token,
        getToken: asks ? () => askForToken(channel) : null,
        minResubscribeDelay: delays[0],
        maxResubscribeDelay: delays[1],
      });
      listenToSubscription(subscription, channel);
    }
    subscription.subscribe();
  },
  unsubscribe: ({ channel }) => client.getSubscription(channel).unsubscribe(),
  rpc: async ({ method, data }) => (await client.rpc(method, data)).data,
  // All commands leave in one frame; their answers come in the order of the commands.
  async rpc_batch({ commands }) {
    client.startBatching();
    const answers = commands.map(({ method, data }) => client.rpc(method, data));
    client.stopBatching();
    return (await Promise.all(answers)).map((answer) => answer.data);
  },
  async publish({ channel, data }) {
    await client.publish(channel, data);
  },
  async history({ channel, limit, since, reverse }) {
    const options = { limit, reverse, ...(since ? { since } : {}) };
    const { publications, offset, epoch } = await client.history(channel, options);
    return { publications: publications.map(published), offset, epoch };
  },
  presence: async ({ channel }) => (await client.presence(channel)).clients,
  presence_stats: ({ channel }) => client.presenceStats(channel),
};

async function obey({ id, do: name, ...given }) {
  try {
    say({ id, result: (await calls[name](given)) ?? null });
  } catch (error) {
    say({ id, refused: { code: error.code ?? 0, message: error.message ?? String(error) } });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const message = JSON.parse(line);
  if ("answer" in message) {
    questions.get(message.answer)(message.token);
    questions.delete(message.answer);
  } else {
    obey(message);
  }
});
lines.on("close", () => process.exit(0));
