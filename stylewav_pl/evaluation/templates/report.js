// Sorts a table by the column whose heading is pressed, and hides the rows that the filter does not match.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead button").forEach((button) => {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const column = heading.cellIndex;
      const descending = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const numeric = heading.dataset.kind === "number";
      const compare = (a, b) => (numeric ? (parseFloat(a) || 0) - (parseFloat(b) || 0) : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...body.rows].sort((a, b) => (descending ? -1 : 1) * compare(key(a), key(b)));
      body.append(...rows);
    });
  });
}
const filter = document.getElementById("filter");
if (filter) {
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const row of document.querySelectorAll("#clips tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
}
