"""Degradations of clean photographs: of the sample, of mixes, and by `restorebench degrade`."""

from restorebench_benchmarks.degradations.blur import DefocusBlur, MotionBlur
from restorebench_benchmarks.degradations.compression import JPEG
from restorebench_benchmarks.degradations.haze import Haze
from restorebench_benchmarks.degradations.interval import Ranged
from restorebench_benchmarks.degradations.lowlight import LowLight
from restorebench_benchmarks.degradations.rain import RainStreaks
from restorebench_benchmarks.degradations.resolution import LowResolution
from restorebench_benchmarks.degradations.snow import Snow

__all__ = [
    "JPEG",
    "DefocusBlur",
    "Haze",
    "LowLight",
    "LowResolution",
    "MotionBlur",
    "RainStreaks",
    "Ranged",
    "Snow",
]
