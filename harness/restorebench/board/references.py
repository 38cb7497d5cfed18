"""References: the BibTeX entry behind a key that a method's card or a data set names.

Packages provide files of entries by the entry-point group ``restorebench.references``. The harness
reads no BibTeX beyond where an entry begins and ends.
"""

from __future__ import annotations

import re

from restorebench.catalog import Catalog

_ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\s]+),.*?^\}$", re.DOTALL | re.MULTILINE)


def entries_in(text: str) -> dict[str, str]:
    """Return the entries of a BibTeX file by key; an entry ends with a brace on its own line."""
    return {match["key"]: match[0] for match in _ENTRY.finditer(text)}


def installed_entries(catalog: Catalog) -> dict[str, str]:
    """Return the entries of all packages by key.

    Raises:
        SetupError: if a package that provides some cannot be imported.
    """
    found: dict[str, str] = {}
    for name in catalog.names("references"):
        file = catalog.groups["references"][name].load()
        found |= entries_in(file.read_text(encoding="utf-8"))
    return found
