"""A gate as JUnit XML, which GitHub, GitLab and Jenkins show: one case for each check."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

from restorebench.board.table import printable
from restorebench.gate.report import Case, GateReport, Verdict
from restorebench.store import write_atomically

# JUnit knows no warning. A check that decides nothing is skipped there, never passed.
ELEMENTS: dict[Verdict, str] = {
    "regression": "failure",
    "incomplete": "error",
    "not comparable": "error",
    "usage": "error",
    "environment": "error",
    "nothing selected": "error",
    "interrupted": "error",
    "inconclusive": "skipped",
}


def render(report: GateReport, folder: Path) -> list[Path]:
    """Write ``gate.junit.xml``."""
    return [write_atomically(folder / "gate.junit.xml", junit(report))]


def junit(report: GateReport) -> str:
    """Return the report as JUnit XML: a suite for each checkpoint, a case for each check."""
    root = ET.Element("testsuites", name="restorebench gate")
    if report.cases:
        for row, cases in groupby(report.cases, key=lambda case: case.row):
            _add_suite(root, row, report, [_case(report, case) for case in cases])
    else:
        case = ET.Element("testcase", classname="restorebench", name="gate")
        _add_verdict(case, report.verdict, report.message)
        _add_suite(root, "gate", report, [case])
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: ET.Element, name: str, report: GateReport, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=printable(name), tests=str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    properties = ET.SubElement(suite, "properties")
    notes = (("note", note) for note in report.notes)
    for label, text in (("gate verdict", report.verdict), *report.facts, *notes):
        ET.SubElement(properties, "property", name=printable(label), value=printable(text))
    suite.extend(cases)


def _case(report: GateReport, case: Case) -> ET.Element:
    place = ".".join([report.suite, case.row, case.task])
    element = ET.Element("testcase", classname=printable(place), name=printable(case.metric))
    _add_verdict(element, case.verdict, case.sentence)
    return element


def _add_verdict(element: ET.Element, verdict: Verdict, text: str) -> None:
    tag = ELEMENTS.get(verdict)
    if tag is not None:
        ET.SubElement(element, tag, type=verdict, message=printable(text))
    ET.SubElement(element, "system-out").text = printable(text)
