// The rates of the last minutes, as areas on top of each other: one for each provider that brought much, and the rest.

// How much time is shown: whole minutes, as many as are known.
function spanOf(history, now) {
  const known = history.ms.length > 0 ? now - history.ms[0] : 0;
  return Math.min(history.length_ms, Math.max(1, Math.ceil(known / 60000 - 0.05)) * 60000);
}

// A short number, not below `value`.
function roundAbove(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1000)));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value);
}

// Samples that follow each other within this time belong together; between others nothing is known.
const GAP_MS = 4000;
const WIDTH = 1000;
const HEIGHT = 100;

// The times as runs without gaps: [first, last] indexes.
function runsOf(ms) {
  const runs = [];
  ms.forEach((time, i) => {
    if (i > 0 && time - ms[i - 1] <= GAP_MS) runs[runs.length - 1][1] = i;
    else runs.push([i, i]);
  });
  return runs;
}

class Plot {
  constructor(figure) {
    this.figure = figure;
    this.now = figure.querySelector("strong");
    this.ago = figure.querySelector(".ago");
    this.shown = { history: { ms: [] }, now: 0, current: 0, total: [], span: 1 };
    this.field = make("div", "field");
    this.svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    for (const part of [0, 0.5, 1]) {
      this.svg.append(makeSvg("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
    }
    this.areas = makeSvg("g", {});
    this.svg.append(this.areas);
    this.most = make("span", "tick");
    this.half = make("span", "tick");
    this.half.style.top = "50%";
    this.cursor = make("div", "cursor");
    this.cursor.hidden = true;
    this.field.append(this.svg, this.most, this.half, this.cursor);
    this.pointed = null; // where the pointer is, as a part of the width
    this.field.addEventListener("pointermove", (event) => {
      const box = this.field.getBoundingClientRect();
      this.pointed = (event.clientX - box.left) / box.width;
      this.showNumber();
    });
    this.field.addEventListener("pointerleave", () => {
      this.pointed = null;
      this.showNumber();
    });
    this.times = make("div", "times");
    this.since = make("span");
    this.times.append(this.since, make("span", "", "now"));
    this.legend = make("ul", "legend");
    figure.append(this.field, this.times, this.legend);
  }

  // null: it is not known.
  currentText() {
    return this.shown.current === null ? NONE : rate(this.shown.current);
  }

  // The rate now, or that at the time to which somebody points.
  showNumber() {
    const { history, now, current, total, span } = this.shown;
    const time = now - (1 - this.pointed) * span;
    const distance = (i) => Math.abs(history.ms[i] - time);
    let nearest = -1;
    if (this.pointed !== null) history.ms.forEach((_, i) => { if (nearest < 0 || distance(i) < distance(nearest)) nearest = i; });
    const isThere = nearest >= 0 && distance(nearest) <= GAP_MS;
    this.cursor.hidden = !isThere;
    if (isThere) this.cursor.style.left = `${100 * Math.max(0, 1 - (now - history.ms[nearest]) / span)}%`;
    setText(this.ago, isThere ? `${duration(now - history.ms[nearest])} ago` : "");
    setText(this.now, isThere ? rate(total[nearest]) : this.currentText());
  }

  // `layers`: {name, colour, values}, the lowest first; `total`: the values of all of it.
  show(history, now, current, total, layers, note) {
    const span = spanOf(history, now);
    const most = roundAbove(Math.max(...total, 1));
    this.shown = { history, now, current, total, span };
    this.showNumber();
    setText(this.most, rate(most));
    setText(this.half, rate(most / 2));
    setText(this.since, `${span / 60000} min ago`);
    this.svg.setAttribute("aria-label", `${this.currentText()} now, at most ${rate(Math.max(...total, 0))} in ${span / 60000} min`);
    const x = (i) => (WIDTH * Math.max(0, 1 - (now - history.ms[i]) / span)).toFixed(1);
    const y = (value) => (HEIGHT * (1 - Math.min(1, value / most))).toFixed(2);
    const runs = runsOf(history.ms);
    const floor = total.map(() => 0);
    keep(this.areas, layers, (layer) => layer.name, () => {
      const group = makeSvg("g", {});
      group.append(makeSvg("path", { class: "area" }), makeSvg("path", { class: "edge" }));
      return group;
    }, (group, layer) => {
      const roof = floor.map((below, i) => below + layer.values[i]);
      const line = (values, from, to) => {
        const points = [];
        const step = from <= to ? 1 : -1;
        for (let i = from; i !== to + step; i += step) points.push(`${x(i)} ${y(values[i])}`);
        return points.join("L");
      };
      let area = "";
      let edge = "";
      for (const [first, last] of runs) {
        area += `M${line(roof, first, last)}L${line(floor, last, first)}Z`;
        edge += `M${line(roof, first, last)}`;
      }
      group.setAttribute("class", layer.colour);
      group.children[0].setAttribute("d", area);
      group.children[1].setAttribute("d", edge);
      roof.forEach((value, i) => { floor[i] = value; });
    });
    const entries = layers.filter((layer) => layer.shown);
    if (entries.length === 0 && note) entries.push({ name: NOBODY, colour: "none", shown: note });
    keep(this.legend, entries, (layer) => layer.name, () => {
      const item = make("li");
      item.append(make("span", "dot"), make("bdi"));
      return item;
    }, (item, layer) => {
      item.children[0].className = `dot ${layer.colour}`;
      setText(item.children[1], layer.shown);
    });
  }
}
