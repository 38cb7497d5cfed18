// Copies the board as it is shown: the same rows and columns, in the same order.
{
  const parts = JSON.parse(document.getElementById("parts").textContent);
  const heads = [...document.querySelectorAll("#board .metrics th")];
  const said = document.getElementById("said");

  /** Return the numbers of the rows that are shown, in the order in which they stand. */
  const shownRows = () =>
    [...document.querySelectorAll("#board tbody tr")]
      .filter(row => !row.hidden)
      .map(row => Number(row.dataset.row));

  /** Return the numbers of the columns that are shown. */
  const shownColumns = () => heads.flatMap((head, index) => (head.hidden ? [] : [index]));

  function latex() {
    const { title, legend, protocol, columns, groups, rows, notes } = parts.latex;
    const shown = shownColumns();
    let first = 0;
    const spans = groups.map(group => {
      const own = shown.filter(at => at >= first && at < first + group.metrics.length);
      const metrics = own.map(at => group.metrics[at - first]);
      first += group.metrics.length;
      return { ...group, metrics };
    }).filter(group => group.metrics.length);
    const over = text => spans.map(
      group => ` & \\multicolumn{${group.metrics.length}}{c}{${text(group)}}`).join("");
    const chosen = shownRows().map(index => rows[index]);
    const used = new Set([
      ...spans.flatMap(group => group.notes),
      ...chosen.flatMap(row => [0, ...shown.map(at => at + 1)].flatMap(at => row.notes[at])),
    ]);
    return [
      `% ${title}. Made by restorebench. Needs booktabs and siunitx.`,
      "\\sisetup{detect-weight=true,retain-explicit-plus=true,group-minimum-digits=9}",
      "\\providecommand{\\rbsecond}[1]{\\llap{\\underline{\\phantom{\\num{#1}}}}}",
      `\\begin{tabular}{l${shown.map(at => columns[at]).join("")}}`,
      "\\toprule",
      `${over(group => group.title)} \\\\`,
      `${over(group => `\\scriptsize ${group.tag}`)} \\\\`,
      `Method & ${spans.flatMap(group => group.metrics.map(m => `{${m}}`)).join(" & ")} \\\\`,
      "\\midrule",
      ...chosen.flatMap(row => [
        `${row.title} & ${shown.map(at => row.cells[at]).join(" & ")} \\\\`,
        ...(row.tag ? [`\\quad\\scriptsize ${row.tag} \\\\`] : []),
      ]),
      "\\bottomrule",
      "\\end{tabular}",
      "",
      `{\\scriptsize ${legend}${chosen.length < rows.length
        ? ` Marks are those of the whole board of ${rows.length} methods.` : ""}`,
      ...notes.flatMap((note, at) =>
        used.has(at + 1) ? [`\\textsuperscript{${at + 1}}\\,${note}.`] : []),
      `Protocol: ${protocol}.\\par}`,
      "",
    ].join("\n");
  }

  function csv() {
    const columns = shownColumns().map(at => `${heads[at].dataset.key} ${heads[at].dataset.metric}`);
    const costs = columns.some(column => /^cost\d/.test(column));
    const shows = line =>
      (line.task === "cost" && costs) || columns.includes(`${line.task} ${line.metric}`);
    const lines = shownRows().flatMap(index =>
      parts.csv.lines.filter(line => line.row === index && shows(line)));
    return [parts.csv.head, ...lines.map(line => line.text), ""].join("\n");
  }

  async function copy(text, name) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Some browsers give the clipboard to no page from a disk.
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    said.textContent = `Copied as ${name}`;
    setTimeout(() => { said.textContent = ""; }, 4000);
  }

  document.getElementById("copy-latex").addEventListener("click", () => copy(latex(), "LaTeX"));
  document.getElementById("copy-csv").addEventListener("click", () => copy(csv(), "CSV"));
}
