"""What a network is made of: its layers, their parameters, and the work that an image takes."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.run.layers import Layer


def layers_of(model: PixelNetwork) -> list[Layer]:
    """The layers that hold numbers, in the order in which an image meets them.

    Args: model: it is called once on one image, and left as it is.
    """
    seen, modes = _Seen(model), {module: module.training for module in model.modules()}
    kept, model.convolve_in = model.convolve_in, torch.float32
    device = next(model.parameters()).device
    try:
        model.eval()
        with torch.no_grad(), seen:
            model(torch.zeros(1, 28, 28, dtype=torch.uint8, device=device))
    finally:
        model.convolve_in = kept
        for module, mode in modes.items():
            module.training = mode
    return seen.layers()


class _Seen(TorchDispatchMode):
    """Notes which operation uses whose tensors, what comes out of it, and what it costs.

    By the tensors and not by hooks, because a network may use a layer's filters without calling it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._kinds: dict[str, str] = {}
        self._parameters: dict[str, int] = {}
        self._owner: dict[int, str] = {}
        for name, module in model.named_modules():
            for key, tensor in [
                *module.named_parameters(recurse=False),
                *module.named_buffers(recurse=False),
            ]:
                owner = name or key  # a tensor of the network itself stands for a layer
                self._kinds[owner] = type(module).__name__.lstrip("_") if name else "constant"
                count = tensor.numel() if tensor.requires_grad else 0
                self._parameters[owner] = self._parameters.get(owner, 0) + count
                self._owner[tensor.data_ptr()] = owner
        self._flop: dict[str, int] = {}
        self._output: dict[str, tuple[int, ...]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # True would import the compiler: 1 to 2 s
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        cost = flop_registry.get(packet)
        if cost is None and "norm" not in packet.__name__:
            return found
        flop = int(cost(*args, **(kwargs or {}), out_val=found)) if cost else 0
        tensors = (one for one in args if isinstance(one, Tensor))
        owners = [self._owner[t.data_ptr()] for t in tensors if t.data_ptr() in self._owner]
        owner = owners[0] if owners else "(without parameters)"
        self._flop[owner] = self._flop.get(owner, 0) + flop
        out = found[0] if isinstance(found, tuple) else found
        self._output[owner] = tuple(out.shape[1:])
        return found

    def layers(self) -> list[Layer]:
        """Those that were used, then those whose use no operation told."""
        rest = [name for name, count in self._parameters.items() if count]
        return [
            Layer(
                name=name,
                kind=self._kinds.get(name, ""),
                output=self._output.get(name, ()),
                parameters=self._parameters.get(name, 0),
                flop=self._flop.get(name, 0),
            )
            for name in dict.fromkeys([*self._flop, *rest])
        ]
