"""Perceptual metrics, computed by pyiqa: one adapter for all of them.

pyiqa comes with the extra ``[iqa]``, since its licence is non-commercial and it needs torchvision.
Nothing here imports it before one of its metrics is to be computed. Its networks run on the CPU, so
that a score never depends on the accelerator that restored the image.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import metadata
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorebench.errors import ImageError, SetupError
from restorebench.metrics import Metric

Float = NDArray[np.float32]

INSTALL = "pip install 'restorebench[iqa]'"
PATIENCE = 10.0
"""Seconds without a byte after which a server of weights is taken for unreachable."""


@dataclass(frozen=True, slots=True)
class Pyiqa:
    """One of pyiqa's metrics; its weights are loaded when it is first asked for."""

    name: str
    """As pyiqa calls it."""

    def unavailable(self) -> str | None:
        """Return why it cannot be computed here and what to do; fetches weights if it must."""
        found = _network(self.name)
        return found if isinstance(found, str) else None

    def score(self, restored: Float, *clean: Float) -> float:
        """Return the metric's value for one image.

        Args:
            restored: H x W x 3, RGB in [0, 1]; pyiqa takes this range and converts it to what the
                metric is defined on, such as [-1, 1] for LPIPS and 0-255 for NIQE.
            clean: the target, same shape; left out for a no-reference metric.

        Raises:
            SetupError: if the metric is unavailable.
            ImageError: if it is not defined on this image, such as luma or one too small.
        """
        network = _network(self.name)
        if isinstance(network, str):
            raise SetupError(f"{self.name}: {network}")
        if restored.shape[-1] != 3:
            raise ImageError(f"{self.name} is defined on RGB, but the protocol scores luma")
        import torch

        images = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (restored, *clean)]
        try:
            return float(network(*images))
        except Exception as error:  # pyiqa is foreign code, and many metrics have a least size
            size = f"{restored.shape[1]}x{restored.shape[0]}"
            raise ImageError(f"{self.name} failed on {size} pixels: {_reason(error)}") from error


@cache
def _network(name: str) -> Callable[..., Any] | str:
    """Return pyiqa's metric, or why there is none; tried once, since a try may take a while."""
    pyiqa = _pyiqa()
    if isinstance(pyiqa, str):
        return pyiqa
    try:
        # pyiqa reports its downloads on standard output, which belongs to the table.
        with redirect_stdout(sys.stderr), _patience():
            network: Callable[..., Any] = pyiqa.create_metric(name, device="cpu")
    except OSError as error:
        return (
            f"its weights cannot be fetched ({_reason(error)}); let this machine reach the network "
            "once, or copy ~/.cache/torch (TORCH_HOME) from one that has them"
        )
    except Exception as error:  # foreign code, and files of its cache may be damaged
        return f"pyiqa cannot build it ({_reason(error)}); install it anew with {INSTALL}"
    return network


@cache
def _pyiqa() -> ModuleType | str:
    """Return the package, telling its licence once; or why it cannot be used."""
    try:
        pyiqa = import_module("pyiqa")
    except ModuleNotFoundError as error:
        if error.name == "pyiqa":
            return f"pyiqa is not installed; {INSTALL} (its licence is non-commercial)"
        return f"pyiqa lacks {error.name}; {INSTALL}"
    except Exception as error:  # torchvision for another build of torch fails in many ways
        return (
            f"pyiqa cannot be imported ({_reason(error)}); "
            "install torch and torchvision of one and the same build"
        )
    facts = metadata("pyiqa")
    sys.stderr.write(
        f"restorebench: perceptual metrics are computed by pyiqa {facts['Version']}, licence "
        f"{facts['License-Expression'] or 'see its package'}; their weights have licences of "
        "their own\n"
    )
    return pyiqa


@contextmanager
def _patience() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: BaseException) -> str:
    lines = str(getattr(error, "reason", error)).strip().splitlines()  # a URLError wraps another
    return lines[0] if lines else type(error).__name__


def _metric(name: str, title: str, digits: int, *, higher: bool, reference: bool = True) -> Metric:
    adapter = Pyiqa(name)
    return Metric(
        title=title,
        unit="",
        digits=digits,
        higher_is_better=higher,
        score=adapter.score,
        needs_target=reference,
        unavailable=adapter.unavailable,
        packages=("pyiqa", "torchvision"),
    )


# With weights that are fetched when they are first used.
LPIPS_VGG = _metric("lpips-vgg", "LPIPS-VGG", 4, higher=False)
"""Zhang et al., CVPR 2018, version 0.1 on VGG-16; what MoCE-IR reports."""
LPIPS_ALEX = _metric("lpips", "LPIPS-Alex", 4, higher=False)
"""The same on AlexNet, as its authors recommend for comparing images."""
DISTS = _metric("dists", "DISTS", 4, higher=False)
"""Ding et al., TPAMI 2020."""
NIQE = _metric("niqe", "NIQE", 3, higher=False, reference=False)
"""Mittal et al., SPL 2013, with the authors' own parameters, on luma."""
MUSIQ = _metric("musiq", "MUSIQ", 2, higher=True, reference=False)
"""Ke et al., ICCV 2021, trained on KonIQ-10k."""
DBCNN = _metric("dbcnn", "DBCNN", 4, higher=True, reference=False)
"""Zhang et al., TCSVT 2018, trained on KonIQ-10k."""
CLIP_IQA = _metric("clipiqa", "CLIP-IQA", 4, higher=True, reference=False)
"""Wang et al., AAAI 2023, CLIP's RN50 without learned prompts."""

# Without any weights.
CW_SSIM = _metric("cw_ssim", "CW-SSIM", 4, higher=True)
"""Sampat et al., TIP 2009, on luma."""
FSIM = _metric("fsim", "FSIMc", 4, higher=True)
"""Zhang et al., TIP 2011, the variant with chrominance."""
GMSD = _metric("gmsd", "GMSD", 4, higher=False)
"""Xue et al., TIP 2014, on luma."""
MAD = _metric("mad", "MAD", 2, higher=False)
"""Larson and Chandler, JEI 2010, on luma."""
MS_SSIM = _metric("ms_ssim", "MS-SSIM", 4, higher=True)
"""Wang et al., Asilomar 2003, on luma, five scales: both sides at least 176 pixels."""
NLPD = _metric("nlpd", "NLPD", 4, higher=False)
"""Laparra et al., HVEI 2016, on luma."""
VIF = _metric("vif", "VIF", 4, higher=True)
"""Sheikh and Bovik, TIP 2006, on luma; above 1 where contrast was raised."""
VSI = _metric("vsi", "VSI", 4, higher=True)
"""Zhang et al., TIP 2014."""
PIQE = _metric("piqe", "PIQE", 2, higher=False, reference=False)
"""Venkatanath et al., NCC 2015, on luma; it calls smooth images impaired as well as noisy ones."""
ENTROPY = _metric("entropy", "Entropy", 3, higher=True, reference=False)
"""Of the histogram of luma, in bits. Noise raises it, so it tells of contrast, not of quality."""
