"""What a set's files are by comparison with the manifest of the known copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from restorebench.data.evidence import Evidence, Seen
from restorebench.data.finding import Finding
from restorebench.data.looks import ALIKE, distances
from restorebench.data.manifest import FileFacts, Manifest

MULTIPLES = (16, 32, 8, 4, 2)
"""The first that explains a cut is named; most of the field's scripts cut to 16."""


@dataclass(frozen=True)
class Match:
    """One file, and which file of the known copy it is."""

    seen: Seen
    entry: FileFacts | None
    """Of equal pixels or, failing that, the one that looks alike; ``None`` if there is none."""

    @property
    def is_same(self) -> bool:
        """Whether the pixels are equal."""
        return self.entry is not None and self.entry.pixels == self.seen.facts.pixels

    @property
    def is_alike(self) -> bool:
        """Whether it merely looks alike."""
        return self.entry is not None and not self.is_same


@dataclass(frozen=True)
class Comparison:
    """A set as found beside the known copy."""

    evidence: Evidence
    manifest: Manifest

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """Each file with its counterpart: under its own name if possible, else any."""
        by_pixels = defaultdict(list)
        for entry in self.manifest.files:
            by_pixels[entry.pixels].append(entry)
        strange = [s for s in self.evidence.seen if s.facts.pixels not in by_pixels]
        alike = _alike([s.facts for s in strange], self.manifest.files)
        return tuple(
            Match(s, _nearest(s.facts, by_pixels.get(s.facts.pixels) or alike.get(_key(s.facts))))
            for s in self.evidence.seen
        )

    @cached_property
    def images_by_pixels(self) -> Mapping[tuple[str, str], set[str]]:
        """Ids of the known images by role and pixels, of which several may share a target."""
        images: dict[tuple[str, str], set[str]] = defaultdict(set)
        for entry in self.manifest.files:
            images[entry.role, entry.pixels].add(entry.image)
        return images


def against_manifest(evidence: Evidence, manifest: Manifest) -> Iterator[Finding]:
    """Yield how a set differs from the known copy."""
    compared = Comparison(evidence, manifest)
    yield from _swapped(compared)
    yield from _mispaired(compared)
    yield from _encoded(compared.matches)
    yield from _resized(compared.matches)
    yield from _members(compared)


def cut_to_multiple(found: str, expected: str) -> int:
    """Return to which multiple a known size was cut, or 0 if the found size is none of its cuts.

    >>> cut_to_multiple("480x320", "481x321"), cut_to_multiple("240x160", "481x321")
    (16, 0)
    """
    width, height = map(int, expected.split("x"))
    cuts = (m for m in MULTIPLES if found == f"{width - width % m}x{height - height % m}")
    return next(cuts, 0) if found != expected else 0


def _swapped(compared: Comparison) -> Iterator[Finding]:
    images = [
        m.seen.facts.image
        for m in compared.matches
        if m.is_same and m.entry is not None and m.entry.role != m.seen.facts.role
    ]
    if images:
        text = "degraded images and targets are swapped"
        yield Finding("wrong variant", text, tuple(dict.fromkeys(images)))


def _mispaired(compared: Comparison) -> Iterator[Finding]:
    known = compared.images_by_pixels
    wrong = []
    for degraded, target in compared.evidence.pairs:
        a = known.get(("degraded", degraded.facts.pixels), set())
        b = known.get(("target", target.facts.pixels), set())
        if a and b and not a & b:
            wrong.append(f"{degraded.facts.image} has the target of {min(b)}")
    if wrong:
        yield Finding("wrong variant", "targets are not in the order of the images", tuple(wrong))


def _encoded(matches: Sequence[Match]) -> Iterator[Finding]:
    same = [(m.seen.facts, m.entry) for m in matches if m.is_same and m.entry is not None]
    identical = sum(f.sha256 == e.sha256 and _key(f) == _key(e) for f, e in same)
    if identical:
        yield Finding("ok", f"{identical} of {len(matches)} files are those on record")
    lossless = tuple(facts.file for facts, entry in same if facts.sha256 != entry.sha256)
    if lossless:
        text = f"re-encoded copy, but pixels equal ({len(lossless)} files of other bytes)"
        yield Finding("ok", text, lossless)
    lossy = tuple(
        m.seen.facts.file
        for m in matches
        if m.is_alike and m.entry is not None and m.entry.size == m.seen.facts.size
    )
    if lossy:
        text = f"re-encoded with loss: pixels near but not equal ({len(lossy)} files)"
        yield Finding("re-encoded copy", text, lossy)


def _resized(matches: Sequence[Match]) -> Iterator[Finding]:
    kinds = defaultdict(list)
    for match in matches:
        if match.is_alike and match.entry is not None:
            found, known = match.seen.facts.size, match.entry.size
            if found != known:
                cut = cut_to_multiple(found, known)
                how = f"cut to multiples of {cut}" if cut else "resized or cut"
                kinds[how, _lying(known), _lying(found)].append(match.seen.facts.file)
    for (how, known, found), files in kinds.items():
        yield Finding("wrong variant", f"{how}, {known} to {found}", tuple(files))


def _members(compared: Comparison) -> Iterator[Finding]:
    """Yield which images are missing, which are too many, and which have another's name."""
    leading = compared.manifest.files[0].role
    matches = [m for m in compared.matches if m.seen.facts.role == leading]
    strange = [m.seen.facts.image for m in matches if m.entry is None]
    if strange:
        text = f"images that are not of the known copy ({len(strange)})"
        yield Finding("unknown", text, tuple(strange))
    there = {m.entry.image for m in compared.matches if m.entry is not None}
    there |= {unseen.image for unseen in compared.evidence.unseen}
    expected = [entry.image for entry in compared.manifest.files if entry.role == leading]
    missing = tuple(image for image in expected if image not in there)
    if missing:
        yield Finding("partial", f"{len(missing)} of {len(expected)} images are missing", missing)
    renamed = tuple(
        f"{m.seen.facts.image} is {m.entry.image}"
        for m in matches
        if m.entry is not None and m.entry.image != m.seen.facts.image
    )
    if renamed:
        yield Finding("ok", "images under other names, so that keyed noise is another", renamed)


def _lying(size: str) -> str:
    """Return the size of an image that was turned to lie on its longer side."""
    return "x".join(sorted(size.split("x"), key=int, reverse=True))


def _key(facts: FileFacts) -> tuple[str, str]:
    return facts.role, facts.image


def _alike(
    strange: Sequence[FileFacts], entries: Sequence[FileFacts]
) -> dict[tuple[str, str], list[FileFacts]]:
    """Return the entries that look like each file, nearest first."""
    if not strange:
        return {}
    apart = distances([facts.look for facts in strange], [entry.look for entry in entries])
    found = {}
    for facts, row in zip(strange, apart, strict=True):
        found[_key(facts)] = [entries[i] for i in np.argsort(row, kind="stable") if row[i] <= ALIKE]
    return found


def _nearest(facts: FileFacts, entries: Sequence[FileFacts] | None) -> FileFacts | None:
    """Return the entry of the same name and role, or the same role, or the first."""
    for kind in ((facts.role, facts.image), (facts.role,)):
        for entry in entries or ():
            if (entry.role, entry.image)[: len(kind)] == kind:
                return entry
    return entries[0] if entries else None
