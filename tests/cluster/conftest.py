"""What clusters of any kind must leave: the records of one process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from restorebench.rows import Options
from restorebench.scale.order import Order

from ..orders import METHOD, alone  # noqa: TID252 - the same method as there

IMAGES = 6
# Slow enough for a worker to be killed while it is at an image; and one that kills its worker.
PLUGIN = (
    METHOD
    + """
class Slow(Half):
    def restore(self, x):
        pause = Path(__file__).with_name("pause")
        time.sleep(float(pause.read_text()) if pause.exists() else 0.5)
        return super().restore(x)

class Killer(Half):
    def restore(self, x):
        os.kill(os.getpid(), signal.SIGKILL)

METHODS = {"slow": Slow, "killer": Killer}
"""
)
SUITE = """\
name: nights
version: 1
title: Noise on photographs
average: mean of the tasks
tasks:
"""
TASK = "  - {{name: s{0}, title: S{0}, kind: denoise, dataset: sample, mix: [{{gaussian_noise: {{sigma: {0}}}}}]}}\n"  # noqa: E501

Make = Callable[..., Order]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Orders of six images for each method: three photographs under two noise levels."""
    return partial(order_in, tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process without bundles."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "pause").write_text("0")
    return alone(order_in(folder, "local"), folder / "run")


def order_in(folder: Path, executor: str, **settings: object) -> Order:
    """Write the plugin and the suite, and return an order of them."""
    plugin, suite = folder / "plugin.py", folder / "nights.yaml"
    plugin.write_text(PLUGIN)
    suite.write_text(SUITE + "".join(TASK.format(sigma) for sigma in (15, 50)))
    return Order(
        session="",
        suite=str(suite),
        methods=("slow", "identity"),
        options=Options(noise="airnet-stream-continued", limit=3, pictures=False),
        plugins=(plugin,),
        here=folder,
        executor=executor,
        workers=2,
        settings={name: str(value) for name, value in settings.items()},
        bundle_seconds=0.3,
        rounds=3,
    )
