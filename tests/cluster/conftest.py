"""What clusters of any kind must leave: the records of one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from restorebench.rows import Options
from restorebench.scale.order import Order

from ..orders import METHOD  # noqa: TID252 - the same method as there

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
    plugin, suite = tmp_path / "plugin.py", tmp_path / "nights.yaml"
    plugin.write_text(PLUGIN)
    suite.write_text(SUITE + "".join(TASK.format(sigma) for sigma in (15, 50)))

    def order(executor: str, **settings: object) -> Order:
        return Order(
            session="",
            suite=str(suite),
            methods=("slow", "identity"),
            options=Options(noise="airnet-stream-continued", limit=3, pictures=False),
            plugins=(plugin,),
            here=tmp_path,
            executor=executor,
            workers=2,
            settings={name: str(value) for name, value in settings.items()},
            bundle_seconds=0.3,
            rounds=3,
        )

    return order
