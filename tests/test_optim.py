"""The optimisers: against PyTorch's own, and Muon against what it promises."""

import numpy as np
import pytest
import torch
from torch import nn

import plain
from fashion_cnn.on_torch.model import StagedCNN
from fashion_cnn.on_torch.optim import (
    Muon,
    build_optimizer,
    gradient_norm,
    load_optimizer_arrays,
    optimizer_arrays,
    orthogonalise,
    trained_parameters,
)
from fashion_cnn.recipes.networks import Stages
from fashion_cnn.recipes.recipe import Recipe


@pytest.fixture
def model() -> StagedCNN:
    torch.manual_seed(0)
    return StagedCNN(Stages((8, 16, 16), (2, 2, 2), (0, 0, 1)), 0.0, 10)


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
    twin = StagedCNN(Stages((8, 16, 16), (2, 2, 2), (0, 0, 1)), 0.0, 10)
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


# -- by hand ---------------------------------------------------------------------------------------


class TwoShapes(nn.Module):
    """A matrix, a shift, filters, and a frozen shift."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.matrix = nn.Parameter(torch.randn(3, 4))
        self.shift = nn.Parameter(torch.randn(3))
        self.filters = nn.Parameter(torch.randn(2, 2, 3, 3).to(memory_format=torch.channels_last))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)


def gradients_of(step: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(10 + step)
    return {
        "matrix": torch.randn(3, 4),
        "shift": torch.randn(3),
        "filters": torch.randn(2, 2, 3, 3),
    }


def go(optimizer: torch.optim.Optimizer, model: nn.Module, steps: range = range(3)) -> None:
    for step in steps:
        for name, gradient in gradients_of(step).items():
            parameter = model.get_parameter(name)
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # laid out as it is
        optimizer.step()


def by_hand(name: str, recipe: Recipe) -> np.ndarray:
    """Three steps in double precision."""
    known = recipe.optimizer, recipe.momentum, recipe.beta2, recipe.weight_decay
    update = plain.optimiser(*known)
    weight = TwoShapes().get_parameter(name).detach().numpy().astype(np.float64)
    for step in range(3):
        gradient = gradients_of(step)[name].numpy().astype(np.float64)
        weight = update(name, weight, gradient, recipe.learning_rate)
    return weight


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "adam", "beta2": 0.9},
        {"optimizer": "adam", "momentum": 0.5, "beta2": 0.95, "weight_decay": 0.3},
        {"optimizer": "adamw", "momentum": 0.8, "beta2": 0.9, "weight_decay": 0.3},
        {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.3},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "muon", "momentum": 0.8, "beta2": 0.9, "weight_decay": 0.3},
    ],
    ids=lambda fields: fields["optimizer"],
)
def test_three_steps_by_hand(fields: dict) -> None:
    recipe, model = Recipe(learning_rate=0.02, **fields), TwoShapes()
    go(build_optimizer(recipe, model), model)
    for name in ("matrix", "shift", "filters"):
        found = model.get_parameter(name).detach().numpy()
        wanted = by_hand(name, recipe)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6, err_msg=name)
    assert model.frozen.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_adam_is_one_kernel_a_step(name: str) -> None:
    optimizer = build_optimizer(Recipe(optimizer=name), TwoShapes())
    assert all(group["fused"] for group in optimizer.param_groups if "fused" in group)
    assert any("fused" in group for group in optimizer.param_groups)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_steps_are_pytorchs_to_the_last_bit(name: str) -> None:
    recipe = Recipe(optimizer=name.lower(), learning_rate=0.02, weight_decay=0.3)
    ours, theirs = TwoShapes(), TwoShapes()
    optimizer = build_optimizer(recipe, ours)
    places = {id(parameter): key for key, parameter in ours.named_parameters()}
    groups = [
        {**group, "params": [theirs.get_parameter(places[id(p)]) for p in group["params"]]}
        for group in optimizer.param_groups
    ]
    for one, model in ((optimizer, ours), (getattr(torch.optim, name)(groups), theirs)):
        go(one, model)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(ours.matrix, TwoShapes().matrix)


def test_muon_has_the_rates_of_every_group_within_reach() -> None:
    recipe = Recipe(optimizer="muon", learning_rate=0.02, momentum=0.8, beta2=0.9, weight_decay=0.3)
    optimizer = build_optimizer(recipe, TwoShapes())
    filters, matrices, shifts = optimizer.param_groups
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1, 1]
    assert (filters["lr"], filters["momentum"], filters["weight_decay"]) == (0.02, 0.8, 0.3)
    assert (matrices["lr"], matrices["betas"], matrices["weight_decay"]) == (0.02, (0.8, 0.9), 0.3)
    assert (shifts["lr"], shifts["betas"], shifts["weight_decay"]) == (0.02, (0.8, 0.9), 0.0)
    frozen = TwoShapes()
    frozen.filters.grad = None
    frozen.matrix.grad, frozen.shift.grad = torch.zeros(3, 4), torch.zeros(3)
    before = frozen.filters.detach().clone()
    build_optimizer(recipe, frozen).step()
    assert torch.equal(frozen.filters, before), "no gradient, no step"


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_orthogonalising_is_a_polynomial_of_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.manual_seed(3))
    found = orthogonalise(matrix).numpy()
    np.testing.assert_allclose(found, plain.newton_schulz(matrix.double().numpy()), atol=2e-4)
    assert not orthogonalise(torch.zeros(shape)).any()
    tiny = orthogonalise(matrix * 1e-7).numpy()
    np.testing.assert_allclose(tiny, plain.newton_schulz(matrix.double().numpy() * 1e-7), atol=2e-4)


def test_the_norm_of_all_gradients_by_hand() -> None:
    model = TwoShapes()
    optimizer = build_optimizer(Recipe(optimizer="adamw"), model)
    model.matrix.grad, model.shift.grad = torch.full((3, 4), 2.0), torch.full((3,), 4.0)
    assert gradient_norm(optimizer) == pytest.approx((12 * 4 + 3 * 16) ** 0.5)
    model.filters.grad = torch.full((2, 2, 3, 3), float("nan"))
    assert not np.isfinite(gradient_norm(optimizer))


def test_trained_parameters_are_named() -> None:
    model = TwoShapes()
    found = trained_parameters(model)
    assert list(found) == ["matrix", "shift", "filters"]
    assert found["shift"] is model.shift


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("adam", {"step", "exp_avg", "exp_avg_sq"}),
        ("sgd", {"momentum_buffer"}),
        ("muon", {"momentum_buffer"}),
    ],
)
def test_a_state_that_was_kept_goes_on_in_the_same_bits(name: str, slots: set[str]) -> None:
    recipe = Recipe(optimizer=name, learning_rate=0.02, momentum=0.8)
    model, twin = TwoShapes(), TwoShapes()
    optimizer, other = build_optimizer(recipe, model), build_optimizer(recipe, twin)
    assert optimizer_arrays(optimizer, model) == {}
    go(optimizer, model, range(2))
    arrays = {key: value.copy() for key, value in optimizer_arrays(optimizer, model).items()}
    assert {key for key in arrays if key.startswith("filters")} == {f"filters/{s}" for s in slots}
    assert {key.split("/")[0] for key in arrays} == {"matrix", "shift", "filters"}
    kept = {key: value.copy() for key, value in arrays.items()}
    go(other, twin, range(5, 6))  # a state that must go
    load_optimizer_arrays(other, twin, {**arrays, "stranger/exp_avg": np.ones(3, np.float32)})
    again = optimizer_arrays(other, twin)
    assert again.keys() == arrays.keys()
    twin.load_state_dict(model.state_dict())
    for key in arrays:
        np.testing.assert_array_equal(again[key], arrays[key])
    slot = "exp_avg" if name == "adam" else "momentum_buffer"
    state = other.state[twin.filters][slot]
    assert state.stride() == twin.filters.stride(), "in the parameter's own memory layout"
    assert not state.requires_grad
    go(optimizer, model, range(2, 3))
    go(other, twin, range(2, 3))
    for parameter in ("matrix", "shift", "filters"):
        assert torch.equal(model.get_parameter(parameter), twin.get_parameter(parameter))
    for key, value in kept.items():
        np.testing.assert_array_equal(arrays[key], value, err_msg="what was given is not changed")
    load_optimizer_arrays(other, twin, {})
    assert optimizer_arrays(other, twin) == {}
