"""Verification: whether the images below a data root are the set that their folder promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from restorebench.data.dataset import Dataset, Item, readable
from restorebench.data.evidence import Evidence, gather
from restorebench.data.finding import Finding, Status
from restorebench.data.folder import FolderDataset, inputs, is_hidden
from restorebench.data.known import against_manifest
from restorebench.data.plausible import against_spec, by_themselves

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
SHORT_NAME = 5
# From the worst on: what a person must mend first names the whole.
STATUSES: tuple[Status, ...] = (
    "damaged",
    "greyscale",
    "wrong variant",
    "re-encoded copy",
    "duplicates",
    "unknown",
    "partial",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of one set."""

    dataset: str
    title: str
    found: int
    count: int
    status: Status
    findings: tuple[Finding, ...]
    where: str
    """Where the set is distributed, and what belongs where."""

    @property
    def is_wrong(self) -> bool:
        """Whether what is there must not be scored as the whole set under its name."""
        return self.status in STATUSES

    @property
    def summary(self) -> str:
        """The status in words."""
        return f"partial, {self.found} of {self.count}" if self.status == "partial" else self.status


def verify(dataset: Dataset, data_root: Path | None) -> Verdict:
    """Look at every file of a set; absence is no fault.

    Raises:
        SpecError: if the manifest that its spec names cannot be read.
    """
    items = dataset.find(data_root)
    if not items:
        findings = tuple(_instead(dataset, data_root)) if data_root is not None else ()
        status: Status = findings[0].status if findings else "absent"
    else:
        findings = (*judged(gather(dataset, items)), *_beside(dataset, items, data_root))
        present = {finding.status for finding in findings}
        status = next((status for status in STATUSES if status in present), "ok")
    return Verdict(
        dataset=dataset.name,
        title=dataset.title,
        found=len(items),
        count=dataset.count,
        status=status,
        findings=findings,
        where=dataset.where(),
    )


def judged(evidence: Evidence) -> Iterator[Finding]:
    """Yield everything that any rule finds."""
    yield from by_themselves(evidence)
    if isinstance(evidence.dataset, FolderDataset):
        yield from against_spec(evidence, evidence.dataset.spec)
    manifest = evidence.dataset.manifest()
    if manifest is not None:
        yield from against_manifest(evidence, manifest)
    elif evidence.seen:
        yield Finding("ok", "no manifest of this set is on record, so that bytes were not compared")


def _instead(dataset: Dataset, root: Path) -> Iterator[Finding]:
    """Say what lies below the data root in place of an absent set."""
    if not isinstance(dataset, FolderDataset):
        return
    for variant in dataset.spec.variants:
        if variant.input and any(path.is_file() for path in root.glob(variant.input)):
            yield Finding("wrong variant", f"only {variant.input} is there: {variant.title}")
    names = {_letters(name) for name in (dataset.name, dataset.title, *dataset.spec.also)}
    packed = [path for path in archives(root) if _goes_by(path, names)]
    if packed:
        paths = tuple(readable(str(path.relative_to(root))) for path in packed)
        yield Finding("not unpacked", "still an archive; unpack it below the data root", paths)


def _beside(dataset: Dataset, items: tuple[Item, ...], root: Path | None) -> Iterator[Finding]:
    """Say what else lies there and was left aside."""
    if not isinstance(dataset, FolderDataset) or root is None:
        return
    (layout, _), *others = dataset.layouts_at(root)
    if others:
        places = tuple(other.input for other, _ in others)
        yield Finding("ok", f"taken from {layout.input}; not looked at in other places", places)
    used = {path for item in items for path in item.files.values()}
    strays = [path for path, match in inputs(root, layout) if match is None and path not in used]
    if strays:
        yield Finding("ok", "files that are no images of the set by their names", _names(strays))
    entries = [path for path in root.glob(layout.input) if not is_hidden(path)]
    broken = [path for path in entries if not path.is_file() and not path.is_dir()]
    if broken:
        yield Finding("damaged", "links to nothing, or no files", _names(broken))
    if layout.target is not None:
        yield from _unused_targets(items, used)


def _unused_targets(items: tuple[Item, ...], used: set[Path]) -> Iterator[Finding]:
    folders = {item.target.parent for item in items if item.target and not item.fault}
    targets = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    unused = {path for path in targets if path.is_file() and not is_hidden(path)} - used
    if unused:
        yield Finding("ok", "targets that no degraded image belongs to", _names(unused))


def archives(root: Path) -> Iterator[Path]:
    """Yield the archives below a folder, down to the fourth level."""
    for depth in range(1, 5):
        for path in sorted(root.glob("/".join("*" * depth))):
            if path.suffix.lower() in ARCHIVES and path.is_file():
                yield path


def _goes_by(path: Path, names: Iterable[str]) -> bool:
    own = _letters(path.name.split(".")[0])
    return any(own == name or (name in own and len(name) >= SHORT_NAME) for name in names)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(sorted(readable(path.name) for path in paths))
