// What a Get request asks for, and how the bytes of its answer are laid out, so that a test can name the byte to spoil
// and say which chunk groups went over the wire. Follows protocol/blobs.md, sections 3 to 5.

const kChunk = 1024;
const kGroupChunks = 16;

// Reads postcard varints from a Buffer. Boundaries near 2^64 lose their low bits here, which is harmless: they only ever
// mean "past the end".
class Postcard {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  varint() {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.bytes.length) throw new Error('request ends early');
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
    throw new Error('varint too long');
  }
  take(length) {
    if (this.at + length > this.bytes.length) throw new Error('request ends early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

// The chunk ranges of one range spec, as [start, end) pairs; an open end is Infinity.
function readRanges(input) {
  const widths = Array.from({ length: input.varint() }, () => input.varint());
  const ranges = [];
  let at = 0;
  widths.forEach((width, i) => {
    at += width;
    if (i % 2 === 0) ranges.push([at, Infinity]);
    else ranges.at(-1)[1] = at;
  });
  return ranges.filter(([start, end]) => start < end);
}

// A Get request: its hash in hex, and runs of blobs that share their chunk ranges. The last run has no end.
export function decodeRequest(bytes) {
  const input = new Postcard(bytes);
  const kind = input.varint();
  if (kind !== 0) throw new Error(`request of kind ${kind}`);
  const hash = Buffer.from(input.take(32)).toString('hex');
  const runs = [];
  for (let left = input.varint(), first = 0; left > 0; --left) {
    first += input.varint();
    if (runs.length) runs.at(-1).end = first;
    runs.push({ first, end: Infinity, ranges: readRanges(input) });
  }
  return { hash, runs };
}

// The chunk ranges that `request` selects of the blob at `index`; empty: nothing.
export function rangesOf(request, index) {
  return request.runs.find((run) => index >= run.first && index < run.end)?.ranges ?? [];
}

// The index behind the last blob that the request can select; Infinity for an open request.
export function endOf(request) {
  return Math.max(0, ...request.runs.filter((run) => run.ranges.length).map((run) => run.end));
}

// How many of the chunks [a, z) are selected, where the chunk at `last` also stands for everything behind it.
function selected(ranges, last, a, z) {
  let count = 0;
  for (const [start, end] of ranges) count += Math.max(0, Math.min(z, end) - Math.max(a, start));
  const pastEnd = ranges.some(([, end]) => end > last);
  const hasLast = ranges.some(([start, end]) => start <= last && end > last);
  if (pastEnd && !hasLast && a <= last && z > last) ++count;
  return count;
}

// The parts of one blob's encoding in order: {type: 'pair', length: 64} or {type: 'leaf', start, length} in bytes.
export function* encodingOf(size, ranges) {
  const chunks = Math.max(1, Math.ceil(size / kChunk));
  const stack = [[0, chunks]];
  while (stack.length) {
    const [a, z] = stack.pop();
    const count = selected(ranges, chunks - 1, a, z);
    if (count === 0) continue;
    if (z - a === 1 || (z - a <= kGroupChunks && count === z - a)) {
      const start = a * kChunk;
      yield { type: 'leaf', start, length: Math.min(size, z * kChunk) - start };
      continue;
    }
    yield { type: 'pair', length: 64 };
    let left = 1;
    while (left * 2 < z - a) left *= 2;
    stack.push([a + left, z], [a, a + left]);
  }
}
