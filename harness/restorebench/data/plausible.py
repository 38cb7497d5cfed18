"""What a set's files are by themselves, for any set: kinds, sizes, pairs, counts, brightness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import gcd
from pathlib import Path

import numpy as np

from restorebench.data.dataset import readable
from restorebench.data.evidence import Evidence, Seen, Unseen
from restorebench.data.finding import Finding, Status
from restorebench.data.known import cut_to_multiple
from restorebench.data.layout import DatasetSpec

RELATED = 0.5
"""Correlation of coarse brightness, below which two images hardly show the same scene. The pairs of
Rain100L and LOL-v1 reach 0.88 and more."""
MUCH_NEARER = 0.3


def by_themselves(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the files of any set."""
    yield from _unreadable(evidence.unseen)
    yield from _without_target(evidence)
    yield from _without_colour(evidence)
    yield from _strange_pairs(evidence)
    yield from _repeated(evidence)
    yield from _count(evidence)


def against_spec(evidence: Evidence, spec: DatasetSpec) -> Iterator[Finding]:
    """Yield where files differ from what the spec says of them."""
    yield from _variants(evidence.seen, spec)
    if spec.manifest is None:  # which knows the size of each image
        yield from _sizes(evidence.seen, spec)
    yield from _evenness(evidence.seen, spec)
    yield from _brightness(evidence, spec)
    yield from _shared_targets(evidence, spec)


def _unreadable(unseen: Iterable[Unseen]) -> Iterator[Finding]:
    reasons = tuple(u.reason for u in unseen if not u.grey and not _is_missing_target(u))
    if reasons:
        yield Finding("damaged", f"{len(reasons)} files cannot be scored", reasons)


def _is_missing_target(unseen: Unseen) -> bool:
    return unseen.role == "target" and not unseen.path.exists()


def _without_target(evidence: Evidence) -> Iterator[Finding]:
    inputs = {item.image: item.degraded or Path() for item in evidence.items}
    other, none = [], []
    for unseen in filter(_is_missing_target, evidence.unseen):
        own = inputs[unseen.image]
        stems = {unseen.path.stem, own.stem}
        near = [p for p in _listing(unseen.path.parent) if p.stem in stems and p != own]
        if near:
            other.append(readable(f"{near[0].name} for {unseen.path.name}"))
        else:
            none.append(unseen.image)
    if other:
        text = f"targets of another file type ({len(other)}), so re-encoded"
        yield Finding("re-encoded copy", text, tuple(other))
    if none:
        yield Finding("damaged", f"{len(none)} images have no target", tuple(none))


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _without_colour(evidence: Evidence) -> Iterator[Finding]:
    names = [unseen.image for unseen in evidence.unseen if unseen.grey]
    grey = [seen.facts.image for seen in evidence.seen if seen.grey]
    # One photograph of fog may have no colour; a set of them is another set.
    if names or len(grey) * 2 > len(evidence.seen):
        text = "no colours; the benchmarks are defined on the colour version"
        yield Finding("greyscale", text, tuple(dict.fromkeys(names + grey)))


def _strange_pairs(evidence: Evidence) -> Iterator[Finding]:
    pairs = evidence.pairs
    equal = tuple(a.facts.image for a, b in pairs if a.facts.pixels == b.facts.pixels)
    if equal:
        text = f"degraded images that are equal to their targets ({len(equal)})"
        yield Finding("wrong variant", text, equal)
    sizes = tuple(
        f"{a.facts.image}, {a.facts.size} and {b.facts.size}"
        for a, b in pairs
        if a.facts.size != b.facts.size
    )
    if sizes:
        yield Finding("damaged", f"pairs of unequal sizes ({len(sizes)})", sizes)
    if len(pairs) < 2:
        return
    related = np.stack([a.coarse for a, _ in pairs]) @ np.stack([b.coarse for _, b in pairs]).T
    own, best = np.diag(related), related.max(axis=1)
    wrong = np.flatnonzero((own < RELATED) & (best > own + MUCH_NEARER))
    if len(wrong) * 10 >= len(pairs) and len(wrong) > 1:
        text = f"targets that show another scene ({len(wrong)}), as if sorted differently"
        yield Finding("wrong variant", text, tuple(pairs[i][0].facts.image for i in wrong))


def _repeated(evidence: Evidence) -> Iterator[Finding]:
    by_pixels = defaultdict(list)
    for seen in evidence.seen:
        by_pixels[seen.facts.role, seen.facts.pixels].append(seen.facts.image)
    leading = evidence.seen[0].facts.role if evidence.seen else ""
    for role in dict.fromkeys(role for role, _ in by_pixels):
        same = [names for (r, _), names in by_pixels.items() if r == role and len(names) > 1]
        # Several degraded images of one scene may each come with a copy of its target.
        status: Status = "duplicates" if role == leading else "ok"
        if same:
            text = f"{role} images that are the same pixels under several names ({len(same)})"
            yield Finding(status, text, tuple(" = ".join(names) for names in same))


def _count(evidence: Evidence) -> Iterator[Finding]:
    found, count = len(evidence.items), evidence.dataset.count
    if found < count:
        yield Finding("partial", f"{found} of {count} images are there")
    if found > count:
        yield Finding("unknown", f"{found} images, more than the {count} of the known set")


def _variants(seen: Iterable[Seen], spec: DatasetSpec) -> Iterator[Finding]:
    images = defaultdict(list)
    for one in seen:
        for variant in spec.variants:
            if one.facts.size in _both_ways(variant.sizes):
                images[variant.title].append(one.facts.image)
    for title, found in images.items():
        yield Finding("wrong variant", title, tuple(dict.fromkeys(found)))


def _sizes(seen: Iterable[Seen], spec: DatasetSpec) -> Iterator[Finding]:
    expected = _both_ways(spec.sizes)
    others = defaultdict(list)
    for one in seen:
        if expected and one.facts.size not in expected:
            others[one.facts.size].append(one.facts.image)
    for size, images in others.items():
        cut = max(cut_to_multiple(size, known) for known in expected)
        how = f"cut to multiples of {cut}" if cut else "resized or cut"
        text = f"size {size}, not {' or '.join(spec.sizes)}: {how}"
        yield Finding("wrong variant", text, tuple(dict.fromkeys(images)))


def _both_ways(sizes: Iterable[str]) -> set[str]:
    return {way for size in sizes for way in (size, "x".join(size.split("x")[::-1]))}


def _evenness(seen: tuple[Seen, ...], spec: DatasetSpec) -> Iterator[Finding]:
    sides = [int(side) for one in seen for side in one.facts.size.split("x")]
    common = gcd(*sides) if spec.uneven and len(set(sides)) > 2 else 1
    if common > 1:
        text = f"all sides are multiples of {common}: cut to multiples, as for super-resolution"
        yield Finding("wrong variant", text)


def _brightness(evidence: Evidence, spec: DatasetSpec) -> Iterator[Finding]:
    if spec.brightness is None or not evidence.pairs:
        return
    low, high = spec.brightness.low, spec.brightness.high
    mean = float(np.mean([a.mean - b.mean for a, b in evidence.pairs]))
    if low <= mean <= high:
        return
    swapped = low <= -mean <= high
    what = "degraded images and targets are swapped" if swapped else spec.brightness.otherwise
    text = f"degraded minus target is {mean:+.1f} grey levels in the mean, not {low:g} to {high:g}"
    yield Finding("wrong variant", f"{what} ({text})")


def _shared_targets(evidence: Evidence, spec: DatasetSpec) -> Iterator[Finding]:
    found = len({item.target for item in evidence.items})
    complete = len(evidence.items) == spec.count
    if complete and spec.targets is not None and found != spec.targets:
        text = f"{found} targets instead of {spec.targets}: another copy"
        yield Finding("wrong variant", text)
