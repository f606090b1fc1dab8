// Tables: a button in each head that sorts by its column, a field that leaves the rows with its text.
"use strict";
document.documentElement.classList.add("js");

function sortBy(table, column, head) {
  const rising = head.getAttribute("aria-sort") === "descending";
  const known = head.getAttribute("aria-sort") === "ascending" || rising;
  const numeric = head.classList.contains("num");
  const order = known ? (rising ? 1 : -1) : numeric ? -1 : 1;
  const key = (row) => {
    const cell = row.cells[column];
    return numeric ? Number(cell.dataset.value ?? cell.textContent) : cell.textContent;
  };
  const compare = (a, b) =>
    numeric ? key(a) - key(b) : key(a).localeCompare(key(b), "en", { numeric: true });
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => order * compare(a, b)));
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order > 0 ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.classList.contains("bare")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, column, head));
  });
}

for (const field of document.querySelectorAll("[data-filter]")) {
  const table = document.getElementById(field.dataset.filter);
  const count = document.querySelector(`[data-count="${field.dataset.filter}"]`);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    count.textContent = wanted
      ? `${shown.toLocaleString("en")} of ${table.tBodies[0].rows.length.toLocaleString("en")}`
      : "";
  });
}

// A link to a row that a filter hides shows it again.
addEventListener("hashchange", () => {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && row.hidden) row.hidden = false;
  row?.scrollIntoView({ block: "center" });
});
