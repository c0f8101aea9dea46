"""docs/speed.md: of training, answering and serving."""

from bench.records.page import Page
from bench.records.reading import Records, Row, median

_PICTURES = "28 pixels", "800 pixels"


def check(page: Page, records: Records) -> None:
    """Hold the page against its records."""
    _training(page, records)
    _answering(page, records)
    _serving(page, records.json("epyc-avx2/server.json"))
    newer = records.json("epyc-zen5/server.json")
    _kept(page, newer)
    alone = newer["closed"]["ours"]["28 pixels, 1 kept"]
    page.settings("On 2 cores of an AMD EPYC with AVX-512 and bfloat16 (medians")
    rounds = len(alone["rounds_answered_per_second"])
    page.says("(medians of {} rounds, [record](results/epyc-zen5", rounds)
    page.settings("on one connection, as fast on 8 and", "faster on 32.")
    times = [newer["times_plain"][f"28 pixels, {count} kept"] for count in (1, 8, 32)]
    if not times[0] < 0.9 < times[1] < 1.1 < times[2]:
        page.fault("small pictures are not slower, as fast and faster")
    page.says("on one connection are answered within {:.2f} ms", alone["p50_ms"])


def _paired(seconds: Row, above: str, below: str) -> float:
    return median(a / b for a, b in zip(seconds[above], seconds[below], strict=True))


def _training(page: Page, records: Records) -> None:
    epyc, five, three = (
        records.json(f"benchmark-train{name}.json") for name in ("", "-xeon", "-xeon-keras")
    )
    page.settings("float32, on 2 cores of an AMD EPYC with AVX-512, medians")
    page.says("An epoch of {:,} images, batch {}", epyc["images"], 64)
    page.says("AVX-512, medians of {} rounds ([record](results/bench", epyc["rounds"])
    names = {
        "hand_written": "hand-written: DataLoader without workers, PIL, per-image transforms, "
        "NCHW, default Adam",
        "keras_fit": "Keras `fit` on arrays",
        "keras_ours": "ours in Keras: sampling, checks, log, checkpoints",
        "bare": "the kernels of ours with no bookkeeping at all",
        "ours": "ours: sampling, checks, log, checkpoints, start-up",
    }
    for loop, name in names.items():
        one = median(epyc["seconds"][loop])
        page.row(name, f"{one:.1f} s", f"{epyc['images'] / one:,.0f}")
    link = "](results/benchmark-train-xeon"
    for record, machine, in_keras in (
        (epyc, f"AMD EPYC, {epyc['rounds']} rounds", True),
        (five, f"Intel Xeon, [{five['rounds']} rounds{link}.json)", False),
        (three, f"Intel Xeon, [{three['rounds']} rounds{link}-keras.json)", True),
    ):
        seconds = record["seconds"]
        # The ratio to the bare kernels is of steps in turn, not of epochs: the record has it.
        page.row(
            machine,
            f"{_paired(seconds, 'hand_written', 'ours'):.2f} times",
            f"{100 * (record['median_ratio_ours_to_bare'] - 1):.1f} %",
            f"{_paired(seconds, 'keras_ours', 'keras_fit'):.2f}" if in_keras else "",
        )
    page.settings("On 2 cores of an AMD EPYC with AVX2, `train fast`")
    after = records.json("trials/start-without-compiler.json")["seconds"]["after"]
    page.says("that trains for two steps takes {:.1f} s", median(after))
    page.says("(median of {}, [trial", len(after))
    first = records.json("first-model/metrics.json")
    page.says("(at the end {:,} images of", first["final"]["training"]["n"])
    times = first["command_seconds"], first["training_seconds"]
    page.says("`train fast` takes {:.1f} s, {:.1f} s of them training", *times)


def _answering(page: Page, records: Records) -> None:
    slower = None
    for network, name in (
        ("`balanced`, Intel Xeon, AVX-512", "xeon-amx/infer"),
        ("`fast`, the same", "xeon-amx/infer-fast"),
        ("`photo`, AMD EPYC, AVX-512", "epyc-avx512/infer"),
        ("`fast`, AMD EPYC, AVX2", "epyc-avx2/infer"),
    ):
        forms = records.json(f"{name}.json")["forms"]
        torch, onnx, int8 = (_rate(forms[form]) for form in ("pytorch", "onnx", "int8"))
        page.row(
            f"{network} ([record](results/{name}.json))",
            f"{1000 * median(forms['onnx']['rounds']['single']):.2f} ms",
            f"{onnx:,.0f}",
            f"{onnx / torch:.2f}",
            f"{int8 / torch:.2f}",
        )
        slower = int8 < onnx
    if not slower:
        page.fault("int8 is not slower without VNNI")
    int8 = records.json("xeon-amx/infer.json")["forms"]["int8"]
    page.says("`balanced` has {:.2f} MB, a quarter", int8["bytes"] / 1e6)
    lost = int8["measured"]["float_accuracy"] - int8["measured"]["accuracy"]
    page.says("right {:.2f} points less often", 100 * lost)
    commands = records.json("epyc-avx512/commands.json")
    page.settings("s on 2 cores of an AMD EPYC with AVX-512 (median")
    page.says("(median of {}, [record](results/epyc-avx512", commands["rounds"])
    page.says("answers a photo in {:.2f} s", median(commands["commands"]["predict"]["seconds"]))


def _rate(form: Row) -> float:
    """Images a second, the median of the rounds with the batch of the highest one."""
    return max(median(values) for size, values in form["rounds"].items() if size != "single")


def _kept(page: Page, load: Row) -> None:
    """The table of connections that are kept open."""
    for count in (1, 8, 32):
        cells = []
        for picture in _PICTURES:
            ours, plain = (
                load["closed"][name][f"{picture}, {count} kept"] for name in load["closed"]
            )
            pairs = zip(*(one["rounds_answered_per_second"] for one in (ours, plain)), strict=True)
            cells += [
                f"{ours['outcomes']['200'] / ours['elapsed_seconds']:.0f}",
                f"{median([one / other for one, other in pairs]):.2f}",
            ]
        page.row(str(count), *cells)


def _serving(page: Page, load: Row) -> None:
    """Rates by the time that a phase took, not by the time that was planned for it."""
    page.settings(
        "on 2 cores of an AMD EPYC with AVX2 that the clients",
        "| connections, kept open | 28 pixels, a second | times the plain handler | JPEGs of 800",
        "what it answers on 8 new connections, 99 % of answers come within",
        "ms (28 pixels)",
        "rest away with 503. In these seconds none was lost",
    )
    _kept(page, load)
    rounds = load["closed"]["ours"]["28 pixels, 8 kept"]["rounds_answered_per_second"]
    page.says("(medians of {} rounds, [record](results/epyc-avx2", len(rounds))
    page.says(
        "come within {:.0f} ms (28 pixels) and {:.0f} ms (JPEGs)",
        *(median(load["open"][f"{picture}, 0.8 times"]["rounds_p99_ms"]) for picture in _PICTURES),
    )
    over = load["open"]["800 pixels, 10 times"]
    page.says("When {:,.0f} JPEGs a second are sent", over["offered_per_second"])
    page.says("it answers {:.0f} a", over["outcomes"]["200"] / over["elapsed_seconds"])
    page.says("takes {:.0f} MB with its decoders", over["megabytes"][1])
    if set(over["outcomes"]) != {"200", "503", "lost"} or over["outcomes"]["lost"]:
        page.fault("pictures are lost")
