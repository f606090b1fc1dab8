// The charts of a report's page, from the JSON in it.
"use strict";

const { report, buffers, meanings } = JSON.parse(document.getElementById("data").textContent);
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

function timeline(element) {
  const lanes = [...new Set(["cpu", ...report.ops.flatMap((op) => op.placed_on.split(","))])];
  const row = (name) => [
    lanes.length - 1 - lanes.indexOf(name) + 0.12,
    lanes.length - lanes.indexOf(name) - 0.12,
  ];
  const marks = [];
  let now = 0;
  for (const op of report.ops) {
    const lines = [
      op.name,
      ...described(op),
      `from ${count(now)} to ${count(now + op.cycles)} cycles of the ops`,
    ];
    for (const name of op.placed_on.split(","))
      marks.push({ x: [now, now + op.cycles], y: row(name), fill: largest(op.ledger), lines });
    now += op.cycles;
  }
  const rest = report.overhead_cycles;
  if (rest)
    marks.push({
      x: [now, now + rest],
      y: row("cpu"),
      fill: "idle",
      lines: ["overhead", `${count(rest)} cycles of start-up and exit`],
    });
  return new Chart(element, {
    marks,
    height: 90 + 48 * lanes.length,
    x: { range: [0, report.total_cycles], label: "cycles", space: 90 },
    y: {
      range: [0, lanes.length],
      size: narrow ? 70 : 90,
      splits: () => lanes.map((_, index) => index + 0.5),
      values: () => lanes.map((_, index) => lanes[lanes.length - 1 - index]),
    },
  });
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
    .filter(({ cycles, dram }) => cycles && dram);
  if (!points.length) {
    element.append("No op has both arithmetic that a device of this machine could do and bytes of its own.");
    return null;
  }
  const across = points.map(({ cycles, dram }) => cycles / dram);
  const up = points.map(({ op, cycles }) => cycles / op.cycles);
  const decade = (values, most) => [
    10 ** Math.floor(Math.log10(Math.min(...values) * 0.8)),
    10 ** Math.ceil(Math.log10(Math.max(...values, most) * 1.2)),
  ];
  const x = decade(across, 1);
  const y = [Math.min(10 ** Math.floor(Math.log10(Math.min(...up) * 0.8)), 0.1), 2];
  const marks = points.map(({ op, unit, cycles, dram }, index) => ({
    x: [across[index], across[index]],
    y: [up[index], up[index]],
    round: 5,
    fill: largest(op.ledger),
    alpha: 0.85,
    lines: [
      op.name,
      `${share(cycles, op.cycles)} of the full rate of ${unit}`,
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
      label: "cycles of arithmetic at full rate for each cycle of RAM",
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
  ["buffers", memory],
  ["roofline-chart", roofline],
]) {
  const element = document.getElementById(id);
  if (element) charts[id] = draw(element);
}
