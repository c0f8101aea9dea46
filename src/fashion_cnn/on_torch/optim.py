"""Optimisers, and their state as named arrays."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import check_layout


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that a recipe names, one kernel for all parameters."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(
        model.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=next(model.parameters()).device.type in ("cpu", "cuda", "mps"),
    )


def gradient_norm(optimizer: torch.optim.Optimizer) -> float:
    """The Euclidean norm of all gradients together; not finite where one of them is not."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    # What torch.nn.utils.get_total_norm calls after sorting by device, which costs 1 % of a step.
    norms = torch._foreach_norm(gradients)  # pyright: ignore[reportPrivateImportUsage]
    return torch.linalg.vector_norm(torch.stack(norms)).item()


def optimizer_arrays(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, np.ndarray]:
    """Name each state tensor "parameter/slot", for instance "conv1.weight/exp_avg".

    Before the first step there is none; PyTorch makes them then.
    """
    return {
        f"{name}/{slot}": value.detach().cpu().numpy()
        for name, parameter in model.named_parameters()
        for slot, value in optimizer.state[parameter].items()
    }


def check_optimizer_arrays(
    model: nn.Module, arrays: Mapping[str, np.ndarray], step: int, what: str
) -> None:
    """Raise `CheckpointError` unless the state is Adam's for this model, or none at step 0."""
    wanted = {}
    for name, parameter in model.named_parameters() if step else ():
        wanted[f"{name}/step"] = np.zeros((), np.float32)
        for slot in ("exp_avg", "exp_avg_sq"):
            wanted[f"{name}/{slot}"] = np.broadcast_to(np.float32(0), tuple(parameter.shape))
    check_layout(arrays, wanted, what)


def load_optimizer_arrays(
    optimizer: torch.optim.Optimizer, model: nn.Module, arrays: Mapping[str, np.ndarray]
) -> None:
    """Set the state to what `optimizer_arrays` gave."""
    optimizer.state.clear()
    for name, parameter in model.named_parameters():
        for key, value in arrays.items():
            owner, _, slot = key.rpartition("/")
            if owner == name:
                tensor = torch.from_numpy(value.copy())
                if tensor.shape == parameter.shape:  # in the parameter's own memory layout
                    tensor = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
                optimizer.state[parameter][slot] = tensor.to(parameter.device)
