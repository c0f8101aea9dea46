"""README.md."""

import re

from scipy import stats

from bench.records.page import Page
from bench.records.pages import findings, photos
from bench.records.reading import (
    Records,
    Row,
    between,
    catalog,
    deviation,
    differences,
    mean,
    median,
    minutes,
    network,
    percents,
    spread,
    student,
    tested,
)


def check(page: Page, records: Records) -> None:
    """Hold the page against its records."""
    _settings(page)
    _network(page)
    _assignment(page, records)
    _classes(page, records)
    _ladder(page, records)
    _calibrated(page, records)
    _speed(page, records)
    _overhead(page, records)
    _audit(page, records)
    _shipping(page, records)
    _keras(page, records)
    _transfer(page, records)
    _distilled(page, records)
    _photos(page, records)
    _photos_made(page, records)
    _photos_tuned(page, records.json("photos-fine-tuned.json"))
    _server(page, records)


def _settings(page: Page) -> None:
    page.settings(
        "(3.11 or newer, with venv)",
        "0 done · 1 bug, or a server or check that failed · 2 wrong word or value · 3 data",
        "4 some pictures could not be used, the rest done · 5 diverged · 6 nothing valid to resume "
        "· 7 out of disk or memory · 130/143 stopped by a signal",
        "get 83.5 % of 1,000 test images right, says the data set's own",
        "reports 91.64 % and 23.4 minutes on a laptop's GPU; these are its own figures",
        "60,000 training and 10,000 test images from",
        "54,000 of the training images train, 6,000 validate",
        "with a seed, 600 of each class",
        "The 10,000 test images are sealed",
        "scaled to 0..1, then (x - 0.2860) / 0.3530 inside the model",
        "which must answer all 10,000 test images as the trained model does",
        "the same class for all 10,000 test images, with logits at most 0.0001 apart: tests hold",
        "the framework's own exporter (opset 18)",
        "gives an `nn.Module` from float32 (N, 1, 28, 28), normalised, to logits (N, classes)",
        "`--framework keras`, a `keras.Model` from (28, 28, 1)",
        "alike in ONNX Runtime from 1.15 on",
        "It takes pictures of at most 8 MB and 25 megapixels",
        "and turns away with 503 what",
        "the server answered as user 10001",
        "EMNIST; 2 to 1,000 classes",
        "(exit code 4 if one that should be a picture",
        "fetch elsewhere (exit code 3)",
    )
    page.settings(  # years and volumes
        "Machine Learning Algorithms.* 2017.",
        "ICLR 2015.",
        "JMLR 15, 2014.",
        "AAAI 2020.",
        "ICML 2017.",
        "JASA 22, 1927.",
        "NeurIPS 2019.",
    )


def _network(page: Page) -> None:
    recipe = catalog()["baseline"]
    parameters, flops = network(recipe)
    page.says("network, {:,} parameters, {:.1f} million floating-point", parameters, flops / 1e6)
    width, below = recipe["width"], 1
    for times, side in ((1, 14), (2, 7), (4, 3)):
        above = times * width
        page.row(
            f"convolution 3x3, {above} filters, same padding; ReLU; max pool 2x2",
            f"{side} x {side} x {above}",
            f"{9 * below * above + above:,}",
        )
        below = above
    dropout = f"flatten; fully connected 128; ReLU; dropout {recipe['dropout']}"
    page.row(dropout, "128", f"{(9 * below + 1) * 128:,}")
    page.row("fully connected 10: logits (softmax in the loss)", "10", f"{(128 + 1) * 10:,}")
    page.says("learning rate {}, batches of {};", recipe["learning_rate"], recipe["batch_size"])
    page.says("; {} epochs; no augmentation", recipe["epochs"])


def _assignment(page: Page, records: Records) -> None:
    metrics, history = records.json("baseline/metrics.json"), records.csv("baseline/history.csv")
    page.settings("--threads 1`, seed 0, on one core", "`make train` on 2 cores of an Intel Xeon")
    earlier = records.json("baseline-xeon/metrics.json")
    page.says(
        "had {:.2f} % (best) and {:.2f} % (final)",
        *(tested(earlier[name])[0] for name in ("best", "final")),
    )
    page.says("took {} of training and validation", minutes(earlier["training_seconds"]))
    if metrics["test_readings"] != 1:
        page.fault("the test set was not opened once")
    _both_checkpoints(page, records)
    whole = records.text("baseline-xeon/command.txt").split("real")[1].split("s")[0].split("m")
    page.says("{} from a clean clone", minutes(60 * int(whole[0]) + float(whole[1])))
    for name in ("best", "final"):
        result = metrics[name]
        accuracy, low, high = tested(result)
        epoch = round(result["epoch"])
        validation = result["validation"]["confusion"]
        right = sum(row[at] for at, row in enumerate(validation)) / sum(map(sum, validation))
        page.row(
            name,
            str(epoch),
            f"{history[epoch - 1]['train_loss']:.3f}",
            f"{result['validation']['loss']:.3f}",
            f"{100 * right:.2f} %",
            f"{result['test']['loss']:.3f}",
            f"**{accuracy:.2f} %**",
            f"{low:.2f} - {high:.2f} %",
            f"{100 * result['test']['ece']:.1f} %",
        )
    losses = [row["val_loss"] for row in history]
    least = losses.index(min(losses)) + 1
    page.says(
        "falls until epoch {} and then rises to {:.1f} times", least, losses[-1] / min(losses)
    )
    page.says("accuracy rises to {:.1f} %", 100 * history[-1]["train_accuracy"])
    ends = [metrics[name]["test"] for name in ("best", "final")]
    page.says("rises from {:.1f} to {:.1f} %", *(100 * one["mean_confidence"] for one in ends))
    page.says("error from {:.1f} to {:.1f} %", *(100 * one["ece"] for one in ends))
    page.says("The {} epochs after the best", len(losses) - least)
    _what_follows(page, records)


def _both_checkpoints(page: Page, records: Records) -> None:
    rows = records.csv("baseline/answers.csv")
    alone = {
        name: sum(row[name] == row["label"] != row[other] for row in rows)
        for name, other in (("best", "final"), ("final", "best"))
    }
    chance = stats.binomtest(alone["final"], sum(alone.values()), 0.5).pvalue
    page.says(
        "{} are right in the final checkpoint alone and {} in the best alone: no more than chance "
        "(exact McNemar, p = {:.3f})",
        alone["final"],
        alone["best"],
        chance,
    )
    if chance < 0.05:
        page.fault("the page draws the other conclusion")


def _what_follows(page: Page, records: Records) -> None:
    study = records.json("findings/study.json")
    page.says("{} epochs, three seeds, on validation", study["recipes"]["baseline"]["epochs"])
    page.settings("intervals hold 0, so they show neither")
    points = "{:+.2f} points, {:+.2f} to {:+.2f}"
    page.says(
        f"ReduceLROnPlateau by its last epoch ({points})",
        *student(findings.gain(records, study, findings.PLATEAU, "final")),
    )
    page.says(
        f"confused classes alone ({points})",
        *student(differences(study, "targeted augmentation", "baseline")),
    )
    page.says(
        "on the validation images {:+.2f} points ({:+.2f} to {:+.2f})",
        *student(differences(study, findings.BOTH, "baseline")),
    )
    means, pair = findings.tested(records)
    page.says(
        "{} ± {} becomes {} ± {} % (n={}, {} points, {} to {})", *means[0], *means[1], 3, *pair
    )


def _classes(page: Page, records: Records) -> None:
    metrics = records.json("baseline/metrics.json")
    confusion, names = metrics["best"]["test"]["confusion"], metrics["class_names"]
    (each,) = {sum(row) for row in confusion}
    page.says("(best checkpoint, {:,} test images each)", each)
    for at, name in enumerate(names):
        hits, called = confusion[at][at], sum(row[at] for row in confusion)
        precision, recall = hits / called, hits / each
        f1 = 2 * precision * recall / (precision + recall)
        page.row(name, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}")
    mistakes = sum(map(sum, confusion)) - sum(confusion[at][at] for at in range(10))
    among = [
        sum(confusion[a][b] for a in group for b in group if a != b)
        for group in ((0, 2, 4, 6), (0, 2, 3, 4, 6))
    ]
    page.says("of the {} mistakes {} are among", mistakes, among[0])
    page.says("Coat and Shirt, {} if Dress is counted in", among[1])
    pairs = {
        frozenset((a, b)): confusion[a][b] + confusion[b][a] for a in range(10) for b in range(a)
    }
    for pair in sorted(pairs, key=lambda one: -pairs[one])[:5]:
        a, b = sorted(pair, key=lambda at: (at == 6, at == 4, at))  # as the table names them
        calls = [
            f"{confusion[x][y]} {_plural(names[x])} called {_short(names[y])}"
            for x, y in ((a, b), (b, a))
        ]
        page.row(f"{names[a]} and {names[b]}", str(pairs[pair]), ", ".join(calls))


def _short(name: str) -> str:
    return name.removesuffix("/top")


def _plural(name: str) -> str:
    return _short(name) + ("es" if name.endswith("s") else "s")


def _ladder(page: Page, records: Records) -> None:
    runs = records.json("speedrun/study.json")["runs"]
    accuracies = [100 * row["accuracy"] for row in runs]
    times = [median(row[key] for row in runs) for key in ("training_seconds", "process_seconds")]
    parameters, flops = network(catalog()["fast"])
    page.says(
        "[{:.1f} % in {:.0f} seconds of training, {:.0f} the command]", mean(accuracies), *times
    )
    page.settings("consecutive seeds from 0, no test-time", "medians on 2 cores of an Intel Xeon")
    page.row(
        "`fast`",
        spread(accuracies),
        f"n={len(runs)}",
        *(f"{one:.1f} s" for one in times),
        f"{parameters:,}",
        f"{flops / 1e6:.1f} MFLOP",
    )
    page.says("The lowest of these runs has {:.2f} %", min(accuracies))
    epochs = catalog()["baseline"]["epochs"]
    loops = [
        sorted(
            epochs * median(records.json(f"benchmark-train-xeon{name}.json")["seconds"][loop])
            for name in ("", "-keras")
        )
        for loop in ("ours", "hand_written")
    ]
    baseline = records.json("baseline-xeon/metrics.json")
    page.says(
        "the assignment's {} epochs, for {:.1f} to {:.1f} %, take",
        epochs,
        *(tested(baseline[name])[0] for name in ("best", "final")),
    )
    page.says("take {:.0f} to {:.0f} times the training", *(one / times[0] for one in loops[0]))
    page.says("and {:.0f} to {:.0f} times in a hand", *(one / times[0] for one in loops[1]))
    _balanced(page, records)
    _best(page, records)


def _balanced(page: Page, records: Records) -> None:
    study = records.json("balanced/study.json")
    alone = records.json("balanced/seed-5/metrics.json")
    accuracies = {row["seed"]: 100 * row["accuracy"] for row in study["runs"]}
    elsewhere = [row["seed"] for row in study["runs"] if "environment" in row]
    for row in study["runs"]:
        where = row.get("environment", study["environment"])
        known = (
            ("AMD EPYC (AVX2)", "float32")
            if "environment" in row
            else ("Intel(R) Xeon(R) Processor (AVX512)", "bfloat16")
        )
        if (where["device_name"], where["mixed_precision_is"]) != known:
            page.fault(f"seed {row['seed']} of balanced ran on {where['device_name']}")
    values = list(accuracies.values())
    page.says(
        "has {:.2f} ± {:.2f} % (n={}, seeds {} to {};",
        mean(values),
        deviation(values),
        len(values),
        min(accuracies),
        max(accuracies),
    )
    page.says("of which seeds {} to {} ran in float32", min(elsewhere), max(elsewhere))
    page.says(
        "two seeds have {:.2f} and {:.2f} % (n={}, seeds {} and {})",
        accuracies[0],
        tested(alone["final"])[0],
        2,
        0,
        5,
    )
    page.says(
        "seed {}, alone on {} cores",
        5,
        records.json("balanced/seed-5/environment.json")["threads"],
    )
    page.says(
        "after {} of training, {} with all the rest",
        minutes(alone["training_seconds"]),
        minutes(alone["command_seconds"]),
    )


def _best(page: Page, records: Records) -> None:
    metrics = records.json("best/metrics.json")
    accuracy, low, high = tested(metrics["final"])
    page.says(
        "{:.2f} % (n={}, seed {}; 95 % interval {:.2f} - {:.2f} %;", accuracy, 1, 0, low, high
    )
    page.says("after {:.0f} minutes of training", metrics["training_seconds"] / 60)
    page.settings("among 3 candidates that opened it")
    last = [
        records.csv(f"trials/resnet-42-epochs-{name}/history.csv")[-1]
        for name in ("cutmix-erasing", "balanced")
    ]
    page.says(
        "On {:,} validation images its augmentation, on the network of `balanced`, is behind that "
        "of `balanced`: {:.2f} to {:.2f} % (n={} each, {:.0f} epochs",
        6000,
        *(100 * row["val_accuracy"] for row in last),
        1,
        last[0]["epoch"],
    )


def _calibrated(page: Page, records: Records) -> None:
    runs = records.json("balanced/evaluations.json")["runs"]
    seeds = [row["seed"] for row in runs]
    errors = [100 * mean(row[when]["ece"] for row in runs) for when in ("before", "after")]
    page.says("over seeds {} to {} of `balanced` the cal", min(seeds), max(seeds))
    page.says("on test is {:.1f} % as trained and {:.2f} % then", *errors)


def _paired(seconds: Row, above: str, below: str) -> float:
    return median(a / b for a, b in zip(seconds[above], seconds[below], strict=True))


def _speed(page: Page, records: Records) -> None:
    epyc, five, three = (
        records.json(f"benchmark-train{name}.json") for name in ("", "-xeon", "-xeon-keras")
    )
    page.settings("float32, on 2 cores of an AMD EPYC (AVX-512)", "On 2 cores of an Intel Xeon two")
    page.says("An epoch of {:,} images, batch {}", epyc["images"], 64)
    page.says("(AVX-512), medians of {} rounds", epyc["rounds"])
    names = {
        "hand_written": "hand-written: DataLoader, PIL, per-image transforms, NCHW, default Adam",
        "keras_fit": "Keras `fit` on arrays",
        "keras_ours": "ours in Keras: sampling, checks, log, checkpoints",
        "bare": "the kernels of ours with no bookkeeping at all",
        "ours": "ours: sampling, checks, log, checkpoints, start-up",
    }
    for loop, name in names.items():
        one = median(epyc["seconds"][loop])
        page.row(name, f"{one:.1f} s", f"{epyc['images'] / one:,.0f}")
    page.says("**{:.2f}x** as fast", _paired(epyc["seconds"], "hand_written", "ours"))
    # The last two ratios are of steps in turn, not of the epochs in the table: the record has them.
    page.says("and {:.1f} % behind the bare", 100 * (epyc["median_ratio_ours_to_bare"] - 1))
    page.says("takes {:.2f} of the time", _paired(epyc["seconds"], "keras_ours", "keras_fit"))
    page.says("of [{}](docs/results/benchmark-train-xeon.json)", five["rounds"])
    page.says("of [{} rounds](docs/results/benchmark-train-xeon-keras.json)", three["rounds"])
    page.says(
        "say {:.2f}x and {:.2f}x,",
        *(_paired(one["seconds"], "hand_written", "ours") for one in (five, three)),
    )
    page.says(
        "{:.1f} % behind and {:.1f} % ahead",
        100 * (five["median_ratio_ours_to_bare"] - 1),
        100 * (1 - three["median_ratio_ours_to_bare"]),
    )
    page.says("the second {:.2f} of `fit`", _paired(three["seconds"], "keras_ours", "keras_fit"))


def _overhead(page: Page, records: Records) -> None:
    record = records.json("benchmark-overhead.json")
    page.says("of its first step {:.2f} s pass", median(record["seconds"]["start"]))
    page.settings("pass on 2 cores of an Intel Xeon")
    page.says("benchmark-overhead.json), median of {})", record["rounds"])


def _audit(page: Page, records: Records) -> None:
    record = records.json("audit/audit.json")
    images = record["images"]
    page.says("Every pair of the {:,} images", sum(images.values()))
    page.says(
        "{} of the {:,} test images have a near-duplicate",
        len(record["test_images_near_training"]),
        images["test"],
    )
    if any(kinds["exact"] for kinds in record["pairs"].values()):
        page.fault("two images are equal")
    parts = ("train, out of fold", "test, by the run")
    (share,) = {round(100 * record["label_noise"][part]["accuracy"]) for part in parts}
    page.says("about {} % of the labels", share)


def _shipping(page: Page, records: Records) -> None:
    xeon, *others = (
        records.json(f"{name}.json")
        for name in (
            "xeon-amx/infer",
            "xeon-amx/infer-fast",
            "epyc-avx512/infer",
            "epyc-avx2/infer",
        )
    )
    forms = xeon["forms"]
    onnx, int8 = forms["onnx"], forms["int8"]
    page.settings("On 2 cores of an Intel Xeon (AVX-512), seed", "s on 2 cores of an AMD EPYC with")
    page.says("seed {} of `balanced` in ONNX Runtime", xeon["recipe"]["seed"])
    page.says("one image in {:.2f} ms", 1000 * median(onnx["rounds"]["single"]))
    page.says("and {:,.0f} a second in batches", _rate(onnx))
    page.says("{:.2f} times what PyTorch does", _rate(onnx) / _rate(forms["pytorch"]))
    page.says("int8 has {:.2f} MB, a quarter", int8["bytes"] / 1e6)
    page.says("is {:.2f} times as fast as PyTorch", _rate(int8) / _rate(forms["pytorch"]))
    lost = int8["measured"]["float_accuracy"] - int8["measured"]["accuracy"]
    page.says("right {:.2f} points less often", 100 * lost)
    page.says("infer.json), {} rounds)", xeon["rounds"])
    times = [_rate(one["forms"]["onnx"]) / _rate(one["forms"]["pytorch"]) for one in others]
    page.says("{:.2f} to {:.2f} times PyTorch ([", min(times), max(times))
    if _rate(others[-1]["forms"]["int8"]) >= _rate(others[-1]["forms"]["onnx"]):
        page.fault("int8 is not slower without VNNI")
    commands = records.json("epyc-avx512/commands.json")
    found = commands["commands"]
    page.says("(median of {}, [record](docs/results/epyc-avx512", commands["rounds"])
    page.says("answers a photo in {:.2f} s", median(found["predict"]["seconds"]))


def _rate(form: Row) -> float:
    """Images a second, the median of the rounds with the batch of the highest one."""
    return max(median(values) for size, values in form["rounds"].items() if size != "single")


def _keras(page: Page, records: Records) -> None:
    study = records.json("frameworks/study.json")
    torch, keras = (list(percents(study, name).values()) for name in ("pytorch", "keras"))
    if not len(torch) == len(keras) == 10:
        page.fault("not ten seeds each")
    page.says("ten seeds of {} epochs", study["recipes"]["keras"]["epochs"])
    page.says(
        "{:+.2f} points of test accuracy, 95 % interval {:+.2f} to {:+.2f}: [record]",
        *student(differences(study, "keras", "pytorch")),
    )
    metrics = records.json("baseline-keras/metrics.json")
    page.says("The full run, seed {},", records.json("baseline-keras/recipe.json")["seed"])
    page.says("{:.2f} % of the test images with the best", tested(metrics["best"])[0])
    page.says("and {:.2f} % with the final one", tested(metrics["final"])[0])


def _transfer(page: Page, records: Records) -> None:
    study = records.json("transfer/study.json")
    page.says("n={} seeds, accuracy on {} validation", len(study["seeds"]), study["runs"][0]["n"])
    page.says("enlarged (to {} pixels", catalog()["baseline"]["input_side"])
    for size in ("10 a class", "30 a class", "100 a class", "all"):
        scratch, moved = (f"{size}, from {start}" for start in ("scratch", "Fashion-MNIST"))
        page.row(
            size,
            *(spread(list(percents(study, side).values())) for side in (scratch, moved)),
            between(differences(study, moved, scratch), 1),
        )


def _distilled(page: Page, records: Records) -> None:
    study = records.json("distilled/study.json")
    found = differences(study, "taught", "labels alone")
    page.says("network of `fast`, {} epochs, has", study["recipes"]["taught"]["epochs"])
    page.says(
        "{:+.2f} points of test accuracy taught by it (95 % interval {:+.2f} to {:+.2f}; n={}, one",
        *student(found),
        len(found),
    )


def _photos(page: Page, records: Records) -> None:
    record = records.json("photos-box.json")
    real = record["real_photos"]["held_out"]
    for cells in photos.kind_rows(record):
        page.row(*cells)
    page.says("on {:,} photos of clothes", sum(row["n"] for row in real["classes"].values()))
    page.settings("(n=1 network each")
    alone = records.json("photos.json")["real_photos"]["held_out"]
    page.says("`photo` alone has {:.1f} %", photos.macro(alone["classes"]))
    page.says("had been read {} times before", photos.readings_before(records, "photos-box.json"))
    page.says("an AUROC of {:.3f}", real["none_of_them"]["auroc"])
    page.says("comes for {:.0f} % of them", 100 * real["none_of_them"]["warned"])
    page.says("for {:.0f} % of made noise", 100 * record["strange"]["kinds"]["all"]["warned"])
    known = [100 * row["warned"] for row in real["classes"].values()]
    page.says("for {:.0f} to {:.0f} % of the kinds that it knows", min(known), max(known))
    said = real["calibration"]
    page.says(
        "package is {:.0f} % sure and {:.0f} % right",
        100 * said["mean_confidence"],
        100 * said["mean_accuracy"],
    )
    page.says("the true class of {:.0f} % of them", 100 * said["sets_cover"])
    page.settings("(95 asked for)")
    page.says("with {:.1f} classes on average", said["mean_set_size"])


def _photos_made(page: Page, records: Records) -> None:
    made = records.json("photos-box.json")["imitated"]
    lost = [row["points_lost"] for row in made["conditions"].values()]
    page.says("lose at most {:.1f} points of {:.1f} %", max(lost), 100 * made["clean"])
    page.says("from one side too ({:,} images)", made["n"])
    text = records.text("trials/shaded-ground.txt")
    clean = re.findall(r"clean ([\d.]+) %", text)[-1]
    vignette, blotches = (
        re.findall(rf"^{name}\b.*? ([\d.]+)  ([\d.]+) ", text, re.MULTILINE)[0][1]
        for name in ("mild vignette", "blotches of 8 pixels")
    )
    page.says(
        "{} % right when clean, {} % are with a mild vignette and {} % on blotches",
        clean,
        vignette,
        blotches,
    )
    count = re.findall(r"Other grounds, (\d+) of these images", text)[0]
    page.says("on blotches ({} images", count)


def _photos_tuned(page: Page, record: Row) -> None:
    half, more = record["test"], record["with_four_fifths"]["test"]
    page.says(
        "`photo` has {:.1f} % of the other half", 100 * half["macro_accuracy_as_in_photos_json"]
    )
    page.says("same measure, {:.1f} % if only", 100 * half["macro_accuracy"])
    page.says(
        "on four fifths, {:.1f} % of the other fifth ({:.1f} %;",
        100 * more["macro_accuracy_as_in_photos_json"],
        100 * more["macro_accuracy"],
    )
    page.settings("n=1 each). [docs/log.md]")


def _server(page: Page, records: Records) -> None:
    """Hold rates by the time that a phase took, not by the time that was planned for it."""
    load = records.json("epyc-avx2/server.json")
    page.settings(
        "on 2 cores of an AMD EPYC with AVX2 that the clients",
        "with 8 connections that are kept",
        "of 28 pixels a second",
        "JPEGs of 800 pixels",
        "times; with one,",
        "on 8 new connections, 99 % of answers come within",
        "rest away with 503; none is lost",
    )
    rates, times = {}, {}
    for picture in ("28 pixels", "800 pixels"):
        for count in (1, 8, 32):
            ours, plain = (
                load["closed"][name][f"{picture}, {count} kept"] for name in load["closed"]
            )
            rates[picture, count] = ours["outcomes"]["200"] / ours["elapsed_seconds"]
            pairs = zip(*(one["rounds_answered_per_second"] for one in (ours, plain)), strict=True)
            times[picture, count] = median([one / other for one, other in pairs])
    rounds = load["closed"]["ours"]["28 pixels, 8 kept"]["rounds_answered_per_second"]
    page.says("(medians of {} rounds", len(rounds))
    page.says("the server answers {:.0f} pictures", rates["28 pixels", 8])
    page.says("a second and {:.0f} JPEGs", rates["800 pixels", 8])
    for template, count in (
        ("{:.2f} and {:.2f} times what a plain", 8),
        ("with 32, {:.2f} and {:.2f} times", 32),
        ("with one, {:.2f} and {:.2f} times", 1),
    ):
        page.says(template, times["28 pixels", count], times["800 pixels", count])
    page.settings("with 32,")
    page.says(
        "come within {:.0f} and {:.0f} ms",
        *(
            median(load["open"][f"{picture}, 0.8 times"]["rounds_p99_ms"])
            for picture in ("28 pixels", "800 pixels")
        ),
    )
    over = load["open"]["800 pixels, 10 times"]
    page.says("Sent {:,.0f} of these JPEGs", over["offered_per_second"])
    page.says("it answers {:.0f} and turns", over["outcomes"]["200"] / over["elapsed_seconds"])
    page.says("at {:.0f} MB with its decoders", over["megabytes"][1])
    if set(over["outcomes"]) != {"200", "503", "lost"} or over["outcomes"]["lost"]:
        page.fault("pictures are lost")
