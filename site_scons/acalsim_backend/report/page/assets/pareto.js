// A sweep's charts: cycles against what a machine costs, with the front as a line.
"use strict";

function decades(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const margin = Math.max((most - least) * 0.06, 0.08);
  return [10 ** (least - margin), 10 ** (most + margin)];
}

// 1, 2, 5, 10... within a range; where that is too narrow for them, equal steps.
function ticks(least, most) {
  const found = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); ++power)
    found.push(...[1, 2, 5].map((digit) => digit * 10 ** power).filter((tick) => tick >= least && tick <= most));
  if (found.length >= 3) return found;
  const rough = (most - least) / 4;
  const step = 10 ** Math.floor(Math.log10(rough)) * (rough / 10 ** Math.floor(Math.log10(rough)) >= 5 ? 5 : 2);
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.floor(most / step) - first + 1 }, (_, index) => (first + index) * step);
}

const shortened = (value) =>
  Number(value.toPrecision(3)).toLocaleString("en", { notation: value < 1e5 ? "standard" : "compact" });

function pareto(element) {
  const { points, fronts, names } = JSON.parse(document.getElementById(element.dataset.of).textContent);
  const { cost } = element.dataset;
  const [name, unit] = names[cost];
  const at = (point) => [Math.max(point[cost], 1), Math.max(point.total_cycles, 1)];
  const front = fronts[cost].map((index) => points[index]);
  const marks = points
    .filter((point) => point[cost] !== null && point[cost] !== undefined)
    .map((point) => {
      const [x, y] = at(point);
      const inFront = front.includes(point);
      return {
        x: [x, x],
        y: [y, y],
        round: inFront ? 6 : 4,
        fill: !point.passed ? "bad" : inFront ? "cpu" : "stall",
        alpha: inFront ? 1 : 0.7,
        lines: [
          point.title,
          `${count(point.total_cycles)} cycles for ${count(point[cost])} ${unit}`,
          `bound ${count(point.bound_cycles)} cycles${point.limiter ? `, limited by ${point.limiter}` : ""}`,
          ...(inFront ? ["in the front"] : []),
          ...(point.passed ? [] : ["outputs differ from PyTorch's"]),
        ],
      };
    });
  const axis = (values, label) => ({
    range: decades(values),
    log: true,
    label,
    splits: (u, index, least, most) => ticks(least, most),
    filter: (u, splits) => splits,
    values: (u, splits) => splits.map(shortened),
  });
  return new Chart(element, {
    marks,
    height: 360,
    x: { ...axis(marks.map((mark) => mark.x[0]), `${name}, ${unit}`), space: 70 },
    y: { ...axis(marks.map((mark) => mark.y[0]), "cycles"), size: 80 },
    behind: (chart, ctx) => stairs(chart, ctx, front.map(at)),
  });
}

// From each point of the front to the right, then down to the next one: the best for each budget.
function stairs(chart, ctx, places) {
  const at = ([x, y]) => [chart.uplot.valToPos(x, "x"), chart.uplot.valToPos(y, "y")];
  ctx.beginPath();
  places.map(at).forEach(([x, y], index, all) => {
    if (index) ctx.lineTo(x, all[index - 1][1]);
    index ? ctx.lineTo(x, y) : ctx.moveTo(x, y);
  });
  if (places.length) ctx.lineTo(chart.uplot.over.clientWidth, at(places.at(-1))[1]);
  ctx.lineWidth = 2;
  ctx.strokeStyle = colour("cpu");
  ctx.stroke();
}

const charts = [...document.querySelectorAll(".pareto")].map(pareto);
