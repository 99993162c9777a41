// iroh 0.35's own getter, as the yardstick: fetches what a ticket names and prints how long that took.
//
//   node fetch.mjs [--store DIR] [--host IPV4] [--out PATH] TICKET
//
// Prints one line of JSON: hash, format, bytes (of content, over the network), seconds (from asking to having all of it
// in the store; the start of the node is not counted), export_seconds if --out was given, cpu_seconds of the process for
// both.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { BlobTicket } from 'iroh035';

import { hexOfHash, say, startNode } from './node035.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { store: { type: 'string' }, host: { type: 'string' }, out: { type: 'string' } },
});
const ticket = BlobTicket.fromString(positionals[0]);
const node = await startNode({ store: values.store, host: values.host });

const started = performance.now();
const cpuBefore = process.cpuUsage();
const stats = await new Promise((settle, fail) => {
  node.blobs
    .download(ticket.hash, ticket.asDownloadOptions(), (error, event) => {
      if (error) fail(error);
      if (event?.abort) fail(new Error(event.abort.error));
      if (event?.allDone) settle(event.allDone);
    })
    .catch(fail);
}).catch((error) => {
  console.error(String(error));
  process.exit(1);
});
const result = {
  hash: hexOfHash(ticket.hash),
  format: ticket.format,
  bytes: stats.bytesRead,
  seconds: (performance.now() - started) / 1000,
};
if (values.out) {
  const exporting = performance.now();
  const format = ticket.recursive() ? 'Collection' : 'Blob';
  await node.blobs.export(ticket.hash, resolve(values.out), format, 'Copy');
  result.export_seconds = (performance.now() - exporting) / 1000;
}
const cpu = process.cpuUsage(cpuBefore);
result.cpu_seconds = (cpu.user + cpu.system) / 1e6;
say(result);
process.exit(0);
