"""A table in the terminal, in colour where that is shown and as plain text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from restorebench.board.table import Mark, Table, TableCell, TableGroup, printable
from restorebench.gate.report import Case, GateReport, Verdict

STYLES: dict[Mark | None, str] = {"best": "bold green", "second": "underline", None: ""}
SIGNS: dict[Mark | None, str] = {"best": "*", "second": "+", None: " "}
"""What marks a number where neither bold nor underlined can be shown."""
VERDICTS: dict[Verdict, str] = {
    "regression": "red",
    "incomplete": "red",
    "not comparable": "red",
    "inconclusive": "yellow",
    "improved": "green",
}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
BETWEEN = "  "
NAME_WIDTH = 28
METRIC_WIDTH = len("Parameters")
CHANGE_WIDTH = len("[-0.00000,")
"""So that a bound is never cut; an interval takes three lines where there is no room for one."""
UNBOUNDED = 10_000


def print_table(table: Table, console: Console) -> None:
    """Print a table with its footnotes and provenance.

    Where the tasks do not fit side by side, the table is continued below. A number is never cut:
    on a terminal narrower than a single task, lines run on.
    """
    styled = console.color_system is not None
    console.print(Text(table.title, "bold"))
    for groups in _fitting(table, console, styled):
        part = _part(table, groups, styled)
        part.width = _width(part, console)
        console.print(part, soft_wrap=True)
    legend = table.legend("Bold", "underlined") if styled else table.legend("*", "+")
    if legend:
        console.print(Text(legend, "dim"))
    for number, note in enumerate(table.notes, 1):
        console.print(Text(f"{superscript((number,))} {note}"))
    for label, text in table.provenance:
        console.print(Text(f"{label}: {text}", "dim"))


def print_gate(report: GateReport, console: Console) -> None:
    """Print a gate's cases, what there is to say about those that are no pass, and the verdict."""
    for row in report.rows:
        console.print(Text(printable(row.name), "bold"))
        console.print(_gate_table([case for case in report.cases if case.row == row.name]))
    for case in report.worst_first():
        if case.reason:
            console.print(Text(printable(case.sentence), VERDICTS.get(case.verdict, "")))
    for note in report.notes:
        console.print(Text(printable(note), "yellow"))
    for label, text in report.facts:
        console.print(Text(printable(f"{label}: {text}"), "dim"))
    if len(report.rows) > 1:
        console.print(Text("Checkpoints, best first:"))
        for place, row in enumerate(report.rows, 1):
            console.print(Text(printable(f"{place}. {row.name}: {row.verdict}")))
    console.print(Text(printable(report.headline), f"bold {VERDICTS.get(report.verdict, '')}"))


def _gate_table(cases: Sequence[Case]) -> RichTable:
    table = RichTable(
        box=box.HORIZONTALS, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("task", overflow="fold")
    table.add_column("metric", min_width=METRIC_WIDTH)
    for heading in ("baseline", "new"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("change", justify="right", min_width=CHANGE_WIDTH)
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=max(len(w) for v in VERDICTS for w in v.split()))
    for case in cases:
        metric = f"{case.metric_title} ({case.unit})" if case.unit else case.metric_title
        images = "" if case.images is None else str(case.images)
        cells = [case.title, metric, *case.numbers, images]
        table.add_row(
            *(Text(printable(cell)) for cell in cells),
            Text(case.verdict, VERDICTS.get(case.verdict, "")),
        )
    return table


def superscript(notes: tuple[int, ...]) -> str:
    """Return footnote numbers as superscripts.

    >>> superscript((1, 12))
    '¹˒¹²'
    """
    return "˒".join(str(number).translate(SUPERSCRIPTS) for number in notes)


def _fitting(table: Table, console: Console, styled: bool) -> Iterator[list[int]]:
    """Yield the tasks that fit side by side, and so on, as positions in the table."""
    start = 0
    for end in range(1, len(table.groups) + 1):
        wider = _part(table, range(start, end + 1), styled) if end < len(table.groups) else None
        if wider is None or _width(wider, console) > console.width:
            yield list(range(start, end))
            start = end


def _width(part: RichTable, console: Console) -> int:
    options = console.options.update(max_width=UNBOUNDED)
    return Measurement.get(console, options, part).maximum


def _part(table: Table, groups: Sequence[int], styled: bool) -> RichTable:
    part = RichTable(box=box.HORIZONTALS, header_style="", pad_edge=False)
    part.add_column(Text("\n" * _depth(table) + table.stub, "bold"), max_width=NAME_WIDTH)
    columns = []
    for index in groups:
        cells = [row.groups[index] for row in table.rows]
        heading, numbers = _column(table.groups[index], cells, _depth(table), styled)
        part.add_column(heading, justify="center", no_wrap=True)
        columns.append(numbers)
    for row, *numbers in zip(table.rows, *columns, strict=True):
        if row.section:
            part.add_section()
            part.add_row(Text(row.section, "bold"))
        name = Text(f"{row.title}{superscript(row.notes)}")
        if row.tag:
            name.append(f"\n{row.tag}", "yellow")
        part.add_row(name, *numbers)
    return part


def _depth(table: Table) -> int:
    return 1 + max(len(group.tags) for group in table.groups)


def _column(
    group: TableGroup, rows: Sequence[tuple[TableCell, ...]], depth: int, styled: bool
) -> tuple[Text, list[Text]]:
    """Return a task's heading, and its numbers in each row, as lines of equal width."""
    names = [Text(name) for name in group.metrics]
    lines = [[_number(cell, styled) for cell in cells] for cells in rows]
    widths = [max(text.cell_len for text in column) for column in zip(names, *lines, strict=True)]
    for line in [names, *lines]:
        for text, width in zip(line, widths, strict=True):
            text.align("right", width)
    heading = Text(justify="center")
    heading.append(f"{group.title}{superscript(group.notes)}\n", "bold")
    for line_number in range(depth - 1):
        tag = group.tags[line_number] if line_number < len(group.tags) else ""
        heading.append(f"{tag}\n", "dim" if group.whole else "yellow")
    heading.append_text(Text(BETWEEN).join(names))
    return heading, [Text(BETWEEN).join(line) for line in lines]


def _number(cell: TableCell, styled: bool) -> Text:
    sign = "" if styled else SIGNS[cell.mark]
    # The style must not reach the spaces that will stand before the number.
    return Text().append(cell.text, STYLES[cell.mark]).append(superscript(cell.notes) + sign)
