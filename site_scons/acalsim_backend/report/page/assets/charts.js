// The charts of a report's page, from the JSON in it.
"use strict";

const { report, buffers, meanings, timeline: run } = JSON.parse(document.getElementById("data").textContent);
const share = (part, whole) => `${((100 * part) / (whole || 1)).toFixed(1)}\u202f%`;
const narrow = innerWidth < 600;

function largest(ledger) {
  return Object.entries(ledger).reduce((best, each) => (each[1] > best[1] ? each : best))[0];
}

function described(op) {
  const parts = Object.entries(op.ledger).filter(([, cycles]) => cycles);
  return [
    `${op.type} on ${op.placed_on}: ${count(op.cycles)} cycles, ${share(op.cycles, report.total_cycles)}`,
    ...parts.map(([name, cycles]) => `${name}: ${count(cycles)} cycles, ${meanings[name] ?? name}`),
    ...(op.macs && op.cycles ? [`${count(op.macs)} MACs, ${(op.macs / op.cycles).toPrecision(3)} a cycle`] : []),
    ...(op.source ? [op.source] : []),
  ];
}

const opName = (op) => (op < 0 ? "overhead" : report.ops[op].name);
const bytesOf = (bytes) => (bytes ? [`${count(bytes)} bytes`] : []);
const stretch = (from, to) => `cycles ${count(from)} to ${count(to)}: ${count(to - from)}`;

// A mark of a lane; its text is made when somebody asks for it.
function span(lane, index, x, y) {
  const [op, bytes, times] = [lane.op[index], lane.bytes[index], lane.count[index] ?? 1];
  return {
    x,
    y,
    fill: lane.fill,
    get lines() {
      const title = times > 1 ? `${count(times)} in ${lane.title}` : run.names[lane.name[index]];
      const tile = run.names[lane.tile[index]];
      return [title, `of ${opName(op)}`, ...(tile ? [tile] : []), ...bytesOf(bytes), stretch(...x)];
    },
  };
}

function marksOf(lane, bottom) {
  let begin = 0;
  return lane.begin.map((step, index) => {
    begin += step;
    const height = (lane.count[index] ?? 1) > 1 ? 0.76 : 0.76 / lane.rows;
    const top = bottom + 0.88 - (lane.row[index] ?? 0) * height;
    return span(lane, index, [begin, begin + lane.length[index]], [top - height, top]);
  });
}

function opMark([from, to, op, more], bottom) {
  return {
    x: [from, to],
    y: [bottom + 0.12, bottom + 0.88],
    fill: op < 0 ? "idle" : largest(report.ops[op].ledger),
    get lines() {
      const about = op < 0 ? ["start-up, exit, and what lies between ops"] : described(report.ops[op]);
      const several = more ? ` and ${more} more in one command list; of the first:` : "";
      return [opName(op) + several, ...about, stretch(from, to)];
    },
  };
}

// Rows from the top, named at the left, and the cycles below.
function rows(element, titles, marks) {
  const tall = Math.max(16, Math.min(48, 1000 / titles.length));
  return new Chart(element, {
    marks,
    height: Math.round(90 + tall * titles.length),
    x: { range: [0, report.total_cycles], label: "cycles", space: 90 },
    y: {
      range: [0, titles.length],
      size: Math.min(20 + 7 * Math.max(...titles.map((title) => title.length)), narrow ? 110 : 220),
      splits: () => titles.map((_, index) => index + 0.5),
      values: () => titles.toReversed(),
    },
  });
}

function timeline(element) {
  const last = run.lanes.length;
  const marks = run.cpu.map((each) => opMark(each, last));
  run.lanes.forEach((lane, index) => marks.push(...marksOf(lane, last - 1 - index)));
  return rows(element, ["CPU", ...run.lanes.map((lane) => lane.title)], marks);
}

function occupancy(element) {
  const { edges, lanes, bytes } = run.occupancy;
  const moves = run.lanes.some((lane) => lane.fill === "dram");
  const shown = lanes.map((lane) => ({
    ...lane,
    said: (value) => `${share(value, 1)} of the time at work`,
  }));
  if (moves)
    shown.push({
      title: "DMA",
      fill: "dram",
      values: bytes.map((each) => each / run.peak_bytes),
      said: (value) => `${(value * run.peak_bytes).toPrecision(3)} bytes a cycle, ${share(value, 1)} of what RAM can`,
    });
  const marks = shown.flatMap(({ title, fill, values, said }, index) =>
    values.map((value, bin) => {
      const x = [edges[bin], edges[bin + 1]];
      const bottom = shown.length - 1 - index;
      const lines = [title, said(value), stretch(...x)];
      return { x, y: [bottom, bottom + 0.9 * value], fill, flat: true, lines };
    }),
  );
  return rows(element, shown.map((lane) => lane.title), marks);
}

function memory(element) {
  const end = Math.max(...buffers.map((row) => row.offset + row.size_bytes), 1);
  const marks = buffers.map((row, index) => ({
    x: [row.first, row.last + 1],
    y: [row.offset, row.offset + row.size_bytes],
    fill: "cpu",
    alpha: [0.35, 0.55, 0.75][index % 3],
    lines: [
      row.name,
      `${count(row.size_bytes)} bytes at offset ${count(row.offset)}`,
      `from op ${row.first}, ${report.ops[row.first].name}, to op ${row.last}, ${report.ops[row.last].name}`,
    ],
  }));
  return new Chart(element, {
    marks,
    height: 340,
    x: { range: [0, report.ops.length], label: "op #, in order of execution", space: 60 },
    y: { range: [0, end], label: "offset, bytes", size: narrow ? 64 : 80 },
  });
}

// What an op's arithmetic needs is that of the slowest of its resources but RAM.
function roofline(element) {
  const points = report.ops
    .filter((op) => op.cycles && op.roofline)
    .map((op) => {
      const { dram = 0, ...rest } = op.roofline.by;
      const [unit, cycles] = Object.entries(rest).reduce(
        (best, each) => (each[1] > best[1] ? each : best),
        ["none", 0],
      );
      return { op, unit, cycles, dram };
    })
    .filter(({ cycles, dram }) => cycles || dram);
  if (!points.length) {
    element.append("No op needs anything that a device of this machine could do.");
    return null;
  }
  const inside = points.filter(({ cycles, dram }) => cycles && dram).map(({ cycles, dram }) => cycles / dram);
  const decade = (values, most) => [
    10 ** Math.floor(Math.log10(Math.min(...values) * 0.8)),
    10 ** Math.ceil(Math.log10(Math.max(...values, most) * 1.2)),
  ];
  const x = decade(inside.length ? inside : [1], 1);
  const across = points.map(({ cycles, dram }) => (cycles ? (dram ? cycles / dram : x[1]) : x[0]));
  const up = points.map(({ op, cycles, dram }) => (cycles || dram * x[0]) / op.cycles);
  const y = [Math.min(10 ** Math.floor(Math.log10(Math.min(...up) * 0.8)), 0.1), 2];
  const marks = points.map(({ op, unit, cycles, dram }, index) => ({
    x: [across[index], across[index]],
    y: [up[index], up[index]],
    round: 5,
    fill: largest(op.ledger),
    alpha: 0.85,
    lines: [
      op.name,
      cycles ? `${share(cycles, op.cycles)} of the full rate of ${unit}` : "no arithmetic for a device",
      `${count(cycles)} cycles of ${unit} at full rate, ${count(dram)} of RAM`,
      `bound ${count(op.roofline.bound_cycles)} cycles, limited by ${op.roofline.limiter}`,
      ...described(op),
    ],
  }));
  const tens = (u, splits) => splits.map((value) => (value.toExponential().startsWith("1e") ? value : null));
  const said = (unit) => (u, splits) =>
    splits.map((value) => (value === null ? "" : unit(Number(value.toPrecision(1)))));
  return new Chart(element, {
    marks,
    height: 380,
    x: {
      range: x,
      log: true,
      label: "cycles of arithmetic a cycle of RAM",
      filter: tens,
      values: said(count),
    },
    y: {
      range: y,
      log: true,
      label: "share of full rate",
      filter: tens,
      values: said((value) => `${count(100 * value)}\u202f%`),
      size: 70,
    },
    behind: (chart, ctx) => roof(chart, ctx, x),
  });
}

function roof(chart, ctx, [least, most]) {
  const at = (x, y) => [chart.uplot.valToPos(x, "x"), chart.uplot.valToPos(y, "y")];
  ctx.beginPath();
  ctx.moveTo(...at(least, least));
  ctx.lineTo(...at(1, 1));
  ctx.lineTo(...at(most, 1));
  ctx.lineWidth = 2;
  ctx.strokeStyle = colour("ink");
  ctx.stroke();
}

const charts = {};
for (const [id, draw] of [
  ["timeline", timeline],
  ["occupancy", occupancy],
  ["buffers", memory],
  ["roofline-chart", roofline],
]) {
  const element = document.getElementById(id);
  if (element) charts[id] = draw(element);
}
