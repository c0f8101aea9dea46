"""Training that starts from weights of before: which file, and what of it fits."""

import dataclasses
from pathlib import Path

from torch import nn

from fashion_cnn.errors import CheckpointError, ModelError
from fashion_cnn.on_torch.classifier import load_weights, weight_arrays
from fashion_cnn.on_torch.own_network import OwnCNN
from fashion_cnn.on_torch.timm_network import TimmCNN, hub_file
from fashion_cnn.recipes.networks import timm_name
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import check_layout
from fashion_cnn.run.weights import Weights, read_weights


def head_of(model: nn.Module) -> str:
    """What the names of a network's last layer begin with, the one that knows the classes.

    One of somebody's own has such a layer if it calls it `output`.
    """
    return "network.output." if isinstance(model, OwnCNN) else "output."


def read_start(recipe: Recipe, model: nn.Module) -> Weights | None:
    """Set a network to the weights of before that its recipe starts from; a head may begin anew.

    Returns:
        What was taken, as `fit` gives it; None, and nothing was changed, for a random start.

    Raises:
        ModelError: the file is missing or not what it should be, or of another network.
    """
    if not recipe.starts_from_weights:
        return None
    path = Path(recipe.init_from) if recipe.init_from else hub_file(timm_name(recipe.model) or "")
    weights = read_weights(path, recipe.init_sha256)
    try:
        weights = fit(model, weights)
    except CheckpointError as error:
        raise ModelError(f"{recipe.model} cannot start from another network: {error}") from None
    take_weights(model, weights)
    return weights


def fit(model: nn.Module, weights: Weights) -> Weights:
    """Check that weights are of this network, and leave out a head for other classes.

    Args: weights: by our names; of one of timm's networks, by ours or timm's.

    Returns:
        Those for `take_weights`; `anew` names what is left out.

    Raises:
        CheckpointError: they are of another network.
    """
    own, found = weight_arrays(model), dict(weights.arrays)
    if isinstance(model, OwnCNN | TimmCNN):
        found = model.our_names(found)
    head = tuple(name for name in own if name.startswith(head_of(model)))
    anew = ()
    if any(name not in found or found[name].shape[:1] != own[name].shape[:1] for name in head):
        anew, found = head, {name: found[name] for name in found if name not in head}
    wanted = {name: array for name, array in own.items() if name not in anew}
    check_layout(found, wanted, str(weights.file))
    return dataclasses.replace(weights, arrays=found, anew=anew)


def take_weights(model: nn.Module, weights: Weights) -> None:
    """Set a network to what `fit` gave for it; what begins anew stays."""
    load_weights(model, {**weight_arrays(model), **weights.arrays}, str(weights.file))
