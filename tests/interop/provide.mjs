// A real iroh 0.35 node that shares files and directories until standard input is closed or SIGTERM comes.
//
//   node provide.mjs [--store DIR] [--host IPV4] [--in-place] [--events] PATH...
//
// Prints one line of JSON per event: "share" (path, hash, format, size, ticket, node_id, addresses) for every PATH, then
// "ready". Commands are lines of JSON on standard input: {"op":"add","path":P} shares one more; with "format":"HashSeq"
// the file at P is shared as a hash sequence whose children were added before. --events also reports what it serves.
import { parseArgs } from 'node:util';

import { addPath, addressOf, say, serveCommands, startNode, ticketFor } from './node035.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string' },
    host: { type: 'string' },
    'in-place': { type: 'boolean', default: false },
    events: { type: 'boolean', default: false },
  },
});

// Progress comes for every chunk group and tells a test nothing.
const report = (event) => !event.transferProgress && say({ event: 'served', ...event });
const onBlobEvent = values.events ? report : undefined;
const node = await startNode({ store: values.store, host: values.host, onBlobEvent });
const address = await addressOf(node);

async function share(path, format) {
  const added = await addPath(node, path, { inPlace: values['in-place'] });
  if (format) added.format = format;
  const ticket = ticketFor(address, added.hash, added.format);
  say({ event: 'share', ...added, ticket, node_id: address.nodeId, addresses: address.addresses });
}

for (const path of positionals) await share(path);
say({ event: 'ready', node_id: address.nodeId, addresses: address.addresses });
await serveCommands(async (command) => {
  if (command.op !== 'add') throw new Error(`unknown command ${command.op}`);
  await share(command.path, command.format);
});
await node.node.shutdown();
process.exit(0);
