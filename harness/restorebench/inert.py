"""Text from files, users and names, made harmless for where it is shown."""

from __future__ import annotations

FORMULA = tuple("=+-@＝＋－＠")


def printable(text: str) -> str:
    r"""Return one line without control characters, which could move a cursor or reverse a text.

    >>> printable("two\nlines, \x1b[31mred")
    'two lines, �[31mred'
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def plain(text: str) -> str:
    """Return one line of text that no spreadsheet takes for a formula.

    >>> plain("=1+1"), plain("1+1")
    ("'=1+1", '1+1')
    """
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
