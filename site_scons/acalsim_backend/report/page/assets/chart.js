// A chart of marks, drawn in uPlot's axes: hover or arrow keys name a mark, drag, buttons and keys zoom.
"use strict";

const count = (value) => value.toLocaleString("en");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const FONT = "12px system-ui, sans-serif";

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

class Chart {
  // spec: marks [{x: [from, to], y: [from, to], fill, alpha?, round?, flat?, lines: [title, ...]}], x and y
  // {range, label, log?, splits?, filter?, values?, size?, space?}, height, and what to draw behind the marks
  constructor(element, spec) {
    Object.assign(this, { element, spec, chosen: null });
    this.tip = made("div", { class: "tip", hidden: "" });
    this.said = made("div", { class: "said", role: "status" });
    this.plot = made("div", {
      class: "plot",
      tabindex: 0,
      role: "group",
      "aria-label": element.dataset.label,
    });
    this.plot.append(this.tip, this.said);
    element.append(this.buttons(), this.plot);
    this.uplot = new uPlot(this.options(), [spec.x.range, [null, null]], this.plot);
    this.plot.addEventListener("keydown", (event) => this.onKey(event));
    this.plot.addEventListener("blur", () => this.choose(null));
    this.uplot.over.addEventListener("mouseleave", () => this.choose(null));
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.uplot.redraw());
  }

  buttons() {
    const row = made("div", { class: "buttons" });
    const button = (sign, label, act) => {
      const made_ = made("button", { type: "button", "aria-label": label, title: label }, sign);
      made_.addEventListener("click", act);
      row.append(made_);
    };
    button("−", "zoom out", () => this.zoom(2));
    button("+", "zoom in", () => this.zoom(0.5));
    button("◀", "earlier", () => this.zoom(1, -0.5));
    button("▶", "later", () => this.zoom(1, 0.5));
    button("all", "show all", () => this.show(...this.spec.x.range));
    row.append(
      made(
        "span",
        { class: "hint" },
        "Drag across to zoom. With the chart focused, arrow keys go from mark to mark.",
      ),
    );
    return row;
  }

  width() {
    return Math.max(200, this.element.clientWidth - 2);
  }

  options() {
    const { spec } = this;
    const axis = (of, given) => ({
      scale: of,
      label: given.label,
      labelFont: FONT,
      font: FONT,
      labelSize: 22,
      gap: 6,
      stroke: () => colour("soft"),
      grid: { stroke: () => colour("line"), width: 1 },
      ticks: { stroke: () => colour("line") },
      values: given.values ?? ((u, splits) => splits.map((value) => (value === null ? "" : count(value)))),
      ...(given.splits && { splits: given.splits }),
      ...(given.size && { size: given.size }),
      ...(given.space && { space: given.space }),
      ...(given.filter && { filter: given.filter }),
    });
    const scale = (given) => ({ time: false, distr: given.log ? 3 : 1, range: given.range });
    return {
      width: this.width(),
      height: spec.height,
      legend: { show: false },
      scales: {
        x: { ...scale(spec.x), range: (u, from, to) => (to > from ? [from, to] : spec.x.range) },
        y: scale(spec.y),
      },
      axes: [axis("x", spec.x), axis("y", spec.y)],
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: { drag: { x: true, y: false }, y: false, points: { show: false } },
      hooks: { draw: [(u) => this.draw(u)], setCursor: [(u) => this.onCursor(u)],
        setScale: [() => this.chosen && this.showTip(this.chosen)] },
    };
  }

  resize() {
    if (this.width() !== this.uplot.width)
      this.uplot.setSize({ width: this.width(), height: this.spec.height });
  }

  // A mark's place inside the axes, in CSS pixels: left, top, width, height.
  rectangle(mark) {
    const at = (value, scale) => this.uplot.valToPos(value, scale);
    const [left, right, bottom, top] = [
      at(mark.x[0], "x"),
      at(mark.x[1], "x"),
      at(mark.y[0], "y"),
      at(mark.y[1], "y"),
    ];
    return mark.round
      ? [left - mark.round, top - mark.round, 2 * mark.round, 2 * mark.round]
      : [left, top, Math.max(right - left, 1), bottom - top];
  }

  draw(u) {
    const { ctx, bbox } = u;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.translate(bbox.left, bbox.top);
    ctx.scale(scale, scale);
    this.spec.behind?.(this, ctx);
    this.colours = {};
    this.right = u.over.clientWidth;
    this.last = "";
    for (const mark of this.spec.marks) this.drawMark(ctx, mark);
    if (this.chosen) this.drawMark(ctx, this.chosen);
    ctx.restore();
  }

  drawMark(ctx, mark) {
    const [left, top, width, height] = this.rectangle(mark);
    if (left > this.right || left + width < 0) return;
    // Of marks that are all in one pixel, one is enough.
    const place = width <= 1 && mark !== this.chosen ? `${mark.fill} ${Math.round(2 * left)} ${top}` : "";
    if (place && place === this.last) return;
    this.last = place;
    ctx.beginPath();
    mark.round
      ? ctx.arc(left + mark.round, top + mark.round, mark.round, 0, 2 * Math.PI)
      : ctx.rect(left, top, width, height);
    ctx.globalAlpha = mark.alpha ?? 1;
    ctx.fillStyle = this.shade(mark.fill);
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.lineWidth = mark === this.chosen ? 3 : 1;
    ctx.strokeStyle = this.shade(mark === this.chosen ? "ink" : "paper");
    if ((width > 3 && !mark.flat) || mark === this.chosen) ctx.stroke();
    if (width > 44 && height > 13 && !mark.round) this.drawName(ctx, mark, [left, top, width, height]);
  }

  // A colour as it is now, asked for once a drawing; of a unit that has none of its own that of all others.
  shade(name) {
    this.colours[name] ??= colour(name) || colour("other");
    return this.colours[name];
  }

  drawName(ctx, mark, [left, top, width, height]) {
    const from = Math.max(left, 0);
    ctx.save();
    ctx.clip();
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    const reach = ctx.measureText(mark.lines[0]).width + 10;
    ctx.fillStyle = colour("paper");
    ctx.globalAlpha = 0.88;
    if (from + reach <= left + width) {
      ctx.fillRect(from + 2, top + height / 2 - 8, reach - 4, 16);
      ctx.globalAlpha = 1;
      ctx.fillStyle = colour("ink");
      ctx.fillText(mark.lines[0], from + 5, top + height / 2 + 0.5);
    }
    ctx.restore();
  }

  // The smallest mark at a place; where there is none, the nearest within four pixels.
  at(x, y) {
    let found = null;
    let best = Infinity;
    for (const mark of this.spec.marks) {
      const [left, top, width, height] = this.rectangle(mark);
      const away = Math.max(left - x, x - left - width, 0) + Math.max(top - y, y - top - height, 0);
      const rank = away ? 1e9 * away : width * height;
      if (away <= 4 && rank < best) [found, best] = [mark, rank];
    }
    return found;
  }

  onCursor(u) {
    const { left, top } = u.cursor;
    if (left >= 0 && top >= 0) this.choose(this.at(left, top));
  }

  choose(mark, aloud = false) {
    if (mark === this.chosen) return;
    this.chosen = mark;
    this.tip.hidden = !mark;
    if (mark) this.showTip(mark);
    this.said.textContent = mark && aloud ? mark.lines.join(", ") : "";
    this.uplot.redraw(false);
  }

  showTip(mark) {
    const [title, ...lines] = mark.lines;
    this.tip.replaceChildren(made("strong", {}, title), ...lines.map((line) => made("span", {}, line)));
    const [left, top, width, height] = this.rectangle(mark);
    const over = this.uplot.over;
    const x =
      over.offsetLeft + Math.min(Math.max(left, 0) + Math.min(width, over.clientWidth) / 2, over.clientWidth);
    const rightmost = this.plot.clientWidth - this.tip.offsetWidth - 4;
    this.tip.style.left = `${Math.max(4, Math.min(x - this.tip.offsetWidth / 2, rightmost))}px`;
    this.tip.style.top = `${over.offsetTop + Math.min(top + height, over.clientHeight) + 10}px`;
  }

  view() {
    const { min, max } = this.uplot.scales.x;
    return [min, max];
  }

  show(from, to) {
    this.uplot.setScale("x", { min: from, max: to });
  }

  // The view `times` as wide and moved by a share of it, within what there is.
  zoom(times, by = 0) {
    const [least, most] = this.spec.x.range.map((value) => this.scaled(value));
    const [from, to] = this.view().map((value) => this.scaled(value));
    const span = Math.min((to - from) * times, most - least);
    const middle = (from + to) / 2 + by * (to - from);
    const start = Math.min(Math.max(middle - span / 2, least), most - span);
    this.show(this.value(start), this.value(start + span));
  }

  centre(mark) {
    const [from, to] = this.view().map((value) => this.scaled(value));
    const [first, last] = mark.x.map((value) => this.scaled(value));
    this.zoom(1, (first + last - from - to) / 2 / (to - from));
  }

  scaled(value) {
    return this.spec.x.log ? Math.log10(value) : value;
  }

  value(scaled) {
    return this.spec.x.log ? 10 ** scaled : scaled;
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    const keys = {
      "+": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.show(...this.spec.x.range),
      Escape: () => this.choose(null),
    };
    if (step) this.walk(step);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }

  walk(step) {
    const { marks } = this.spec;
    const before = marks.indexOf(this.chosen);
    const mark = marks[before < 0 ? 0 : Math.min(Math.max(before + step, 0), marks.length - 1)];
    const [from, to] = this.view();
    if (mark.x[1] < from || mark.x[0] > to) this.centre(mark);
    this.choose(mark, true);
  }
}
