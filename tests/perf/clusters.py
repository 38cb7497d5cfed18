"""What many GPUs would give, predicted: all networks at their published size, whole real test sets.

Asked for by `-- clusters`. Nothing is measured: bundles are cut and handed out by the rules of
`restorebench.scale.cutting`, with what is assumed below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restorebench.api import load_method
from restorebench.catalog import Catalog
from restorebench.costs.complexity import SIDE, macs
from restorebench.scale.cutting import LONGEST, OVERHEADS, PER_WORKER, makespan
from restorebench.scale.forecast import MACS_PER_SECOND, SCORING_SECONDS_PER_PIXEL
from restorebench.scale.on_ray import RayExecutor

WORKERS = (1, 8, 64)
STARTING_SECONDS = 5.0
"""Starting Python and building the network; assumed for every bundle, though most need neither."""
PIXELS = {"sots_outdoor": 620 * 460, "gopro": 1280 * 720, "lol_v1": 600 * 400}
USUAL_PIXELS = 480 * 320


def section() -> list[dict[str, object]]:
    """Predict for each suite; the last three columns are seconds."""
    catalog = Catalog.installed()
    networks = [n for n in catalog.names("methods") if catalog.method(n).info.needs_weights]
    per_pixel = sorted((macs(load_method(name), SIDE) / SIDE**2 for name in networks), reverse=True)
    rows: list[dict[str, object]] = []
    for name in ("three_deg", "five_deg"):
        sets = [task.real.dataset for task in catalog.suite(name).tasks]
        sizes = [(data.count or 0, PIXELS.get(data.name, USUAL_PIXELS)) for data in sets]
        cells = [
            (count, pixels * (each / MACS_PER_SECOND["accelerator"] + SCORING_SECONDS_PER_PIXEL))
            for each in per_pixel
            for count, pixels in sizes
        ]
        images = sum(count for count, _ in cells)
        row: dict[str, object] = {"suite": name, "networks": len(networks), "images": images}
        rows.append(row | {f"{n} GPUs": round(seconds(cells, n), 1) for n in WORKERS})
    return rows


def seconds(cells: Sequence[tuple[int, float]], workers: int) -> float:
    """Predict how long cells take: each is images, and seconds of one image."""
    total = sum(count * each for count, each in cells)
    overhead = RayExecutor.overhead
    target = max(min(total / (PER_WORKER * workers), LONGEST), OVERHEADS * overhead)
    bundles = [cost for cell in cells for cost in _cut(*cell, target)]
    return makespan(bundles, workers, overhead + STARTING_SECONDS)


def _cut(count: int, each: float, target: float) -> Iterator[float]:
    bundles = max(1, min(count, round(count * each / target)))
    for place in range(bundles):
        yield each * (count // bundles + (place < count % bundles))
