// An iroh 1.1 endpoint that speaks the blobs protocol as a getter: asks one node for whole blobs over one connection,
// all streams at the same time, and writes the content of each.
//
//   node get11.mjs --node NODE_ID [--address IP:PORT] --out DIR HASH...
//
// Without an address the node is looked up as n0's preset does it.
// Prints one line of JSON per blob: hash, bytes (of the answer), end: "fin", or "reset" with its code; the content is in
// DIR/HASH if the answer is complete. It is not verified here: the test compares it with what was shared.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Endpoint, EndpointAddr, EndpointId, RelayMode, presetMinimal, presetN0DisableRelay } from 'iroh11';

import { kAlpn, say } from './node035.mjs';
import { encodingOf } from './response.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string' }, address: { type: 'string' }, out: { type: 'string' } },
});

const builder = Endpoint.builder();
(values.address ? presetMinimal : presetN0DisableRelay)(builder);
builder.relayMode(RelayMode.disabled());
builder.bindAddr('127.0.0.1:0');
const endpoint = await builder.bind();
const peer = new EndpointAddr(EndpointId.fromBytes([...Buffer.from(values.node, 'hex')]), null, values.address ? [values.address] : []);
const connection = await endpoint.connect(peer, [...kAlpn]);

async function readAll(stream) {
  const pieces = [];
  for (;;) {
    const piece = await stream.read(1 << 20);
    if (!piece || piece.length === 0) return Buffer.concat(pieces);
    pieces.push(Buffer.from(piece));
  }
}

// The content in a whole blob's answer; undefined if it is cut short or too long.
function contentOf(answer) {
  if (answer.length < 8) return undefined;
  const size = Number(answer.readBigUInt64LE());
  const leaves = [];
  let at = 8;
  for (const part of encodingOf(size, [[0, Infinity]])) {
    if (part.type === 'leaf') leaves.push(answer.subarray(at, at + part.length));
    at += part.length;
  }
  return at === answer.length ? Buffer.concat(leaves) : undefined;
}

async function get(hash) {
  const stream = await connection.openBi();
  const wholeBlob = [2, 0, 1, 0, 1, 0];
  await stream.send.writeAll([0, ...Buffer.from(hash, 'hex'), ...wholeBlob]);
  await stream.send.finish();
  try {
    const answer = await readAll(stream.recv);
    const content = contentOf(answer);
    if (content !== undefined) writeFileSync(join(values.out, hash), content);
    say({ hash, bytes: answer.length, end: 'fin' });
  } catch (error) {
    say({ hash, end: 'reset', code: (await stream.recv.receivedReset()) ?? String(error) });
  }
}

await Promise.all(positionals.map(get));
connection.close(0n, []);
await endpoint.close();
process.exit(0);
