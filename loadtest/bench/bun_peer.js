// The peer on Bun: one process, its own publish and subscribe, nothing else on the way.
// `bun run bun_peer.js PORT ROOM` serves viewers and takes events on one port.

const [port, room] = process.argv.slice(2);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  async fetch(request) {
    if (request.method === "POST") {
      server.publish(room, await request.text());
      return new Response("{}");
    }
    if (server.upgrade(request)) return undefined;
    return Response.json({ viewers: server.subscriberCount(room) });
  },
  websocket: {
    perMessageDeflate: false,
    open(viewer) {
      viewer.subscribe(room);
      viewer.send('{"hello":"viewer"}');
    },
    message() {},
  },
});
