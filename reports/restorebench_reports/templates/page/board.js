// The leaderboard: sorting, and hiding methods, columns and metrics.
{
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.querySelectorAll(".metrics th")];
  const spans = [...table.querySelectorAll("[data-keys]")];
  const find = document.getElementById("find");
  const metric = document.getElementById("metric");
  // Hidden, so as to be forgotten once the choice is the default.
  const menus = { methods: "without", columns: "hide" };

  const shows = head =>
    !state.all("hide").includes(head.dataset.key) &&
    // Costs have no metric of the board, and stay.
    (!state.get("metric") || !isMetric(head.dataset.metric) || state.get("metric") === head.dataset.metric);
  const isMetric = name => [...(metric?.options ?? [])].some(option => option.value === name);

  function showRows() {
    const words = state.get("find").toLowerCase();
    for (const row of rows) {
      const named = row.cells[0].textContent.toLowerCase().includes(words);
      row.hidden = !named || state.all("without").includes(row.dataset.method);
    }
  }

  function showColumns() {
    heads.forEach((head, index) => {
      head.hidden = !shows(head);
      rows.forEach(row => { row.cells[index + 1].hidden = head.hidden; });
    });
    for (const span of spans) {
      const keys = span.dataset.keys.split(" ");
      const shown = heads.filter(head => keys.includes(head.dataset.key) && !head.hidden);
      span.hidden = shown.length === 0;
      span.colSpan = Math.max(shown.length, 1);
    }
  }

  function sort() {
    const [key, name, way] = state.all("sort");
    const index = heads.findIndex(h => h.dataset.key === key && h.dataset.metric === name);
    heads.forEach(head => head.removeAttribute("aria-sort"));
    if (index < 0) {
      body.append(...rows);
      return;
    }
    const down = way === "down";
    heads[index].setAttribute("aria-sort", down ? "descending" : "ascending");
    const valued = rows.map(row => ({
      row, value: numberOf(row.cells[index + 1].firstElementChild.textContent),
    }));
    body.append(...valued.sort(byValue(down)).map(({ row }) => row));
  }

  heads.forEach(head => asButton(head, () => {
    const { key, metric: name, better } = head.dataset;
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : better === "higher";
    state.set("sort", key, name, down ? "down" : "up");
  }));

  for (const [id, name] of Object.entries(menus)) {
    const menu = document.getElementById(id);
    const boxes = [...menu.querySelectorAll("input")];
    menu.addEventListener("change", () => {
      state.set(name, ...boxes.filter(box => !box.checked).map(box => box.value));
    });
    state.follow(() => {
      const hidden = state.all(name);
      boxes.forEach(box => { box.checked = !hidden.includes(box.value); });
      const shown = boxes.filter(box => box.checked).length;
      const count = shown < boxes.length ? ` ${shown} of ${boxes.length}` : "";
      menu.firstElementChild.textContent = menu.firstElementChild.textContent.split(" ")[0] + count;
    });
  }
  find.addEventListener("input", () => state.set("find", find.value));
  metric?.addEventListener("change", () => state.set("metric", metric.value));
  document.getElementById("reset").addEventListener("click", () => state.clear());

  // A menu closes by Escape, and when something else is clicked or focused.
  const close = event => {
    document.querySelectorAll(".menu[open]").forEach(menu => {
      if (event.key === "Escape" && menu.contains(event.target)) menu.firstElementChild.focus();
      if (event.key === "Escape" || !menu.contains(event.target)) menu.open = false;
    });
  };
  document.addEventListener("keydown", event => { if (event.key === "Escape") close(event); });
  document.addEventListener("click", close);
  document.addEventListener("focusin", close);

  document.getElementById("tools").hidden = false;
  state.follow(() => {
    if (find.value !== state.get("find")) find.value = state.get("find");
    if (metric) metric.value = state.get("metric");
    showRows();
    showColumns();
    sort();
  });
}
