// Two iroh 1.1 endpoints for the tests of pkarr and DNS.
//
//   node dial11.mjs serve SEED_HEX    prints {"id", "address"}, and takes connections until it is ended
//   node dial11.mjs dial NODE_ID      connects by the id alone, as n0's preset looks nodes up, and prints {"connected"}
import { Endpoint, EndpointAddr, EndpointId, RelayMode, presetMinimal, presetN0DisableRelay } from 'iroh11';

import { say } from './node035.mjs';

const kAlpn = [...Buffer.from('blobd-test/1')];
const [command, argument] = process.argv.slice(2);
const bytes = [...Buffer.from(argument, 'hex')];

async function bound(preset, seed) {
  const builder = Endpoint.builder();
  preset(builder);
  builder.relayMode(RelayMode.disabled());
  builder.bindAddr('127.0.0.1:0');
  if (seed !== undefined) builder.secretKey(seed);
  builder.alpns([kAlpn]);
  return builder.bind();
}

if (command === 'dial') {
  const endpoint = await bound(presetN0DisableRelay);
  await endpoint.connect(new EndpointAddr(EndpointId.fromBytes(bytes), null, []), kAlpn);
  say({ connected: argument });
  process.exit(0);
}
const endpoint = await bound(presetMinimal, bytes);
say({ id: endpoint.id().toString(), address: endpoint.boundSockets()[0] });
for (;;) {
  const incoming = await endpoint.acceptNext();
  if (incoming === null) break;
  incoming.accept().then((accepting) => accepting.connect()).catch(() => {});
}
