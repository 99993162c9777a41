// Numbers and names as text, in the words and units of blobctl.

function scaled(value, step, names) {
  let unit = 0;
  while (unit + 1 < names.length && value >= step) {
    value /= step;
    ++unit;
  }
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${Number(value.toFixed(digits))} ${names[unit]}`;
}

const size = (bytes) => scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const rate = (perSecond) => scaled(perSecond, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]);
const NONE = "–";
const rateOrNone = (perSecond) => (perSecond > 0 ? rate(perSecond) : NONE);
// Never more than it is: 100 % is all.
function percent(part) {
  const digits = part > 0 && part < 0.1 ? 1 : 0;
  return `${(Math.floor(part * 100 * 10 ** digits) / 10 ** digits).toFixed(digits)} %`;
}
const roundTrip = (us) => (us > 0 ? `${(us / 1000).toFixed(1)} ms` : NONE);

function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

function count(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

const shortId = (id) => id.slice(0, 10);
// Where its name would tell a hash that is not ours to know, blobd leaves it out.
const HIDDEN = "hidden";
// The key of what no provider brought: none has a space in its name.
const NOBODY = "no provider";
const providerName = (provider, isMirror) => (isMirror ? provider : shortId(provider)) || HIDDEN;

// The last part of a mirror's address as its owner would write it.
function fileName(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    return part;
  }
}

// What people call a download: its label, a mirror's file, or the beginning of its hash.
function nameOf(download) {
  if (download.label) return download.label;
  if (download.file) return fileName(download.file);
  return download.hash ? shortId(download.hash) : "private content of somebody else";
}
