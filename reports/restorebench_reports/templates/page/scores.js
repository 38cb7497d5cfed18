// Every image's score. Of thousands of rows only those in view, and some around them, are in the
// page: the rest is as much empty space above and below.
{
  const AROUND = 20;
  const looks = new Set([...document.querySelectorAll(".case")].map(
    one => `${one.dataset.task}/${one.dataset.image}`));

  function virtual(task) {
    const region = task.querySelector(".scroll");
    const body = region.querySelector("tbody");
    const heads = [...region.querySelectorAll("thead tr:last-child th")];
    const [find, count] = task.querySelector(".tools").children;
    const rows = [...body.rows].map(row => ({ row, name: row.cells[0].textContent }));
    const space = () => document.createElement("tr");
    const above = space(), below = space();
    let chosen = rows, height = 0, drawn = "";

    region.querySelector("table").setAttribute("aria-rowcount", rows.length + 2);

    function draw() {
      if (!task.open) return;
      if (!height) {
        body.replaceChildren(...chosen.slice(0, 2).map(({ row }) => row));
        height = body.rows[0]?.getBoundingClientRect().height ?? 0;
        if (!height) return;
      }
      const first = Math.max(0, Math.floor(region.scrollTop / height) - AROUND);
      const last = Math.min(chosen.length, first + Math.ceil(region.clientHeight / height) + 2 * AROUND);
      if (drawn === `${first}-${last}`) return;
      drawn = `${first}-${last}`;
      above.style.height = `${first * height}px`;
      below.style.height = `${(chosen.length - last) * height}px`;
      const shown = chosen.slice(first, last);
      shown.forEach(({ row }, at) => row.setAttribute("aria-rowindex", first + at + 3));
      body.replaceChildren(above, ...shown.map(({ row }) => row), below);
    }

    function redraw() {
      drawn = "";
      draw();
    }

    function choose() {
      const words = find.value.toLowerCase();
      chosen = rows.filter(({ name }) => name.toLowerCase().includes(words));
      const sorted = heads.findIndex(head => head.hasAttribute("aria-sort"));
      if (sorted >= 0) {
        const down = heads[sorted].getAttribute("aria-sort") === "descending";
        chosen = chosen
          .map(one => ({ ...one, value: numberOf(one.row.cells[sorted + 1].textContent) }))
          .sort(byValue(down));
      }
      count.textContent = words ? `${chosen.length} of ${rows.length} images` : "";
      region.scrollTop = 0;
      redraw();
    }

    heads.forEach(head => asButton(head, () => {
      const before = head.getAttribute("aria-sort");
      // Worst first: who looks at single images looks for what went wrong.
      const down = before ? before === "ascending" : head.dataset.better === "lower";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      choose();
    }));
    find.addEventListener("input", choose);
    find.parentElement.hidden = false;
    region.addEventListener("scroll", draw, { passive: true });
    task.addEventListener("toggle", redraw);
    window.addEventListener("resize", () => { height = 0; redraw(); });
    window.addEventListener("beforeprint", () => body.replaceChildren(...chosen.map(({ row }) => row)));
    window.addEventListener("afterprint", redraw);
    for (const { row, name } of rows) {
      if (!looks.has(`${task.dataset.task}/${name}`)) continue;
      asButton(row.cells[0], () => {
        state.set("case", `${task.dataset.task}/${name}`);
        document.getElementById("viewer").scrollIntoView();
      });
    }
    body.replaceChildren();
    redraw();
  }

  document.querySelectorAll(".task").forEach(virtual);
}
