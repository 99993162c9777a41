// An iroh 1.1 endpoint that speaks the blobs protocol as a provider and lies as told. True answers come from a real
// iroh 0.35 node in the same process, which gets every request as it came; only the answer is spoilt on its way.
//
//   node liar.mjs [--lie JSON] [--store DIR] [--seed HEX] PATH...
//
// Prints lines of JSON: "share" for every PATH and "ready", as provide.mjs does; then per request "request" (id, peer,
// hash, runs of chunk ranges) and "response" (id, sent: bytes given to QUIC; data: [blob index, start, end] of content
// sent; end: how it ended). {"op":"lie", ...} on standard input changes the lie for what is sent from then on;
// {"op":"report"} prints all requests so far, running ones too, and the UDP bytes sent on all connections.
//
// A lie is an object; what it leaves out is honest:
//   flip: "size" | "pair" | "data" | "last"   one bit is flipped in the size header, in a pair, a leaf, the last leaf
//   nth: which pair or leaf of the answer (0), bit: which bit of it (0), blob: only in the blob at this index
//   stop_after: bytes of the answer after which it ends, by how: "fin" | "reset" | "close" | "hang" (fin); code (3)
//   rate: bytes per second
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { Endpoint, RelayMode, presetMinimal } from 'iroh11';

import { addPath, addressOf, kAlpn, say, serveCommands, startNode, ticketFor } from './node035.mjs';
import { decodeRequest, encodingOf, endOf, rangesOf } from './response.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lie: { type: 'string', default: '{}' }, store: { type: 'string' }, seed: { type: 'string' } },
});
let lie = JSON.parse(values.lie);

const origin = await startNode({ store: values.store });
const originAddress = await addressOf(origin);
const asker = await startNode();
const toOrigin = await asker.node.endpoint().connect(originAddress, kAlpn);

const builder = Endpoint.builder();
presetMinimal(builder);
builder.relayMode(RelayMode.disabled());
builder.alpns([[...kAlpn]]);
builder.bindAddr('127.0.0.1:0');
if (values.seed) builder.secretKey([...Buffer.from(values.seed, 'hex')]);
const endpoint = await builder.bind();
const address = {
  nodeId: Buffer.from(endpoint.id().toBytes()).toString('hex'),
  addresses: endpoint.boundSockets().filter((socket) => socket.startsWith('127.0.0.1:')),
};

// The true answer, read in pieces of known length.
class Answer {
  constructor(stream) {
    this.stream = stream;
    this.held = Buffer.alloc(0);
  }
  // `length` bytes, or fewer if the answer ends before.
  async take(length) {
    const pieces = [this.held];
    let have = this.held.length;
    while (have < length) {
      const piece = Buffer.alloc(65536);
      const count = await this.stream.read(piece);
      if (count === null) break;
      pieces.push(piece.subarray(0, Number(count)));
      have += Number(count);
    }
    const all = Buffer.concat(pieces);
    this.held = all.subarray(length);
    return Buffer.from(all.subarray(0, length));
  }
}

// The answer in named parts: {type, index, start, bytes}. Ends where the true answer ends.
async function* partsOf(request, answer) {
  for (let index = 0; index < endOf(request); ++index) {
    const ranges = rangesOf(request, index);
    if (!ranges.length) continue;
    const header = await answer.take(8);
    if (header.length < 8) return;
    const size = Number(header.readBigUInt64LE());
    yield { type: 'size', index, bytes: header };
    let held;
    for (const part of encodingOf(size, ranges)) {
      const bytes = await answer.take(part.length);
      if (held) yield held;
      held = { ...part, index, bytes };
      if (bytes.length < part.length) break;
    }
    if (held) yield { ...held, isLast: true };
  }
}

function isInScope(part) {
  return lie.blob === undefined || lie.blob === part.index;
}

// Whether the lie's flip is due in this part. `seen` counts the parts in its scope by type.
function isFlipped(part, seen) {
  if (part.bytes.length === 0 || !isInScope(part)) return false;
  if (lie.flip === 'last') return part.type === 'leaf' && part.isLast === true;
  const type = { size: 'size', pair: 'pair', data: 'leaf' }[lie.flip];
  return part.type === type && seen[type] === (lie.nth ?? 0);
}

// What was sent of one answer, batched into larger writes unless a rate is to be kept.
class Sender {
  constructor(stream) {
    this.stream = stream;
    this.sent = 0;
    this.batch = [];
    this.waiting = 0;
  }
  // Returns false when the lie says that the answer ends here.
  async send(bytes) {
    const left = lie.stop_after === undefined ? Infinity : lie.stop_after - this.sent - this.waiting;
    const piece = bytes.subarray(0, Math.max(0, Math.min(bytes.length, left)));
    this.batch.push(piece);
    this.waiting += piece.length;
    if (lie.rate || this.waiting >= 32768) await this.flush();
    return piece.length === bytes.length && left > bytes.length;
  }
  async flush() {
    const bytes = Buffer.concat(this.batch);
    this.batch = [];
    this.waiting = 0;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + (lie.rate ? Math.max(1, Math.min(16384, lie.rate / 10)) : 65536));
      await this.stream.writeAll(Array.from(piece));
      this.sent += piece.length;
      at += piece.length;
      if (lie.rate) await sleep((piece.length * 1000) / lie.rate);
    }
  }
}

function extend(data, part, length) {
  const tail = data.at(-1);
  if (tail && tail[0] === part.index && tail[2] === part.start) tail[2] += length;
  else data.push([part.index, part.start, part.start + length]);
}

async function relay(request, answer, sender, data) {
  const seen = { size: 0, pair: 0, leaf: 0 };
  for await (const part of partsOf(request, answer)) {
    if (isFlipped(part, seen)) part.bytes[(lie.bit ?? 0) >> 3] ^= 1 << ((lie.bit ?? 0) & 7);
    if (isInScope(part)) ++seen[part.type];
    const goesOn = await sender.send(part.bytes);
    if (goesOn && part.type === 'leaf') extend(data, part, part.bytes.length);
    if (!goesOn) return false;
  }
  return true;
}

async function finish(connection, stream, how) {
  if (how === 'hang') return new Promise(() => {});
  if (how === 'reset') return stream.send.reset(BigInt(lie.code ?? 3));
  if (how === 'close') return connection.close(BigInt(lie.code ?? 1), []);
  return stream.send.finish();
}

const connections = [];
const exchanges = [];

function report() {
  const requests = exchanges.map(({ sender, ...exchange }) => ({ ...exchange, sent: sender.sent }));
  const wireBytes = connections.reduce((sum, connection) => sum + connection.stats().udpTxBytes, 0);
  say({ event: 'report', requests, wire_bytes: wireBytes });
}

async function answerRequest(connection, stream) {
  const id = exchanges.length + 1;
  const data = [];
  const sender = new Sender(stream.send);
  const peer = Buffer.from(connection.remoteId().toBytes()).toString('hex');
  const exchange = { id, peer, hash: null, runs: [], data, sender };
  exchanges.push(exchange);
  const response = (end) => say({ event: 'response', id, sent: sender.sent, data, end });
  try {
    const bytes = Buffer.from(await stream.recv.readToEnd(1 << 20));
    const request = decodeRequest(bytes);
    Object.assign(exchange, request);
    say({ event: 'request', id, peer, ...request });
    const upstream = await toOrigin.openBi();
    await upstream.send.writeAll(bytes);
    await upstream.send.finish();
    const complete = lie.stop_after !== 0 && (await relay(request, new Answer(upstream.recv), sender, data));
    await sender.flush();
    const how = complete ? 'fin' : (lie.how ?? 'fin');
    response(how);
    await finish(connection, stream, how);
  } catch (error) {
    response(`broken: ${error}`);
  }
}

async function serveConnection(incoming) {
  const connection = await (await incoming.accept()).connect();
  connections.push(connection);
  for (;;) answerRequest(connection, await connection.acceptBi());
}

async function acceptAll() {
  for (let incoming; (incoming = await endpoint.acceptNext()); ) serveConnection(incoming).catch(() => {});
}

async function share(path, format) {
  const added = await addPath(origin, path);
  if (format) added.format = format;
  const ticket = ticketFor(address, added.hash, added.format);
  say({ event: 'share', ...added, ticket, node_id: address.nodeId, addresses: address.addresses });
}

for (const path of positionals) await share(path);
acceptAll();
say({ event: 'ready', node_id: address.nodeId, addresses: address.addresses });
await serveCommands(async ({ op, path, format, ...rest }) => {
  if (op === 'add') return share(path, format);
  if (op === 'report') return report();
  if (op !== 'lie') throw new Error(`unknown command ${op}`);
  lie = rest;
  say({ event: 'lie', ...lie });
});
process.exit(0);
