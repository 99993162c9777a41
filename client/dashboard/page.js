// Asks for the newest document once a second, and shows it; says so when nobody answers, and goes on by itself.

const at = (id) => document.getElementById(id);
const plots = { down: new Plot(at("down")), up: new Plot(at("up")) };
const ASK_EVERY_MS = 1000;
const ASK_AGAIN_MS = 200; // while the first answer is on its way
const ANSWER_WITHIN_MS = 10000;

function showNotices(notices) {
  keep(at("notices"), notices, (notice) => notice.title + notice.text, (notice) => {
    const box = make("div", `notice ${notice.tone}`);
    box.append(make("strong", "", notice.title), make("span", "", notice.text));
    return box;
  }, () => {});
}

function showState(word, tone) {
  at("state").className = `chip ${tone}`;
  setText(at("state"), word);
}

function noticesOf(status) {
  const notices = status.warnings.map((text) => ({ tone: "warn", title: "Worth knowing", text }));
  if (status.paused) {
    notices.unshift({ tone: "warn", title: "All downloads are paused.", text: "blobctl resume --everything ends that." });
  }
  if (status.disk_reason) notices.unshift({ tone: "warn", title: "The disk takes nothing more.", text: status.disk_reason });
  if (status.degraded) notices.unshift({ tone: "bad", title: "blobd takes no downloads now.", text: status.degraded });
  return notices;
}

function showFacts(status) {
  const facts = [
    ["Requests", status.requests.toLocaleString("en")],
    ["Transfers", status.transfers.toLocaleString("en")],
    ["Store", `${size(status.store)}, ${count(status.blobs, "whole blob", "whole blobs")}`],
    ["Disk", `${size(status.disk_free)} free`],
    ["Got since it started", size(status.verified)],
    ["Given", size(status.sent)],
  ];
  keep(at("facts"), facts, (fact) => fact[0], (fact) => {
    const pair = make("div");
    pair.append(make("dt", "", fact[0]), make("dd"));
    return pair;
  }, (pair, fact) => setText(pair.children[1], fact[1]));
}

function serving(status) {
  if (status.served_nodes > 0) return `to ${count(status.served_nodes, "node", "nodes")}`;
  return status.serve === "nobody" ? "this daemon serves nobody" : "nobody gets anything from here now";
}

function showPlots(data) {
  const { history } = data;
  const current = data.trouble || !data.status ? { down: null, up: null } : data.status;
  // Colours first where shares are shown, so that those stand out from each other.
  const sharing = (data.downloads || []).flatMap((download) => download.shares.map((share) => share.provider));
  freeColours(new Set([...sharing, ...history.providers.map((each) => each.provider)]));
  sharing.forEach(colourOf);
  // Who has no colour is among the others.
  const plotted = history.providers.filter((each) => colourOf(each.provider) !== GREY);
  const layers = plotted.map((each) => ({
    name: each.provider,
    shown: providerName(each.provider, each.mirror),
    colour: colourOf(each.provider),
    values: each.down,
  }));
  const rest = history.down.map((all, i) => Math.max(0, all - layers.reduce((sum, layer) => sum + layer.values[i], 0)));
  const isMore = rest.some((value, i) => value > 1 + 0.05 * history.down[i]);
  if (isMore) layers.push({ name: NOBODY, shown: "others", colour: "other", values: rest });
  const total = history.down.map((all, i) => layers.reduce((sum, layer) => sum + layer.values[i], 0));
  plots.down.show(history, data.now_ms, current.down, total, layers, "nothing has come lately");
  at("up").classList.add("single");
  plots.up.show(history, data.now_ms, current.up, history.up, [{ name: NOBODY, colour: "c7", values: history.up }], serving(data.status));
}

// `more`: there may be.
function showCount(head, number, more = false) {
  const node = at(head);
  if (node.children.length === 0) node.append(make("span", "count"));
  setText(node.children[0], number > 0 ? number.toLocaleString("en") + (more ? "+" : "") : "");
}

// Says that what is shown is not all.
function showMore(id, shown, more) {
  at(id).hidden = !more;
  const first = shown > 0 ? `These are the first ${shown}` : "Not all were looked at";
  setText(at(id), `${first}; “blobctl requests” lists all of them.`);
}

// A request stays the same when its first intent goes.
const keyOf = (request) => (request.hash ? `${request.hash} ${request.collection}` : `intent ${request.intent}`);

function showLists(data) {
  keep(at("downloads"), data.downloads, keyOf, makeDownload, showDownload);
  at("downloads-none").hidden = data.downloads.length > 0 || data.downloads_more;
  showCount("downloads-head", data.downloads.length, data.downloads_more);
  showMore("downloads-more", data.downloads.length, data.downloads_more);

  keep(at("waiting"), data.waiting, keyOf, makeWaiting,
       (card, each) => showWaiting(card, each, data.now_ms));
  at("waiting-none").hidden = data.waiting.length > 0 || data.waiting_more;
  showCount("waiting-head", data.waiting.length, data.waiting_more);
  showMore("waiting-more", data.waiting.length, data.waiting_more);

  const names = {};
  const rows = data.providers.length > 0 ? [names, ...data.providers] : [];
  keep(at("providers"), rows, (each) => (each === names ? NOBODY : each.provider), (each) => {
    if (each !== names) return makeProviderRow();
    const head = make("div", "provider names");
    for (const name of ["provider", "state", "address", "round trip", "down", "up"]) head.append(make("span", "", name));
    return head;
  }, (row, each) => {
    if (each !== names) showProviderRow(row, each);
  });
  at("providers").hidden = data.providers.length === 0;
  at("providers-none").hidden = data.providers.length > 0;
  showCount("providers-head", data.providers.length + data.providers_more);
  at("providers-more").hidden = data.providers_more === 0;
  setText(at("providers-more"), `${count(data.providers_more, "more provider", "more providers")}.`);
}

let answeredAt = 0; // when the document was last of a daemon that answered

function show(data) {
  const isNew = data.answered && !data.trouble;
  at("all").hidden = !data.answered && answeredAt === 0;
  at("all").classList.toggle("old", !isNew);
  if (data.trouble) {
    const old = answeredAt > 0 ? ` What is below is ${duration(data.now_ms - answeredAt)} old.` : "";
    showState(data.reachable ? "no answer" : "not reached", "bad");
    const title = data.reachable ? "Nothing new comes from blobd." : "blobd cannot be reached.";
    const then = data.reachable ? "This page asks again by itself." : "This page goes on by itself when it is back.";
    showNotices([{ tone: "bad", title, text: `${data.trouble}. ${then}` }]);
    setText(at("age"), old);
    document.title = `${data.reachable ? "no answer" : "not reached"} – blobd`;
  } else if (!data.answered) {
    showState("asking blobd …", "");
    showNotices([]);
  }
  if (!data.answered) return;
  showPlots(data);
  showFacts(data.status);
  showLists(data);
  if (!isNew) return;
  answeredAt = data.now_ms;
  setText(at("age"), "");
  showNotices(noticesOf(data.status));
  showState(data.status.state, data.status.state === "running" && !data.status.paused ? "good" : "warn");
  setText(at("who"), `version ${data.status.version} · node ${shortId(data.status.node_id)} · up for ${duration(data.now_ms - data.status.started_ms)}`);
  document.title = data.status.down > 0 ? `${rate(data.status.down)} – blobd` : "blobd";
}

function showEnded() {
  at("all").hidden = answeredAt === 0;
  at("all").classList.add("old");
  showState("ended", "bad");
  showNotices([{ tone: "bad", title: "The dashboard does not answer any more.", text: "Start “blobctl dashboard” again, and open the address that it prints." }]);
  document.title = "ended – blobd";
}

// Says whether there was something to show.
async function ask() {
  let data = null;
  try {
    const address = new URL("data", location.href.replace(/[?#].*/, "").replace(/\/?$/, "/"));
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (answer.ok) data = await answer.json();
  } catch (error) {
    // It has ended, or is another one by now.
  }
  if (data === null) showEnded();
  else show(data);
  return data === null || data.answered || data.trouble !== "";
}

// One at a time, so that an older answer never takes the place of a newer one.
let asking = null;
function askOnce() {
  if (asking === null) asking = ask().finally(() => { asking = null; });
  return asking;
}

async function follow() {
  for (;;) {
    const isThere = document.hidden || await askOnce();
    await new Promise((resolve) => setTimeout(resolve, isThere ? ASK_EVERY_MS : ASK_AGAIN_MS));
  }
}

at("all").hidden = true;
document.addEventListener("visibilitychange", () => { if (!document.hidden) askOnce(); });
follow();
