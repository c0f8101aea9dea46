import numpy as np
import pytest
import torch
import torch.nn.functional as F

import plain
from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD
from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.classifier import TorchClassifier
from fashion_cnn.on_torch.device import convolution_dtype
from fashion_cnn.on_torch.model import (
    SimpleCNN,
    StagedCNN,
    _SmallMapConvolution,
    build_model,
    to_device,
)
from fashion_cnn.recipes.networks import Stages
from fashion_cnn.recipes.recipe import Recipe
from opened import load_training


@pytest.fixture
def model() -> SimpleCNN:
    torch.manual_seed(0)
    return to_device(SimpleCNN(0.4, 32, 10), torch.device("cpu"))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8, generator=torch.manual_seed(1))


def test_parameters() -> None:
    assert sum(p.numel() for p in SimpleCNN(0.4, 32, 10).parameters()) == 241_546
    shapes = {name: tuple(p.shape) for name, p in SimpleCNN(0.4, 32, 10).named_parameters()}
    assert shapes["conv3.weight"] == (128, 64, 3, 3)
    assert shapes["hidden.weight"] == (128, 1152)


def test_logits_and_gradients_are_the_assignments(model, images) -> None:
    labels = torch.arange(5)
    weights = model.state_dict(keep_vars=True).items()
    wanted = plain.simple_cnn({name: tensor.double() for name, tensor in weights}, images)
    wanted_gradients = torch.autograd.grad(
        F.cross_entropy(wanted, labels), list(model.parameters())
    )
    got = model.eval()(images)
    gradients = torch.autograd.grad(F.cross_entropy(got, labels), list(model.parameters()))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=1e-4)
    for (name, _), a, b in zip(model.named_parameters(), gradients, wanted_gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_dropout_acts_in_training_alone(model, images) -> None:
    assert not torch.equal(model.train()(images), model.train()(images))
    assert torch.equal(model.eval()(images), model.eval()(images))


def test_normalisation_constants(real_data) -> None:
    pixels = load_training(real_data).images.astype(np.float64) / 255
    assert pixels.mean() == pytest.approx(PIXEL_MEAN, abs=1e-12)
    assert pixels.std() == pytest.approx(PIXEL_STD, abs=1e-12)


def test_a_classifier_scores_any_number_of_images_alike(model) -> None:
    classifier = TorchClassifier(model, torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (600, 28, 28), dtype=np.uint8)
    logits = classifier.logits(images)
    assert logits.shape == (600, 10)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(classifier.logits(images[:1]), logits[:1], atol=1e-5)
    assert classifier.logits(images[:0]).shape == (0, 10)
    assert model.training, "a classifier leaves the model's mode as it was"


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 28, 28), np.float32),
        np.zeros((28, 28), np.uint8),
        np.zeros((1, 1, 28, 28), np.uint8),
        np.zeros((1, 28, 29), np.uint8),
        [[0]],
    ],
)
def test_a_classifier_refuses_anything_else(model, wrong) -> None:
    with pytest.raises(UsageError, match="classifier takes"):
        TorchClassifier(model, torch.device("cpu")).logits(wrong)


@pytest.fixture
def staged() -> StagedCNN:
    torch.manual_seed(0)
    return StagedCNN(Stages((8, 16, 16), (2, 2, 2), (0, 1, 1)), 0.0, 10)


def test_whitening_makes_its_outputs_uncorrelated(staged, real_data) -> None:
    images = torch.from_numpy(load_training(real_data).images[:2000].copy())
    staged.fit_whitening(images)
    x = (images[:, None].float() / 255 - PIXEL_MEAN) / PIXEL_STD
    out = F.conv2d(x, staged.whitening).double()
    torch.testing.assert_close(out[:, :4], -out[:, 4:])
    flat = out[:, :4].transpose(0, 1).flatten(1)
    moments = flat @ flat.T / flat.shape[1]
    assert (moments - torch.diag(moments.diag())).abs().max() < 1e-3
    assert (moments.diag() - 1).abs().max() < 0.05


def test_a_staged_network_starts_as_the_identity(staged) -> None:
    weight = staged.stages[0].weight  # 8 channels to 8
    probe = torch.rand(1, 8, 5, 5)
    torch.testing.assert_close(F.conv2d(probe, weight, padding=1), probe)


def test_a_staged_network_convolves_in_the_fast_layout(staged, images) -> None:
    layouts = []
    for module in staged.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, __, out: layouts.append(
                    out.is_contiguous(memory_format=torch.channels_last)
                )
            )
    staged.fit_whitening(images)
    to_device(staged, torch.device("cpu"))(images)
    assert layouts == [True] * 7


def test_mixed_precision_is_near_float32_and_gives_float32(staged, images) -> None:
    staged.fit_whitening(images)
    wanted = to_device(staged, torch.device("cpu")).eval()(images)
    staged.convolve_in = torch.bfloat16
    got = staged(images)
    assert got.dtype == torch.float32
    assert not torch.equal(got, wanted)
    torch.testing.assert_close(got, wanted, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("unit", ["amx_bf16", "avx512_bf16", "avx512_vnni"])
def test_bfloat16_is_for_cpus_that_multiply_it(monkeypatch, unit) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: True, "avx2": True})
    fast = torch.bfloat16 if unit.endswith("bf16") else torch.float32
    assert convolution_dtype(torch.device("cpu"), "mixed") == fast
    assert convolution_dtype(torch.device("cpu"), "float32") == torch.float32


@pytest.mark.parametrize(
    ("name", "width", "parameters"),
    [
        ("simple_cnn", 32, 241_546),
        ("strided_cnn", 32, 132_256),
        ("resnet", 32, 483_488),
        ("wide_resnet", 32, 464_992),
    ],
)
def test_parameter_counts(name: str, width: int, parameters: int) -> None:
    model = build_model(Recipe(model=name, width=width), 10)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == parameters


def test_blocks_deepen_the_residual_networks_and_full_resolution_keeps_the_map(images) -> None:
    deep = build_model(Recipe(model="resnet", width=4, blocks=3), 10).eval()
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in deep.modules()) == 3 + 3 * 3 * 2
    sizes = {}
    for name in ("resnet", "wide_resnet"):
        model = build_model(Recipe(model=name, width=4), 10).eval()
        model.stages[0].register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: out.shape[2]})
        )
        model(images)
    assert sizes == {"resnet": 14, "wide_resnet": 27}


def test_width_scales_every_network(images) -> None:
    for name in ("simple_cnn", "strided_cnn", "resnet", "wide_resnet"):
        model = build_model(Recipe(model=name, width=4), 10).eval()
        assert model(images).shape == (5, 10)
        assert sum(p.numel() for p in model.parameters()) < 40_000


@pytest.mark.parametrize("name", ["simple_cnn", "strided_cnn", "resnet", "wide_resnet"])
@pytest.mark.parametrize("classes", [2, 1000])
def test_a_network_has_a_logit_for_each_class(name: str, classes: int) -> None:
    model = build_model(Recipe(model=name, width=4), classes).eval()
    assert model(torch.zeros(3, 28, 28, dtype=torch.uint8)).shape == (3, classes)


@pytest.mark.parametrize(("size", "stride"), [(4, 1), (3, 1), (7, 2), (8, 2)])
def test_the_gradients_on_small_maps_are_the_convolutions(size: int, stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 16, size, size).to(torch.bfloat16, memory_format=torch.channels_last)
    filters = torch.randn(24, 16, 3, 3, dtype=torch.bfloat16)
    results = []
    for exact in (True, False):
        dtype = torch.float64 if exact else torch.bfloat16
        a, b = (t.detach().to(dtype).requires_grad_() for t in (x, filters))
        if exact:
            out = F.conv2d(a, b, stride=stride, padding=1)
        else:
            out = _SmallMapConvolution.apply(a, b, stride)
        torch.manual_seed(1)
        out.backward(torch.randn(out.shape).to(torch.bfloat16).to(dtype))
        results.append((out.double(), a.grad.double(), b.grad.double()))
    for wanted, got in zip(*results, strict=True):
        assert (wanted - got).abs().max() < 0.01 * wanted.abs().max()
