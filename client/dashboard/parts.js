// Pieces of the page. Whatever text comes from the daemon gets in by setText and by nothing else: it is shown, and never
// read as HTML.

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeSvg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// Leaves alone what is right already, so that a selection stays.
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Makes the children of `parent` one for each item, in their order. A child that stands for the same key stays; of items
// with the same key each has a child of its own.
function keep(parent, items, keyOf, create, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const seen = new Map();
  let next = parent.firstElementChild;
  for (const item of items) {
    const same = String(keyOf(item));
    const nth = (seen.get(same) || 0) + 1;
    seen.set(same, nth);
    const key = `${nth} ${same}`;
    let child = before.get(key);
    before.delete(key);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    update(child, item);
  }
  for (const gone of before.values()) gone.remove();
}

// Each provider keeps its colour for as long as it is shown. There are eight; who comes when all are taken is grey, until
// one is free: the same colour never stands for two of them.
const OWN_COLOURS = 8;
const GREY = "other";
const colours = new Map();
function colourOf(provider) {
  if (!colours.has(provider)) {
    const taken = new Set(colours.values());
    let own = 0;
    while (own < OWN_COLOURS && taken.has(`c${own}`)) ++own;
    colours.set(provider, own < OWN_COLOURS ? `c${own}` : GREY);
  }
  return colours.get(provider);
}

// Takes back the colours of those who are not among `shown`, if somebody lacks one.
function freeColours(shown) {
  if (![...colours.values()].includes(GREY)) return;
  for (const [provider, colour] of [...colours]) {
    if (colour === GREY || !shown.has(provider)) colours.delete(provider);
  }
}

// A list that was cut has a last row that says so.
const withMore = (rows, more) => (more > 0 ? [...rows, { provider: NOBODY, more }] : rows);
function makeOrMore(makeRow) {
  return (row) => (row.more ? make("li", "more") : makeRow());
}
function showOrMore(showRow) {
  return (node, row) => (row.more ? setText(node, `and ${count(row.more, "more provider", "more providers")}`) : showRow(node, row));
}

function makeProvider() {
  const node = make("span", "cut");
  node.append(make("span", "dot"), make("bdi", "mono"));
  return node;
}

function showProvider(node, each, hasColour = true) {
  node.children[0].className = `dot ${hasColour ? colourOf(each.provider) : "other"}`;
  setText(node.children[1], providerName(each.provider, each.mirror));
  node.children[1].title = each.provider || HIDDEN;
}

// A value of a row; where there is none, narrow screens leave it out.
function setValue(node, text) {
  setText(node, text);
  node.classList.toggle("none", text === NONE);
}

function setTrouble(node, text) {
  node.hidden = !text;
  setText(node, text);
}

function makeShare() {
  const row = make("li", "share");
  row.append(makeProvider(), make("span", "part"), make("span"), make("span"), make("span", "soft"),
             make("span", "trouble"));
  return row;
}

function showShare(row, share) {
  const [provider, part, bytes, now, state, trouble] = row.children;
  showProvider(provider, share);
  setText(part, percent(share.share));
  setText(bytes, size(share.bytes));
  setValue(now, rateOrNone(share.rate));
  setText(state, share.running > 0 || share.state === "failed" ? share.state : "rests");
  setTrouble(trouble, share.trouble);
}

// Of transfers that the daemon has forgotten nobody knows who they were from.
const BEFORE = "from before, or not known any more";

function makeDownload() {
  const card = make("article", "card download");
  const head = make("header", "head");
  const title = make("h3");
  title.append(make("bdi"));
  head.append(title, make("span", "rate"));
  const bar = make("div", "bar");
  bar.setAttribute("role", "progressbar");
  card.append(head, make("p", "under"), bar, make("p", "figures"), make("ul", "lines"));
  return card;
}

function underOf(each) {
  const words = [];
  if (each.hash) words.push(`${each.collection ? "collection " : ""}${shortId(each.hash)}`);
  if (each.total_blobs > 0) words.push(`${each.complete_blobs} of ${count(each.total_blobs, "blob", "blobs")}`);
  words.push(each.intents > 1 ? `${count(each.intents, "intent", "intents")}, first ${each.intent}` : `intent ${each.intent}`);
  return words.join(" · ");
}

function showDownload(card, each) {
  const [head, under, bar, figures, shares] = card.children;
  const total = each.total || each.claimed;
  const held = each.verified + each.unproven;
  setText(head.children[0].children[0], nameOf(each));
  setText(head.children[1], rateOrNone(each.rate));
  setText(under, underOf(each));

  // What providers brought twice is drawn once: together the pieces are as long as what is held.
  const pieces = [{ provider: null, bytes: each.here_before }, ...each.shares].filter((piece) => piece.bytes > 0);
  const sum = pieces.reduce((all, piece) => all + piece.bytes, 0);
  const width = (bytes) => (total > 0 && sum > 0 ? (Math.min(1, held / total) * bytes * 100) / sum : 0);
  keep(bar, pieces, (piece) => piece.provider ?? NOBODY, () => make("span"), (node, piece) => {
    node.className = piece.provider === null ? "other" : colourOf(piece.provider);
    node.style.width = `${width(piece.bytes).toFixed(2)}%`;
    node.title = piece.provider === null ? BEFORE : piece.provider || HIDDEN;
  });
  if (total > 0) bar.setAttribute("aria-valuenow", Math.floor((held * 100) / total));

  const facts = [];
  if (total > 0) facts.push(percent(Math.min(1, held / total)));
  facts.push(total > 0 ? `${size(held)} of ${size(total)}` : `${size(held)}, size not known yet`);
  if (each.unproven > 0) facts.push(`${size(each.unproven)} not proven yet`);
  if (each.here_before > 0) facts.push(`${size(each.here_before)} ${BEFORE}`);
  if (each.rate > 0 && total > held) facts.push(`${duration(((total - held) * 1000) / each.rate)} left`);
  keep(figures, facts.map((text, i) => ({ text, i })), (fact) => fact.i,
       (fact) => make(fact.i === 0 ? "b" : "span"), (node, fact) => setText(node, fact.text));

  keep(shares, withMore(each.shares, each.shares_more), (share) => share.provider, makeOrMore(makeShare), showOrMore(showShare));
  shares.hidden = each.shares.length === 0;
}

function makeWaiting() {
  const card = make("article", "card waits");
  const head = make("header", "head");
  const title = make("h3");
  title.append(make("bdi"));
  head.append(title, make("span", "chip warn"));
  card.append(head, make("p", "under"), make("p", "sentence"), make("ul", "lines"));
  return card;
}

function makeWhy() {
  const row = make("li", "why");
  row.append(makeProvider(), make("span"), make("span", "trouble"));
  return row;
}

function showWaiting(card, each, now) {
  const [head, under, sentence, providers] = card.children;
  setText(head.children[0].children[0], nameOf(each));
  head.children[1].className = `chip ${["waiting", "parked"].includes(each.state) ? "warn" : ""}`;
  setText(head.children[1], each.state);
  const held = each.verified + each.unproven;
  const have = held > 0 ? ` · ${size(held)}${each.total > 0 ? ` of ${size(each.total)}` : ""} here` : "";
  const since = each.since_ms > 0 ? ` · for ${duration(now - each.since_ms)}` : "";
  setText(under, underOf(each) + have + since);
  const why = each.sentence || "may start as soon as there is room";
  setText(sentence, `It ${why}.`);
  const showWhy = (row, provider) => {
    showProvider(row.children[0], provider, false);
    setText(row.children[1], provider.sentence);
    setTrouble(row.children[2], provider.last_error);
  };
  keep(providers, withMore(each.providers, each.providers_more), (provider) => provider.provider, makeOrMore(makeWhy), showOrMore(showWhy));
  providers.hidden = each.providers.length === 0;
}

function makeProviderRow() {
  const row = make("div", "provider");
  row.append(makeProvider(), make("span", "soft"), make("span", "soft"), make("span", "soft"), make("span"), make("span"),
             make("span", "trouble"));
  return row;
}

function showProviderRow(row, each) {
  const [name, state, address, rtt, down, up, trouble] = row.children;
  showProvider(name, each, colours.has(each.provider));
  setText(state, each.transfers > 0 ? `${each.state}, ${count(each.transfers, "transfer", "transfers")}` : each.state);
  setValue(address, each.mirror ? "mirror" : each.address || NONE);
  setValue(rtt, roundTrip(each.rtt_us));
  setValue(down, each.down > 0 ? `↓ ${rate(each.down)}` : NONE);
  setValue(up, each.up > 0 ? `↑ ${rate(each.up)}` : NONE);
  setTrouble(trouble, each.trouble);
}
