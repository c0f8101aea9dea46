"""Optimisers, and their state as named arrays."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion_cnn.recipes.recipe import Recipe


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that a recipe names.

    Weight decay spares what has one dimension, biases and shifts; Adam's L2 penalty spares nothing.
    """
    trained = trained_parameters(model)
    common: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    adam = {"betas": (recipe.momentum, recipe.beta2), "fused": True}
    if recipe.optimizer == "adam":
        return Adam(trained.values(), **common, **adam)
    decayed = [p for p in trained.values() if p.ndim > 1]
    groups = [
        {"params": decayed},
        {"params": [p for p in trained.values() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return AdamW(groups, **common, **adam)
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        return SGD(groups, **common, momentum=momentum, nesterov=momentum > 0)
    return Muon(groups, common, adam)


class _Lean:
    """Methods of PyTorch's optimisers without a wrapper that imports its compiler: 1 to 2 s.

    That of `step` also turns gradients off, unless an optimiser is differentiable; none of ours is.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class Adam(_Lean, torch.optim.Adam):
    """`torch.optim.Adam`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Lean, torch.optim.AdamW):
    """`torch.optim.AdamW`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class SGD(_Lean, torch.optim.SGD):
    """`torch.optim.SGD`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class Muon(_Lean, torch.optim.Optimizer):
    """Nesterov momentum whose step on a bank of filters is made orthogonal; AdamW for the rest.

    Take the averaged gradient of filters (O, I, H, W) as a matrix G = U S V' of O rows. The step is
    0.2 sqrt(max(O, I H W)) U V': every direction moves alike, also where gradients are small. The
    factor gives the entries the size that AdamW's have, so that one learning rate and one weight
    decay serve both. Sources: K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in
    neural networks"; the factor: Liu et al. 2025, arXiv 2502.16982, sec. 2.2.
    """

    def __init__(
        self, groups: list[dict[str, Any]], common: dict[str, Any], adam: dict[str, Any]
    ) -> None:
        """Sort the parameters.

        Args:
            groups: of parameters; those with four dimensions are filters.
            common: "lr" and "weight_decay".
            adam: "betas", of which the first is the momentum too, and "fused".
        """
        filters = [p for group in groups for p in group["params"] if p.ndim == 4]
        super().__init__([{"params": filters}], {**common, "momentum": adam["betas"][0]})
        rest = [
            {**group, "params": [p for p in group["params"] if p.ndim != 4]} for group in groups
        ]
        self._rest = AdamW(rest, **common, **adam)
        self._rest.state = self.state
        self.param_groups += self._rest.param_groups

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change every parameter by its gradient."""
        self._rest.step()
        group = self.param_groups[0]
        for filters in group["params"]:
            if filters.grad is None:  # frozen
                continue
            state = self.state[filters]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(filters)
            average = state["momentum_buffer"].mul_(group["momentum"]).add_(filters.grad)
            ahead = filters.grad.add(average, alpha=group["momentum"])
            step = orthogonalise(ahead.flatten(1)).view(filters.shape)
            size = 0.2 * max(ahead.flatten(1).shape) ** 0.5
            filters.mul_(1 - group["lr"] * group["weight_decay"])
            filters.add_(step, alpha=-group["lr"] * size)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Bring the singular values near 1, by five Newton-Schulz iterations.

    The matrix is scaled to norm 1; then each maps a singular value s to
    3.4445 s - 4.775 s^3 + 2.0315 s^5. What began above 0.03 or so ends between 0.7 and 1.2, what
    began smaller below. Source: as `Muon`.
    """
    flipped = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if flipped else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.775 * gram) @ x
    return x.T if flipped else x


def gradient_norm(optimizer: torch.optim.Optimizer) -> float:
    """The Euclidean norm of all gradients together; not finite where one of them is not."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]  # what is frozen has none
    # What torch.nn.utils.get_total_norm calls after sorting by device, which costs 1 % of a step.
    norms = torch._foreach_norm(gradients)  # pyright: ignore[reportPrivateImportUsage]
    return torch.linalg.vector_norm(torch.stack(norms)).item()


def optimizer_arrays(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, np.ndarray]:
    """Name each state tensor "parameter/slot", for instance "conv1.weight/exp_avg".

    Before the first step there is none; PyTorch makes them then.
    """
    return {
        f"{name}/{slot}": value.detach().cpu().numpy()
        for name, parameter in trained_parameters(model).items()
        for slot, value in optimizer.state[parameter].items()
    }


def load_optimizer_arrays(
    optimizer: torch.optim.Optimizer, model: nn.Module, arrays: Mapping[str, np.ndarray]
) -> None:
    """Set the state to what `optimizer_arrays` gave."""
    optimizer.state.clear()
    for name, parameter in trained_parameters(model).items():
        for key, value in arrays.items():
            owner, _, slot = key.rpartition("/")
            if owner == name:
                tensor = torch.from_numpy(value.copy())
                if tensor.shape == parameter.shape:  # in the parameter's own memory layout
                    tensor = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
                optimizer.state[parameter][slot] = tensor.to(parameter.device)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
