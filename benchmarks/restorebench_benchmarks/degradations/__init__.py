"""Degradations of clean photographs that stand in for the real sets where those are absent."""

from restorebench_benchmarks.degradations.blur import MotionBlur
from restorebench_benchmarks.degradations.haze import Haze
from restorebench_benchmarks.degradations.lowlight import LowLight
from restorebench_benchmarks.degradations.rain import RainStreaks

__all__ = ["Haze", "LowLight", "MotionBlur", "RainStreaks"]
