"""The README against the records and the commands that it speaks of."""

import json
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fashion_cnn.cli import _group, main
from fashion_cnn.commands.train import train
from fashion_cnn.evaluation.metrics import most_confused
from fashion_cnn.on_torch.model import build_model
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.study import differences, student_interval, to_class_table, to_table
from fashion_cnn.run.folder import Run
from fashion_cnn.tuning.study import Study, open_study

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
BASELINE = Run(REPOSITORY / "docs/results/baseline")


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_the_results_are_those_of_the_record() -> None:
    metrics, history = BASELINE.metrics, BASELINE.history
    assert metrics
    assert BASELINE.recipe == catalog.named("baseline"), "the record is of the recipe as it stands"
    for name in ("best", "final"):
        result = metrics[name]
        low, high = result["test"]["interval"]
        row = (
            f"| {name} | {result['epoch']:g} | {history[int(result['epoch']) - 1].train_loss:.3f} "
            f"| {result['validation']['loss']:.3f} | {percent(result['validation']['accuracy'])} "
            f"| {result['test']['loss']:.3f} | **{percent(result['test']['accuracy'])}** "
            f"| {100 * low:.2f} - {100 * high:.2f} % | {100 * result['test']['ece']:.1f} % |"
        )
        assert row in README
        assert percent(result["test"]["accuracy"]) in catalog.description("baseline")
    for one in metrics["best"]["test"]["per_class"]:
        row = f"| {one['name']} | {one['precision']:.3f} | {one['recall']:.3f} | {one['f1']:.3f} |"
        assert row in README


def test_the_keras_figures_are_those_of_the_record() -> None:
    metrics = Run(REPOSITORY / "docs/results/baseline-keras").metrics
    assert metrics
    text = " ".join(README.split())
    for name in ("best", "final"):
        low, high = metrics[name]["test"]["interval"]
        assert f"**{percent(metrics[name]['test']['accuracy'])}**" in text
        assert f"{100 * low:.2f} - {100 * high:.2f} %" in text


def test_the_frameworks_are_compared_as_in_the_record() -> None:
    study = json.loads((REPOSITORY / "docs/results/frameworks/study.json").read_text())
    text = " ".join(README.split())
    accuracies = {
        name: [100 * row["accuracy"] for row in study["runs"] if row["variant"] == name]
        for name in ("pytorch", "keras")
    }
    for values in accuracies.values():
        assert len(values) == 10
        assert f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}" in text
    differences = [k - p for p, k in zip(*accuracies.values(), strict=True)]
    assert f"paired difference {statistics.mean(differences):.2f} points" in text


def test_the_photo_figures_are_those_of_the_record() -> None:
    alone, box, tuned = (
        json.loads((REPOSITORY / f"docs/results/{name}.json").read_text())
        for name in ("photos", "photos-box", "photos-fine-tuned")
    )
    text = " ".join(README.split())
    held_out = alone["real_photos"]["held_out"]
    kinds = {name: 100 * row["accuracy"] for name, row in held_out["classes"].items()}
    assert f"{100 * held_out['macro_accuracy']:.1f} % right" in text
    assert f"trousers {kinds['pants']:.0f} %" in text
    assert f"pairs from above, {kinds['shoes']:.0f} %" in text
    assert f"AUROC of {held_out['none_of_them']['auroc']:.3f}" in text
    real, warned = box["real_photos"]["held_out"], box["strange"]["kinds"]["all"]["warned"]
    known = [100 * row["warned"] for row in real["classes"].values()]
    assert (
        f"has {100 * real['macro_accuracy']:.1f} % of the same half and warns of "
        f"{100 * warned:.0f} % of noise, gradients, text, digits and shapes, of "
        f"{100 * real['none_of_them']['warned']:.0f} % of the hats, shorts and skirts, and of "
        f"{min(known):.0f} to {max(known):.0f} % of the kinds that it knows"
    ) in text
    calibration = {name: 100 * value for name, value in real["calibration"].items()}
    assert (
        f"it is {calibration['mean_confidence']:.0f} % sure and "
        f"{calibration['mean_accuracy']:.0f} % right, and its sets of what it may be hold the true "
        f"class of {calibration['sets_cover']:.0f} % of them (95 asked for), with "
        f"{real['calibration']['mean_set_size']:.1f} classes"
    ) in text
    assert box["imitated_of"] == "test"
    lost = {name: row["points_lost"] for name, row in box["imitated"]["conditions"].items()}
    assert "noisy" in lost
    clean = 100 * box["imitated"]["clean"]
    assert (
        f"lose at most {max(lost.values()):.1f} points of {clean:.1f} %, also on the benchmark"
        in text
    )
    half, more = (
        [100 * row["test"][f"macro_accuracy{measure}"] for measure in ("_as_in_photos_json", "")]
        for row in (tuned, tuned["with_four_fifths"])
    )
    assert (
        f"it has {half[0]:.1f} % of the other half by the same measure, {half[1]:.1f} %"
    ) in text
    assert f"on four fifths, {more[0]:.1f} % of the other fifth ({more[1]:.1f} %)" in text


def test_the_confused_pairs_are_those_of_the_record() -> None:
    assert BASELINE.metrics
    confusion = BASELINE.metrics["best"]["test"]["confusion"]
    names = BASELINE.metrics["class_names"]
    for count, a, b in most_confused(confusion, 5):
        pair = rf"\| ({names[a]} and {names[b]}|{names[b]} and {names[a]}) \| {count} \|"
        assert re.search(pair, README), (names[a], names[b], count)
    mistakes = 10_000 - sum(confusion[i][i] for i in range(10))
    four, five = ((0, 2, 4, 6), (0, 2, 3, 4, 6))
    among = [sum(confusion[a][b] for a in g for b in g if a != b) for g in (four, five)]
    assert f"of the {mistakes} mistakes {among[0]} are among" in README
    assert f"{among[1]} if Dress is counted in" in README


def test_the_speed_is_that_of_the_records() -> None:
    epyc, xeon, keras = (
        json.loads((REPOSITORY / f"docs/results/benchmark-train{which}.json").read_text())
        for which in ("", "-xeon", "-xeon-keras")
    )
    text = " ".join(README.split())
    for loop, value in epyc["median_seconds"].items():
        assert f"| {value:.1f} s | {epyc['images_per_second'][loop]:,.0f} |" in README
    assert f"**{epyc['median_ratio_hand_written_to_ours']:.2f}x**" in text
    assert f"{100 * (epyc['median_ratio_ours_to_bare'] - 1):.1f} % behind" in text
    assert f"{epyc['median_ratio_keras_ours_to_fit']:.2f} of the time of `fit`" in text
    behind, share = 100 * (xeon["median_ratio_ours_to_bare"] - 1), 100 * xeon["share_of_matmul"]
    ratio = xeon["median_ratio_hand_written_to_ours"]
    assert f"Intel Xeon it was {ratio:.2f}x, {behind:.1f} % and {share:.0f} %" in text
    assert f"in Keras {keras['median_ratio_keras_ours_to_fit']:.2f} of `fit`" in text
    assert min(epyc["rounds"], xeon["rounds"]) >= 5


def test_the_assignment_beside_fast_is_that_of_the_records() -> None:
    keras = json.loads((REPOSITORY / "docs/results/benchmark-train-xeon-keras.json").read_text())
    study = json.loads((REPOSITORY / "docs/results/speedrun/study.json").read_text())
    assert study["environment"]["device_name"] == keras["machine"]["device_name"]
    fast = statistics.median(row["training_seconds"] for row in study["runs"])
    for loop in ("hand_written", "keras_fit", "keras_ours", "ours"):
        one = keras["median_seconds"][loop]
        row = f"| {one:.1f} s | {50 * one / 60:.1f} min | {50 * one / fast:.0f}x |"
        assert row in README


def ladder(name: str) -> dict[str, str]:
    """The figures of a recipe's study as the pages write them."""
    study = json.loads((REPOSITORY / f"docs/results/{name}/study.json").read_text())
    assert study["measure"] == "test"
    (variant,) = study["variants"]
    recipe = catalog.named(study["recipe"]).replace(**study["variants"][variant])
    assert Recipe.from_dict(study["recipes"][variant]) == recipe, "the record is old"
    runs = study["runs"]
    assert [row["seed"] for row in runs] == list(range(len(runs))), "consecutive seeds, all of them"
    assert not any(row["resumed"] for row in runs)
    accuracies = [100 * row["accuracy"] for row in runs]
    return {
        "accuracy": f"{statistics.mean(accuracies):.2f} ± {statistics.stdev(accuracies):.2f} %",
        "n": f"n={len(runs)}",
        "training": f"{statistics.median(row['training_seconds'] for row in runs):.1f} s",
        "process": f"{statistics.median(row['process_seconds'] for row in runs):.1f} s",
    }


def cost(name: str) -> dict[str, str]:
    recipe = catalog.named(name)
    model = build_model(recipe).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 28, 28, dtype=torch.uint8))
    return {
        "parameters": f"{sum(p.numel() for p in model.parameters() if p.requires_grad):,}",
        "mflop": f"{counter.get_total_flops() / 1e6:.1f} MFLOP",
    }


@pytest.mark.parametrize(("recipe", "study"), [("fast", "speedrun")])
def test_the_ladder_is_that_of_the_records(recipe: str, study: str) -> None:
    found, price = ladder(study), cost(recipe)
    row = " | ".join([f"`{recipe}`", *found.values(), *price.values()])
    assert f"| {row} |" in README
    text = " ".join(catalog.description(recipe).split())
    for figure in [*found.values(), *price.values()]:
        assert figure in text, (recipe, figure)


def test_what_best_has_is_that_of_the_record() -> None:
    run = Run(REPOSITORY / "docs/results/best")
    assert run.recipe.replace(name="best") == catalog.named("best")
    assert run.metrics
    result = run.metrics["final"]["test"]
    low, high = (f"{100 * end:.2f}" for end in result["interval"])
    accuracy = f"{percent(result['accuracy'])} (n=1, seed 0; 95 % interval {low} - {high} %"
    assert accuracy in README
    assert accuracy in catalog.description("best")
    price = cost("best")
    assert f"{price['parameters']} parameters, {price['mflop']}" in catalog.description("best")
    minutes = f"{run.metrics['training_seconds'] / 60:.0f} min"
    assert f"after {minutes}utes on one core" in README
    assert f"Training: {minutes} with validation" in catalog.description("best")


def test_what_balanced_has_is_that_of_the_records() -> None:
    found = ladder("balanced")
    assert f"has {found['accuracy']} ({found['n']}, seeds 0 to 4;" in README
    assert f"{found['accuracy']} ({found['n']}" in catalog.description("balanced")
    alone = json.loads((REPOSITORY / "docs/results/balanced/seed-5/metrics.json").read_text())
    training, command = (
        "{:.0f} min {:.0f} s".format(*divmod(alone[name], 60))
        for name in ("training_seconds", "command_seconds")
    )
    accuracy = f"{100 * alone['final']['test']['accuracy']:.2f} %"
    assert f"has {accuracy} after {training} of training, {command} with all the rest" in README
    described = f"{training} with validation, {command} the whole command (seed 5: {accuracy})"
    assert described in catalog.description("balanced")
    record = json.loads((REPOSITORY / "docs/results/balanced/evaluations.json").read_text())
    for name in ("accuracy", "tta_accuracy"):
        values = [100 * row[name] for row in record["runs"]]
        assert f"| {statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} % |" in README
    together = (REPOSITORY / "docs/results/balanced/ensemble.txt").read_text()
    assert (found := re.search(r"averaged: ([\d.]+) %", together))
    assert f"| {found[1]} % |" in README
    text = " ".join(README.split())
    before, after = (
        100 * statistics.mean(row[when]["ece"] for row in record["runs"])
        for when in ("before", "after")
    )
    assert f"the calibration error is {before:.1f} % as trained and {after:.2f} % then" in text
    covered = 100 * statistics.mean(row["conformal"]["coverage"] for row in record["runs"])
    assert f"95 % of the time do so {covered:.2f} %" in text


def test_the_speedrun_page_is_that_of_the_records() -> None:
    page = (REPOSITORY / "docs/speedrun.md").read_text()
    for study in ("speedrun", "sprint"):
        assert " | ".join(ladder(study).values()) in page
    for study in ("fast-ablation", "balanced-ablation", "trials/fast-start"):
        record = json.loads((REPOSITORY / f"docs/results/{study}/study.json").read_text())
        assert to_table(record) in page
    overhead = json.loads((REPOSITORY / "docs/results/benchmark-overhead.json").read_text())
    assert overhead["rounds"] >= 5
    for value in overhead["median_seconds"].values():
        assert f"{value:.2f} s" in README
    assert f"{overhead['median_ratio_evaluation_to_bare']:.3f}x" in README


def test_what_shipping_measures_is_that_of_the_records() -> None:
    commands, load, photos = (
        json.loads((REPOSITORY / f"docs/results/epyc-avx512/{name}.json").read_text())
        for name in ("commands", "load", "load-photo")
    )
    xeon, small, epyc, fast = (
        json.loads((REPOSITORY / f"docs/results/{name}.json").read_text())["forms"]
        for name in (
            "xeon-amx/infer",
            "xeon-amx/infer-fast",
            "epyc-avx512/infer",
            "epyc-avx2/infer",
        )
    )
    text, forms = " ".join(README.split()), xeon
    onnx, int8, eager = forms["onnx"], forms["int8"], forms["pytorch"]
    assert f"in {onnx['single_p50_ms']:.2f} ms, and {onnx['images_per_second']:,.0f} a" in text
    times = [form["images_per_second"] / eager["images_per_second"] for form in (onnx, int8)]
    assert f"{times[0]:.2f} times what PyTorch does" in text
    assert f"{times[1]:.2f} times as fast as PyTorch" in text
    lost = 100 * (int8["measured"]["float_accuracy"] - int8["measured"]["accuracy"])
    assert f"right {lost:.2f} points less often" in text
    assert f"int8 has {int8['bytes'] / 1e6:.2f} MB, a quarter" in text
    assert int8["bytes"] / onnx["bytes"] == pytest.approx(0.25, abs=0.05)
    elsewhere = [
        form["onnx"]["images_per_second"] / form["pytorch"]["images_per_second"]
        for form in (epyc, fast, small)
    ]
    assert (
        f"a `fast` in {small['onnx']['single_p50_ms']:.2f} ms and "
        f"{small['onnx']['images_per_second']:,.0f} a second, {elsewhere[2]:.2f} times PyTorch"
    ) in text
    assert f"ONNX Runtime is {elsewhere[0]:.2f} times PyTorch" in text
    assert f"of `fast`, {elsewhere[1]:.2f} times" in text
    assert fast["int8"]["images_per_second"] < fast["onnx"]["images_per_second"]
    seconds = {name: found["median_seconds"] for name, found in commands["commands"].items()}
    assert f"a photo {seconds['predict']:.2f} s, `report` {seconds['report']:.2f} s" in text
    most = commands["commands"]["audit"]["most_mib"]
    assert f"`data audit` {seconds['audit']:.1f} s and {most:.0f} MiB" in text
    ours, plain = load["fashion-cnn serve"], load["plain handler"]
    full, over = ours["1x"], ours["10x"]
    assert set(over["outcomes"]) == {"200", "503"}, "nothing else happens to a picture"
    assert f"answers {full['sent'] / load['seconds']:.0f} pictures of 28 pixels" in text
    assert f"within {full['p99_ms']:.0f} ms" in text
    assert f"it answers {over['outcomes']['200'] / load['seconds']:,.0f} a second" in text
    assert f"answers {plain['10x']['per_second']:.0f} and lets the slowest" in text
    answered = photos["fashion-cnn serve"]["10x"]["outcomes"]["200"] / photos["seconds"]
    assert (
        f"ours answers {answered:.0f} of these a second, and the plain handler, which only shrinks "
        f"them, {photos['plain handler']['10x']['per_second']:.0f} ([record]"
    ) in text


def assert_same_recipes(record: dict[str, Any], study: Study) -> None:
    """A field that was not there when the record was made has its default."""
    defaults = {name: value for name, value in Recipe().to_dict().items() if name != "seed"}
    found = {name: {**defaults, **of, "init_sha256": ""} for name, of in record["recipes"].items()}
    assert found == {name: study.description_of(name) for name in study.variants}


def test_the_findings_are_those_of_the_record() -> None:
    record = json.loads((REPOSITORY / "docs/results/findings/study.json").read_text())
    page = (REPOSITORY / "docs/findings.md").read_text()
    assert to_table(record) in page
    assert to_class_table(record) in page
    study = open_study("findings")
    assert_same_recipes(record, study)
    assert len(record["runs"]) == len(study.variants) * len(study.seeds)
    text = " ".join(README.split())
    for variant in ("erasing + StepLR", "class weights"):
        mean, low, high = student_interval(differences(record, variant))
        assert f"{mean:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})" in text


def test_the_value_of_a_teacher_is_that_of_the_record() -> None:
    record = json.loads((REPOSITORY / "docs/results/distilled/study.json").read_text())
    assert_same_recipes(record, open_study("distilled"))
    alone, taught = (
        [100 * row["accuracy"] for row in record["runs"] if row["variant"] == variant]
        for variant in ("labels alone", "taught")
    )
    text = " ".join(README.split())
    for values in (alone, taught):
        assert f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} %" in text
    mean, low, high = student_interval(differences(record, "taught"))
    assert (
        f"(n=3, paired difference {mean:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f};"
    ) in text


def test_the_value_of_transfer_is_that_of_the_record() -> None:
    record = json.loads((REPOSITORY / "docs/results/transfer/study.json").read_text())
    study = open_study("transfer")
    assert_same_recipes(record, study)
    for size in ("10 a class", "30 a class", "100 a class", "all"):
        sides = [f"{size}, from {start}" for start in ("scratch", "Fashion-MNIST")]
        scratch, moved = (
            [100 * row["accuracy"] for row in record["runs"] if row["variant"] == side]
            for side in sides
        )
        assert len(scratch) == len(moved) == len(study.seeds)
        mean, low, high = student_interval([b - a for a, b in zip(scratch, moved, strict=True)])
        cells = [
            f"{statistics.mean(v):.2f} ± {statistics.stdev(v):.2f} %" for v in (scratch, moved)
        ]
        row = " | ".join([*cells, f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"])
        assert f"| {row} |" in README


def test_the_audit_is_that_of_the_record() -> None:
    record = json.loads((REPOSITORY / "docs/results/audit/audit.json").read_text())
    copies, images = len(record["test_images_near_training"]), record["images"]
    assert f"{copies} of the {images['test']:,} test images have a near-duplicate" in README
    assert sum(kinds["exact"] for kinds in record["pairs"].values()) == 0
    for part in ("train, out of fold", "test, by the run"):
        assert round(100 * record["label_noise"][part]["accuracy"]) == 98


def test_every_link_leads_somewhere() -> None:
    for page in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def every_command(group: click.Group) -> Iterator[list[str]]:
    for name, command in group.commands.items():
        yield from (
            ([name, *words] for words in every_command(command))
            if isinstance(command, click.Group)
            else [[name]]
        )


def test_every_command_and_flag_in_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)
    assert "train" in commands
    assert set(commands) <= set(targets)
    for words in every_command(_group):
        assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    ours = re.sub(r"^(curl|torchrun) .*$", "", README, flags=re.MULTILINE)
    for flag in set(re.findall(r"`?(--[a-z][a-z-]+)", ours)):
        assert flag in text, flag


def test_the_examples_for_clusters_are_commands_of_ours() -> None:
    text = (REPOSITORY / "docs/scaling.md").read_text()
    script = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    words = script.replace("\\\n", " ").split("-m fashion_cnn ")[1].split()
    listed = re.findall(r"command: \[(.*)\]", text)[0].replace('"', "").split(", ")
    assert listed[:3] == ["torchrun", "-m", "fashion_cnn"]
    for command in (words, listed[3:]):
        context = train.make_context("train", command[1:])
        assert context.params["recipe"] == "balanced"
        assert context.params["batch_size"] == 4000
