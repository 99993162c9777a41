// iroh 0.35's own import, as the yardstick: takes a file or a directory into a node's store and prints how long that took.
//
//   node add.mjs --store DIR PATH
//
// Prints one line of JSON: hash, format, size, seconds, cpu_seconds; the start of the node is not counted.
import { parseArgs } from 'node:util';

import { addPath, say, startNode } from './node035.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { store: { type: 'string' } } });
const node = await startNode({ store: values.store });

const started = performance.now();
const cpuBefore = process.cpuUsage();
const added = await addPath(node, positionals[0]);
const seconds = (performance.now() - started) / 1000;
const cpu = process.cpuUsage(cpuBefore);
say({ hash: added.hash, format: added.format, size: added.size, seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6 });
process.exit(0);
