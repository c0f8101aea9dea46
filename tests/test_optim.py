"""The optimisers: against PyTorch's own, and Muon against what it promises."""

import pytest
import torch
from torch import nn

from fashion_cnn.on_torch.model import StagedCNN
from fashion_cnn.on_torch.optim import Muon, build_optimizer, orthogonalise
from fashion_cnn.recipes.recipe import Recipe


@pytest.fixture
def model() -> StagedCNN:
    torch.manual_seed(0)
    return StagedCNN((8, 16, 16), (2, 2, 2), (0, 0, 1), dropout=0.0)


def give_gradients(model: nn.Module) -> None:
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)


@pytest.mark.parametrize("shape", [(16, 72), (72, 16), (30, 30)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.max() < 1.3
    assert values.median() > 0.6
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = (orthogonalise(matrix) * (u @ v)).sum() / values.norm() / (u @ v).norm()
    assert cosine > 0.95


def test_muon_moves_filters_by_its_formula_and_the_rest_as_adamw(model) -> None:
    twin = StagedCNN((8, 16, 16), (2, 2, 2), (0, 0, 1), dropout=0.0)
    twin.load_state_dict(model.state_dict())
    recipe = Recipe(optimizer="muon", learning_rate=0.01, weight_decay=0.1, momentum=0.9)
    muon = build_optimizer(recipe, model)
    adamw = build_optimizer(recipe.replace(optimizer="adamw"), twin)
    assert isinstance(muon, Muon)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for optimizer, network in ((muon, model), (adamw, twin)):
        give_gradients(network)
        optimizer.step()
    for name, parameter in model.named_parameters():
        if parameter.ndim != 4:
            assert torch.equal(parameter, twin.get_parameter(name)), name
            continue
        gradient = parameter.grad.flatten(1) * 1.9  # Nesterov, first step: g + 0.9 g
        step = 0.2 * max(gradient.shape) ** 0.5 * orthogonalise(gradient).view_as(parameter)
        torch.testing.assert_close(parameter, before[name] * (1 - 0.01 * 0.1) - 0.01 * step)


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_weight_decay_spares_shifts(model, name: str) -> None:
    optimizer = build_optimizer(Recipe(optimizer=name, weight_decay=0.3), model)
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(decay) == len(trained)
    assert all(decay[id(p)] == (0.3 if p.ndim > 1 else 0.0) for p in trained)


def test_sgd_is_nesterovs(model) -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=0.1, momentum=0.8, weight_decay=0.5)
    optimizer = build_optimizer(recipe, model)
    before = model.output.weight.detach().clone()
    give_gradients(model)
    optimizer.step()
    gradient = model.output.weight.grad + 0.5 * before  # an L2 penalty
    torch.testing.assert_close(model.output.weight, before - 0.1 * 1.8 * gradient)
