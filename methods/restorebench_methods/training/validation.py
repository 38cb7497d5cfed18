"""What a training network makes of photographs that it is not trained on."""

from __future__ import annotations

from restorebench.method import Method
from restorebench.metrics import PSNR
from restorebench_methods.training.data import Crops


def validate(method: Method, crops: Crops) -> dict[str, float]:
    """Return the mean PSNR of the held-out crops in dB, for each source of degradation.

    Args:
        method: with the weights that would be kept; its network is left in evaluation mode.
        crops: whose held-out images are restored.
    """
    method.network.eval()
    scores: dict[str, list[float]] = {}
    for source, (degraded, clean, _) in crops.validation():
        restored = method.restore(degraded).clamp(0, 1)
        images = (t.permute(1, 2, 0).cpu().numpy() for t in (restored[0], clean))
        scores.setdefault(source.spec.name, []).append(float(PSNR.score(*images)))
    return {name: sum(values) / len(values) for name, values in scores.items()}
