"""What a network costs on paper: parameters, and multiply-accumulates by three counters.

One multiply-accumulate (MAC) is two floating-point operations (FLOPs). Papers print MACs under
either name, at 224x224 or 256x256, by counters that miss different operations; so three count here,
and whatever none of them can count is listed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from restorebench.costs.handlers import for_fvcore, for_ptflops, for_torch
from restorebench.errors import MethodBuildError
from restorebench.inference import computing
from restorebench.method import Method

SIDE = 224
"""Height and width that the field states MACs at, in pixels."""
DISAGREEMENT = 0.05


@dataclass(frozen=True, slots=True)
class Complexity:
    """Cost of one network on one square image."""

    side: int
    parameters: int
    trainable: int
    """Parameters that training moves: all but those the network itself froze."""
    unused: tuple[str, ...]
    """Names of the parameters that this forward pass never touched."""
    unused_count: int
    macs: Mapping[str, int]
    """Multiply-accumulates by counter; empty for a method without a network to count in."""
    uncounted: Mapping[str, int]
    """Operators that no counter has a rule for, by how often they occur (fvcore's list)."""

    @property
    def disagreement(self) -> float:
        """How far the lowest count lies below the highest, as a fraction of it."""
        return spread(self.macs.values())


def spread(counts: Collection[float]) -> float:
    """Return how far the lowest count lies below the highest, as a fraction of it.

    >>> spread([150, 200]), spread([0, 0]), spread([])
    (0.25, 0.0, 0.0)
    """
    most = max(counts, default=0)
    return 1 - min(counts) / most if most else 0.0


def complexity(method: Method, side: int = SIDE) -> Complexity:
    """Count a method's parameters and multiply-accumulates on one image of ``side`` x ``side``.

    Raises:
        MethodBuildError: if the network cannot take an image of that size.
    """
    network = method.network
    names = list(network.named_parameters())
    with torch.device("meta"):  # shapes without values: nothing is computed
        as_built = type(method).network_class(**method.config)
    try:
        # What is counted is the network as written down, not the shortest way to its output.
        with computing("reference"):
            touched = _touched(network, side)
            shapes = countable(network, side)
            counts = {"torch": _by_torch(*shapes), "ptflops": _by_ptflops(*shapes)}
            counts["fvcore"], uncounted = _by_fvcore(network, side)
    except Exception as error:  # a network is foreign code
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MethodBuildError(
            f"{method.info.title} cannot be counted at {side}x{side}: {reason}"
        ) from error
    unused = [(name, p) for name, p in names if id(p) not in touched]
    return Complexity(
        side=side,
        parameters=sum(p.numel() for _, p in names),
        trainable=sum(p.numel() for p in as_built.parameters() if p.requires_grad),
        unused=tuple(name for name, _ in unused),
        unused_count=sum(p.numel() for _, p in unused),
        macs=counts if any(counts.values()) else {},
        uncounted=uncounted,
    )


def parameters(method: Method) -> int:
    """Return the number of parameters, whether they are used or not."""
    return sum(p.numel() for p in method.network.parameters())


def macs(method: Method, side: int = SIDE) -> int:
    """Return the multiply-accumulates of convolutions and matrix products, as torch counts them."""
    with computing("reference"):
        return _by_torch(*countable(method.network, side))


class _Touched(TorchFunctionMode):
    """Remembers every tensor that a torch function computed with."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # Asking for a shape is a torch function, too, and uses no parameter.
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            leaves = tree_leaves((args, kwargs))
            self.ids.update(id(leaf) for leaf in leaves if isinstance(leaf, nn.Parameter))
        return result


def _touched(network: nn.Module, side: int) -> set[int]:
    mode = _Touched()
    with mode, torch.no_grad():
        network(image(side).to(_device(network)))
    return mode.ids


def image(side: int = SIDE, batch: int = 1) -> Tensor:
    """Return the images (batch, 3, side, side) that costs are measured on, all one and the same."""
    one = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    return one.repeat(batch, 1, 1, 1)


def _device(network: nn.Module) -> torch.device:
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def countable(network: nn.Module, side: int) -> tuple[nn.Module, Tensor]:
    """Return a network and an input that are shapes alone, where the cost depends on no value."""
    meta = deepcopy(network).to("meta")
    x = torch.empty(1, 3, side, side, device="meta")
    try:
        with torch.no_grad():
            meta(x)
    except RuntimeError:  # it looks at values, as routers do
        return network, image(side).to(_device(network))
    return meta, x


def _by_torch(network: nn.Module, x: Tensor) -> int:
    counter = FlopCounterMode(display=False, custom_mapping=for_torch())
    with counter, torch.no_grad():
        network(x)
    return int(counter.get_total_flops()) // 2


def _by_ptflops(network: nn.Module, x: Tensor) -> int:
    from ptflops import get_model_complexity_info

    with torch.no_grad():
        total, _ = get_model_complexity_info(
            network,
            tuple(x.shape[1:]),
            as_strings=False,
            print_per_layer_stat=False,
            backend="aten",
            input_constructor=lambda _: x,
            custom_modules_hooks=for_ptflops(),
        )
    if total is None:  # it prints what a network raises, and goes on
        raise RuntimeError("ptflops cannot run this network")
    return int(total)


def _by_fvcore(network: nn.Module, side: int) -> tuple[int, Mapping[str, int]]:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # fvcore traces with torch.jit, which is deprecated
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(network, image(side).to(_device(network)))
        for name, handler in for_fvcore().items():
            analysis.set_op_handle(name, handler)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        total = int(analysis.total())
        skipped = {k.removeprefix("aten::"): n for k, n in analysis.unsupported_ops().items()}
    return total, dict(sorted(skipped.items()))
