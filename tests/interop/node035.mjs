// A real iroh 0.35 node on loopback: what provide.mjs, fetch.mjs and liar.mjs share.
//
// Discovery is off and only loopback addresses are bound, unless another host is named. The binding has no switch for relays: such a node asks for the
// public relays by name, learns nothing where there is no network, and never needs one here, since tickets carry
// addresses. (Waiting for that answer costs up to 3 s at the start, nothing in a network namespace of its own.)
import { mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { BlobTicket, Hash, Iroh, SetTagOption } from 'iroh035';

export const kAlpn = Buffer.from('/iroh-bytes/4');

const ending = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => ending.abort());

// Starts a node on the IPv4 address `host`, with its store in directory `store`, or in memory if that is undefined.
export async function startNode({ store, onBlobEvent, host = '127.0.0.1' } = {}) {
  const options = { ipv4Addr: `${host}:0`, ipv6Addr: '[::1]:0', nodeDiscovery: 'None' };
  if (onBlobEvent) {
    // The binding complains about a callback that returns anything.
    options.blobEvents = (error, event) => {
      if (!error) onBlobEvent(event);
    };
  }
  if (!store) return Iroh.memory(options);
  mkdirSync(store, { recursive: true });
  return Iroh.persistent(resolve(store), options);
}

// Where `node` can be dialled: its id and loopback addresses.
export async function addressOf(node) {
  const status = await node.node.status();
  return { nodeId: status.addr.nodeId, addresses: status.listenAddrs };
}

// Adds a file as a blob, or a directory as a collection. With `inPlace` the node keeps a reference instead of a copy.
export async function addPath(node, path, { inPlace = false } = {}) {
  const absolute = resolve(path);
  const wrap = { wrap: statSync(absolute).isDirectory() };
  let done;
  await new Promise((settle, fail) => {
    node.blobs
      .addFromPath(absolute, inPlace, SetTagOption.auto(), wrap, (error, event) => {
        if (error) fail(error);
        if (event?.allDone) {
          done = event.allDone;
          settle();
        }
      })
      .catch(fail);
  });
  const size = Number(await node.blobs.size(done.hash));
  return { path, hash: hexOfHash(done.hash), format: done.format, size };
}

export function hexOfHash(text) {
  return Buffer.from(Hash.fromString(text).toBytes()).toString('hex');
}

export function ticketFor(address, hash, format) {
  return new BlobTicket(address, hash, format).toString();
}

// One line of JSON on standard output: what the tests read.
export function say(event) {
  process.stdout.write(`${JSON.stringify(event, (_, v) => (typeof v === 'bigint' ? Number(v) : v))}\n`);
}

// Runs `onCommand` for every line of JSON on standard input, one after the other; returns when it is closed or when
// the process is asked to end.
export async function serveCommands(onCommand) {
  const lines = createInterface({ input: process.stdin, signal: ending.signal });
  for await (const line of lines) {
    if (!line.trim()) continue;
    try {
      await onCommand(JSON.parse(line));
    } catch (error) {
      say({ event: 'error', message: String(error) });
    }
  }
}
