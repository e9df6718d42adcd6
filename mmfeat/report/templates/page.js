"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Light and dark: what the system wants, until the reader chooses; kept where storage is allowed.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = (choice) => {
    if (choice) root.dataset.theme = choice;
    theme.setAttribute("aria-pressed", String((choice || (system.matches ? "dark" : "light")) === "dark"));
  };
  show(stored());
  system.addEventListener("change", () => show(stored()));
  theme.addEventListener("click", () => {
    const choice = theme.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    try { localStorage.setItem("theme", choice); } catch { /* a file may have no storage */ }
    show(choice);
  });

  // Tables: a click on a heading sorts, first from the greatest number or from A; again reverses.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    return data ? (data.value === "" ? NaN : Number(data.value)) : cell.textContent.trim();
  };
  const compare = (a, b, sign) => {
    if (typeof a === "string") return sign * a.localeCompare(b, undefined, { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  };
  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    const first = rows.some(([value]) => typeof value === "string") ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    rows.sort(([a], [b]) => compare(a, b, order === "ascending" ? 1 : -1));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading));
    }
  }

  // Filters: rows of the leaderboard by words, rows of the gallery by class and kind.
  const filter = (items, keep, output, noun) => {
    let kept = 0;
    for (const item of items) kept += !(item.hidden = !keep(item));
    output.textContent = kept === items.length ? `${kept} ${noun}` : `${kept} of ${items.length} ${noun}`;
  };
  const watch = (inputs, run) => {
    for (const input of inputs) input.addEventListener("input", run);
    inputs[0].form.addEventListener("submit", (event) => event.preventDefault());
    run();
  };
  const byId = (id) => document.getElementById(id);
  const entries = [...byId("board").tBodies[0].rows];
  watch([byId("filter"), byId("tied-only")], () => {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const name = (row) => row.cells[0].textContent.toLowerCase();
    filter(
      entries,
      (row) => words.every((word) => name(row).includes(word)) &&
        (!byId("tied-only").checked || row.classList.contains("tied")),
      byId("filter-count"), "combinations",
    );
  });
  if (byId("kind")) {
    const cards = [...document.querySelectorAll("#rows .card")];
    watch([byId("kind"), byId("class")], () => {
      const [kind, column] = [byId("kind").value, byId("class").value];
      const fits = (tag) => (!kind || tag.startsWith(`${kind}:`)) && (!column || tag.endsWith(`:${column}`));
      filter(cards, (card) => card.dataset.tags.split(" ").some(fits), byId("card-count"), "rows");
    });
  }

  // A link to a run opens it.
  const open = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => { if (event.target.closest?.("a[href^='#entry-']")) setTimeout(open); });
  open();
})();
