"""The exported file: it answers as the trained model does, and hostile files are never run."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from exported import export_each_network_once
from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split, divide
from fashion_cnn.errors import ModelError
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.outliers import SCORE, outlier_score
from fashion_cnn.on_torch.classifier import TorchClassifier
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.on_torch.imitate import as_photos
from fashion_cnn.on_torch.model import build_model, to_device
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.graph import OPSET, complete
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.onnx_graph import read_graph
from fashion_cnn.shipping.predict import PRETRAINED
from fashion_cnn.shipping.quantise import quantise
from opened import load_training

MODELS = Recipe.__dataclass_fields__["model"].metadata["choices"]
CALIBRATION = Calibration(1.5, 1.0, None)
FACTS = {
    "class_names": list(CLASS_NAMES),
    "calibration": {
        "temperature": 1.5,
        "conformal": {"threshold": 1.0},
        "reject": {"error_rate": 0.02, "choices": [{"error_rate": 0.02, "threshold": 0.5}]},
    },
    "outlier": {"score": SCORE, "threshold": -1.0},
    "recipe": {"name": "fast"},
    "measured": {"split": "test", "n": 100, "accuracy": 0.5},
    "data_sha256": {},
    "made_by": {},
}


def random_model(name: str) -> torch.nn.Module:
    """A network whose every number, the statistics of batch norm included, is a random one."""
    torch.manual_seed(0)
    model = build_model(Recipe(model=name, width=8, input_side=32), 10)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif key == "whitening" or key.endswith(("running_mean", "bias")):
                tensor.normal_()
    return to_device(model, torch.device("cpu"))


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    return complete(to_onnx(random_model("simple_cnn"), OPSET), CALIBRATION, FACTS)


@pytest.mark.parametrize("name", [*MODELS, "timm:test_efficientnet"])
def test_every_network_has_a_graph_that_answers_alike(name: str) -> None:
    model = random_model(name)
    images = np.random.default_rng(0).integers(0, 256, (130, 28, 28), dtype=np.uint8)
    images[0], images[1] = 0, 255
    wanted = TorchClassifier(model, torch.device("cpu")).logits(images)
    graph = complete(to_onnx(model, OPSET), CALIBRATION, FACTS)
    exported = OnnxClassifier(graph.SerializeToString(), threads=1)
    scale = np.abs(wanted).max()
    assert np.abs(wanted).std() > 0.01
    np.testing.assert_allclose(exported.logits(images), wanted, atol=1e-5 * scale)
    softened = torch.from_numpy(wanted / 1.5).softmax(1).numpy()
    np.testing.assert_allclose(exported.probabilities(images), softened, atol=1e-5 * scale)
    assert exported.class_names == CLASS_NAMES


@pytest.mark.parametrize("size", [1, 100], ids=["like a network's", "far too large"])
def test_label_smoothing_is_undone_in_the_file(size: float) -> None:
    model = random_model("simple_cnn")
    with torch.no_grad():
        model.get_parameter("output.weight").mul_(10 * size)
    calibration = Calibration(0.9, 1.0, None, label_smoothing=0.1)
    graph = complete(to_onnx(model, OPSET), calibration, FACTS)
    exported = OnnxClassifier(graph.SerializeToString(), threads=1)
    images = np.random.default_rng(0).integers(0, 256, (130, 28, 28), dtype=np.uint8)
    found, logits = exported.probabilities(images), exported.logits(images)
    np.testing.assert_allclose(found, np.exp(calibration.log_probabilities(logits)), atol=1e-5)
    plain = np.exp(Calibration(0.9, 1.0, None).log_probabilities(logits))
    assert (np.abs(found - plain).max() > 0.02) == (size == 1)


TINY = ("--epochs", "1", "--train-images", "200", "--threads", "1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, few_data) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    words = ["train", "fast", *TINY, "--batch-size", "100", "--validation", "0.1"]
    assert main([*words, "--output", str(folder), "--data-dir", str(few_data)]) == 0
    return folder


@pytest.fixture
def run(tmp_path, finished, few_data, monkeypatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    export_each_network_once(monkeypatch)
    shutil.copytree(finished, tmp_path / "run", symlinks=True)
    return Run.open(tmp_path / "run")


def test_a_run_for_photos_is_as_sure_as_it_may_be_of_photos(real_data, tmp_path) -> None:
    where = ["--output", str(tmp_path / "run"), "--data-dir", str(real_data)]
    small = ["--model", "strided_cnn", "--width", "8", "--batch-size", "50"]
    assert main(["train", "photo", *small, *TINY, *where]) == 0
    assert main(["export", str(tmp_path / "run"), "--data-dir", str(real_data)]) == 0
    run = Run(tmp_path / "run")
    exported = OnnxClassifier.open(run.path / "model.onnx")
    kept = divide(load_training(real_data), validation=run.recipe.validation, seed=0).validation
    kept = as_photos(kept)
    logits, found = exported.logits(kept.images), exported.facts
    share = (outlier_score(logits) <= found["outlier"]["threshold"] + 1e-5).mean()
    assert 0.95 <= share < 0.952
    wanted, clean = fit(logits, kept.labels, run.recipe.label_smoothing), run.results.calibration
    assert clean
    assert found["calibration"]["temperature"] == pytest.approx(wanted["temperature"], rel=1e-3)
    assert found["calibration"]["temperature"] != pytest.approx(clean["temperature"], rel=1e-3)


def test_a_run_becomes_one_file_that_says_what_it_is(capsys, few_data, run: Run) -> None:
    readings = run.test_readings()
    assert main(["export", "run"]) == 0
    assert "agrees with the trained model on all 600 test images" in capsys.readouterr().out
    assert run.test_readings() == readings, "outputs were compared; no label was opened"
    report = json.loads((run.path / "export.json").read_text())
    assert report["parity"]["passed"]
    assert report["parity"]["images"] == 600
    assert 0 <= report["parity"]["largest_difference"] <= 1e-4

    model = onnx.load(run.path / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == report["opset"]
    assert not [t for t in model.graph.initializer if t.data_location or t.external_data]
    exported = OnnxClassifier.open(run.path / "model.onnx")
    metrics, calibration = run.results.metrics, run.results.calibration
    assert metrics.final.test
    assert calibration
    assert exported.facts["measured"]["accuracy"] == metrics.final.test.accuracy
    assert exported.facts["calibration"]["temperature"] == calibration["temperature"]
    assert exported.facts["calibration"]["label_smoothing"] == run.recipe.label_smoothing > 0
    assert exported.facts["recipe"] == run.recipe.to_dict()
    data = divide(load_training(few_data), validation=run.recipe.validation, seed=0)
    scores = outlier_score(exported.logits(data.validation.images))
    share = (scores <= exported.facts["outlier"]["threshold"] + 1e-5).mean()
    assert 0.95 <= share <= 0.96, "the rest of the validation images would be warned about"
    assert exported.facts["outlier"]["score"] == SCORE
    assert exported.facts["data_sha256"] == run.environment["data_sha256"]
    assert (exported.sha256, exported.size) == (report["sha256"], report["bytes"])
    assert main(["export", "run", "--output", "shoes.onnx"]) == 0
    assert Path("shoes.onnx").read_bytes() == (run.path / "model.onnx").read_bytes()
    assert json.loads(Path("shoes.json").read_text()) == report


def test_the_quantised_variant_is_measured_and_counted(run: Run, monkeypatch) -> None:
    readings = run.test_readings()
    assert main(["export", "run", "--int8"]) == 0
    assert run.test_readings() == readings + 1
    report = json.loads((run.path / "export.json").read_text())
    small = OnnxClassifier.open(run.path / "model-int8.onnx", threads=1)
    assert small.size == report["int8"]["bytes"] < report["bytes"] / 2
    measured = small.facts["measured"]
    assert measured == report["int8"]["measured"]
    assert measured["float_accuracy"] == report["facts"]["measured"]["accuracy"]
    assert measured["same_class"] > 0.8, "of a network that has hardly learned"
    tensors = onnx.load(run.path / "model-int8.onnx").graph.initializer
    weights = [numpy_helper.to_array(t) for t in tensors if t.data_type == TensorProto.INT8]
    assert max(abs(w.astype(int)).max() for w in weights if w.ndim > 1) in (63, 64), "7 bits"

    monkeypatch.setattr("fashion_cnn.benchmark._IMAGES", 32)
    monkeypatch.setattr("fashion_cnn.benchmark._SINGLES", 8)
    assert main(["benchmark", "infer", "run", "--rounds", "1", "--json", "b.json"]) == 0
    forms = json.loads(Path("b.json").read_text())["forms"]
    assert set(forms) == {"pytorch", "onnx", "int8"}
    assert forms["int8"]["measured"] == measured
    assert forms["onnx"]["bytes"] == report["bytes"]
    assert all(0 < form["single_p50_ms"] < 1000 for form in forms.values())
    assert all(form["images_per_second"] > 10 for form in forms.values())


def test_a_byte_a_weight_and_hardly_more() -> None:
    weights, images = 483_488, np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    split = Split(images, np.arange(50) % 10, CLASS_NAMES)
    small, report = quantise(PRETRAINED.read_bytes(), images, split, "validation")
    assert weights < len(small) == report["bytes"] < 510_000
    onnx.checker.check_model(onnx.load_from_string(small))


def test_what_cannot_be_exported_is_told(capsys, run: Run) -> None:
    assert main(["export", "nowhere"]) == 2
    assert main(["export", "run", "--output", "model.bin"]) == 2
    assert "must end in .onnx" in capsys.readouterr().err
    Path("mine.json").write_text('{"epochs": 4}')
    assert main(["export", "run", "--output", "mine.onnx"]) == 2
    assert "mine.json, where the report on the export goes, is another" in capsys.readouterr().err
    assert Path("mine.json").read_text() == '{"epochs": 4}'
    assert main(["benchmark", "infer", "run"]) == 2
    assert "fashion-cnn export run --int8" in capsys.readouterr().err
    (run.path / "metrics.json").unlink()
    assert main(["export", "run"]) == 2
    assert "fashion-cnn evaluate run" in capsys.readouterr().err
    assert not ExportFiles.of(run).model.exists()


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="canary")


def external_in_a_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.node[0].attribute.add(name="x", type=onnx.AttributeProto.TENSOR, t=tensor)


def a_loop(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Loop", [], ["x"]))


def a_subgraph(model: onnx.ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="x", type=onnx.AttributeProto.GRAPH)
    attribute.g.name = "inner"


def a_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="mine")


def a_foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["images"], ["x"], domain="evil"))


def a_sparse_tensor(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


HOSTILE = {
    external: "external data",
    external_in_a_constant: "external data",
    a_loop: "'Loop'",
    a_subgraph: "inside an operator",
    a_function: "functions",
    a_foreign_operator: "domain 'evil'",
    a_sparse_tensor: "sparse",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_hostile_models_never_reach_the_runtime(graph, tmp_path, monkeypatch, change) -> None:
    model = onnx.ModelProto.FromString(graph.SerializeToString())
    change(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "canary").write_bytes(bytes(4 * 10))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(ModelError, match=HOSTILE[change]):
        OnnxClassifier.open(path)


def test_damaged_models_are_named(graph, tmp_path) -> None:
    whole = graph.SerializeToString()
    read_graph(whole, "it")
    half = whole[: len(whole) // 2]
    for content in (b"", b"<html>", b"ORTM" * 9, whole[:-1], half, b"\xff" * 99):
        with pytest.raises(ModelError, match="no ONNX model|cut off|cannot be run"):
            OnnxClassifier(content, threads=1)
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxClassifier.open(tmp_path / "none.onnx")


def test_a_changed_byte_anywhere_is_borne_or_named(capfd, graph) -> None:
    """No other exception, nor a word of the runtime's, whatever the bytes."""
    whole = graph.SerializeToString()
    small = [part.SerializeToString() for part in (*graph.graph.node, *graph.metadata_props)]
    spans = [range(at := whole.index(part), at + len(part)) for part in small]
    facts = np.concatenate(spans)  # all but the weights, which are nearly all of the file
    random = np.random.default_rng(0)
    found = []
    for i in range(400):
        content = bytearray(whole)
        for position in random.choice(facts if i % 4 else len(whole), 1 + i % 3):
            content[position] = random.integers(0, 256)
        try:
            answer = OnnxClassifier(bytes(content), threads=1).logits(np.zeros((3, 28, 28), "u1"))
            found.append(str(answer.shape))
        except ModelError as error:
            found.append(str(error))
    for words in ("(3, 10)", "utf-8", "ONNXRuntimeError", "lacks the facts", "an operator"):
        assert any(words in line for line in found), f"none of them: {words}"
    assert capfd.readouterr() == ("", "")


def test_a_model_of_another_shape_is_refused(graph) -> None:
    model = onnx.ModelProto.FromString(graph.SerializeToString())
    (outlier,) = (one for one in model.metadata_props if one.key == "outlier")
    for another in ({"threshold": -1.0}, {"threshold": -1.0, "score": "minus the largest logit"}):
        outlier.value = json.dumps(another)
        with pytest.raises(
            ModelError,
            match="by an earlier version, which scored odd pictures in another way; export",
        ):
            OnnxClassifier(model.SerializeToString(), threads=1)
    del model.metadata_props[:]
    with pytest.raises(ModelError, match="lacks the facts"):
        OnnxClassifier(model.SerializeToString(), threads=1)
    del model.graph.output[1]
    with pytest.raises(ModelError, match="not images, uint8"):
        OnnxClassifier(model.SerializeToString(), threads=1)


def with_facts(graph, **changes: str) -> bytes:
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    properties = {one.key: one.value for one in model.metadata_props}
    helper.set_model_props(model, properties | changes)
    return model.SerializeToString()


def changed(fact: str, value: str, *way: str) -> dict[str, str]:
    """A fact with JSON in the place of a part of it."""
    whole = json.loads(json.dumps(FACTS[fact]))
    part = whole
    for step in way[:-1]:
        part = part[step]
    part[way[-1]] = "HERE"
    return {fact: json.dumps(whole).replace('"HERE"', value)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (changed("measured", "NaN", "accuracy"), "not JSON compliant"),
        (changed("measured", "1e999", "more"), "not JSON compliant"),
        (changed("measured", '"0.9"', "accuracy"), "measured.accuracy is '0.9'"),
        (changed("measured", "true", "n"), "measured.n is True"),
        (changed("measured", "[" * 300 + "]" * 300, "more"), "nested deeper than 16"),
        (changed("measured", "[" * 9999 + "]" * 9999, "more"), "recursion"),
        (changed("measured", f'"{"x" * 2**21}"', "more"), "longer than 2,097,152 characters"),
        ({"data": '"\\ud800"'}, "surrogates not allowed"),
        ({"data": '"a\\u001b[2J"'}, "is no name"),
        ({"data": "[]"}, "data is \\[\\]"),
        ({"framing": "[]"}, "framing is \\[\\]"),
        (changed("made_by", '"\\ud800"', "framework"), "surrogates not allowed"),
        (changed("made_by", "[]", "sha256"), "made_by.sha256 is \\[\\]"),
        (changed("made_by", "{}", "step"), "made_by.step is {}"),
        ({"made_by": "[]"}, "made_by is \\[\\]"),
        ({"data_sha256": '{"a": []}'}, "data_sha256.a is \\[\\]"),
        ({"class_names": '{"a": 1, "b": 2}'}, "class_names is"),
        ({"class_names": '["a", 2]'}, "class_names is 2"),
        ({"class_names": '["a", "a"]'}, "names 'a' twice"),
        (changed("outlier", '"0.5"', "threshold"), "outlier.threshold is '0.5'"),
        (changed("outlier", "true", "threshold"), "outlier.threshold is True"),
        (changed("outlier", f"1{'0' * 400}", "threshold"), "outlier.threshold is 1"),
        (changed("recipe", "7", "name"), "recipe.name is 7"),
        (changed("recipe", f'"{"x" * 2000}"', "name"), "is no name"),
        (changed("calibration", '"x"', "reject", "error_rate"), "reject.error_rate is 'x'"),
        (changed("calibration", "0.03", "reject", "error_rate"), "no threshold for an error rate"),
        (changed("calibration", "0", "temperature"), "temperature is 0"),
        ({"calibration": "null"}, "it is None"),
        ({"outlier": "0.5"}, "outlier is 0.5"),
        ({"recipe": "{"}, "Expecting"),
    ],
)
def test_facts_that_cannot_be_used_or_sent_are_refused(
    graph, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelError, match=f"lacks the facts that .*{words}.*; export it with"):
        OnnxClassifier(with_facts(graph, **changes))


def test_facts_from_before_there_were_others_are_borne(graph) -> None:
    assert OnnxClassifier(with_facts(graph)).facts == {
        "data": "Fashion-MNIST", "framing": "black,28,box", **FACTS,
    }  # fmt: skip
    longer = with_facts(graph, **changed("measured", "[[[[1e300]]]]", "more"))
    assert OnnxClassifier(longer).facts["measured"]["more"] == [[[[1e300]]]]


def replaced_logits(graph, *nodes) -> bytes:
    """The graph with its logits made otherwise, of `images` and the old ones, "before"."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    place = next(i for i, node in enumerate(model.graph.node) if "logits" in node.output)
    model.graph.node[place].output[:] = ["before"]
    for number, node in enumerate(nodes):
        model.graph.node.insert(place + 1 + number, node)
    return model.SerializeToString()


def test_answers_that_are_not_finite_are_refused_at_the_start(graph) -> None:
    """Of a black image these are finite, of any other not."""
    bright = [
        helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["cast"], ["most"], keepdims=0),
        helper.make_node("Exp", ["most"], ["large"]),
        helper.make_node("Mul", ["large", "large"], ["larger"]),
        helper.make_node("Mul", ["before", "larger"], ["logits"]),
    ]
    with pytest.raises(ModelError, match="the model answers with unusable logits"):
        OnnxClassifier(replaced_logits(graph, *bright))


def test_answers_that_stop_being_finite_are_never_given(graph) -> None:
    """Only where the last pixel is 5, which no image has at the start."""
    five = helper.make_node(
        "Constant", [], ["five"], value=numpy_helper.from_array(np.array(5, np.float32))
    )
    one = [numpy_helper.from_array(np.array([n], np.int64)) for n in (-1, 784, 1)]
    nodes = [
        five,
        *(
            helper.make_node("Constant", [], [name], value=value)
            for name, value in zip(("from", "to", "axis"), one, strict=True)
        ),
        helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["cast"], ["flat"]),
        helper.make_node("Slice", ["flat", "from", "to", "axis"], ["last"]),
        helper.make_node("Sub", ["last", "five"], ["less"]),
        helper.make_node("Div", ["before", "less"], ["logits"]),
    ]
    model = OnnxClassifier(replaced_logits(graph, *nodes))
    images = np.zeros((3, 28, 28), np.uint8)
    assert np.isfinite(model.logits(images)).all()
    images[1, -1, -1] = 5
    with pytest.raises(ModelError, match="answers with unusable logits"):
        model.logits(images)


def test_a_model_for_some_number_of_images_alone_is_refused(graph, monkeypatch) -> None:
    shape = numpy_helper.from_array(np.array([3, 10], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("Reshape", ["before", "shape"], ["logits"]),
    ]
    with pytest.raises(ModelError, match="an operator Reshape whose size cannot be told"):
        OnnxClassifier(replaced_logits(graph, *nodes))
    monkeypatch.setattr("fashion_cnn.shipping.onnx_classifier.largest_batch", lambda *_: 256)
    with pytest.raises(ModelError, match="the model cannot be run"):
        OnnxClassifier(replaced_logits(graph, *nodes))
