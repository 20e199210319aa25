/* The tables of the tournament: a press on a head sorts by its column, a second press the other way. */
(function () {
  "use strict";
  for (const table of document.querySelectorAll("table.standings")) {
    const heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
    const key = (row, i) => (i ? Number(row.cells[i].dataset.key ?? NaN) : row.cells[0].textContent);
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    heads.forEach((head, i) => {
      if (head.dataset.falling === undefined) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const falling = now ? now === "ascending" : head.dataset.falling === "1";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const rows = Array.from(body.rows, (row) => [key(row, i), row]), known = ([k]) => !Number.isNaN(k);
        const sorted = rows.filter(known).sort(([a], [b]) => (falling ? compare(b, a) : compare(a, b)));
        body.append(...[...sorted, ...rows.filter((row) => !known(row))].map(([, row]) => row));
      });
    });
  }
})();
