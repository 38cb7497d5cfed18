// Sorts the board by a metric, best first; without scripts the table stands as it is.
const body = document.querySelector("#board tbody");
const heads = document.querySelectorAll("#board thead tr:last-child th");

function score(row, index) {
  const text = row.querySelectorAll("td")[index].firstElementChild.textContent;
  return parseFloat(text.replace("∞", "Infinity"));
}

function sort(head, index) {
  const before = head.getAttribute("aria-sort");
  const down = before ? before === "ascending" : head.dataset.better === "higher";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map(row => ({ row, value: score(row, index) }));
  rows.sort((a, b) => {
    if (a.value === b.value || isNaN(a.value) || isNaN(b.value)) {
      return isNaN(a.value) - isNaN(b.value);
    }
    return (a.value < b.value) === down ? 1 : -1;
  });
  body.append(...rows.map(({ row }) => row));
}

heads.forEach((head, index) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(head, index));
  head.replaceChildren(button);
});
