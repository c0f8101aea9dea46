"""The Python face: the commands as functions.

Whatever the command line takes as words may be a string or a path here. A setting that is a flag
there, `--learning-rate` or `--threads`, is an argument here, `learning_rate` or `threads`; so is
one that an error names by its flag.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fashion_cnn import job
from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.forms.labelled import images_in
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError
from fashion_cnn.evaluation import compare as comparing
from fashion_cnn.evaluation.calibration import Answer, Calibration
from fashion_cnn.files import from_here
from fashion_cnn.frameworks import Hardware, hardware_as_before, open_framework
from fashion_cnn.recipes.fields import check_folder_name, nearest
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.summary import summarise
from fashion_cnn.run import folder
from fashion_cnn.run.dataset import check_same_data, class_names_of, data_of, images_of
from fashion_cnn.run.results import Metrics
from fashion_cnn.text import aligned, to_utf8
from fashion_cnn.training.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fashion_cnn.studies.study import Study

RunLike = str | os.PathLike[str] | folder.Run
"""A run, or its folder."""

_SAY = Progress().say

_FLAGS = {
    "resume": 'existing="resume"',
    "overwrite": 'existing="overwrite"',
    "no_test": "test=False",
    "data_dir": "data=",
}
"""Flags of `fashion-cnn train` that are other words here."""

_CARD = "--b:#1f77b4;--miss:#d95f02;--ink:#222;--paper:#fff;--soft:#ccc;--rule:#ddd"


class Run(folder.Run):
    """A run on disk, and what can be asked of it.

    A notebook shows it as a card. `history` has a row for each epoch, so that
    `pandas.DataFrame(run.history)` is a table of them.

    Attributes:
        path: its folder.
        recipe: what it was trained by.
        history: one `EpochRecord` an epoch.
        checkpoints, results: what is in the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Args: path: its folder; made absolute, so that a later `chdir` does not matter."""
        super().__init__(Path(path).absolute())

    @classmethod
    def open(cls, path: RunLike, *, model: Any = None, trust_code: bool = False) -> Self:
        """Open a run, or the folder of one.

        Args:
            path: the run or the folder.
            model: of a network of your own, the class, function or "FILE.py:NAME" that makes it.
            trust_code: run the copy of its code that the run keeps.

        Raises:
            UsageError: there is no run; or `model` is not what was trained.
        """
        if isinstance(path, folder.Run):
            path = path.path
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"run is {path!r:.60}; it must be a run or the folder of one")
        run = super().open(path)
        run.allow_network(model, trust_code=trust_code)
        return run

    @property
    def metrics(self) -> Metrics:
        """What `metrics.json` holds. Raises `UsageError` before the run was evaluated."""
        return self.results.metrics

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the labels."""
        return class_names_of(self)

    def classifier(self, checkpoint: str | None = None, **hardware: Any) -> "RunClassifier":
        """Rebuild its network with what it learned, in the framework that trained it.

        Args:
            checkpoint: "best", "final" or "step-XXXXXXXX"; None for the one that answers.
            hardware: `device` ("cpu" without), `threads`, `deterministic`, `framework`.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
            UsageError: an unknown word, or a framework that is not installed.
        """
        if checkpoint is not None and not isinstance(checkpoint, str):
            raise UsageError(f"checkpoint is {checkpoint!r:.60}; it must be a name")
        wanted = _hardware({"device": "cpu", **hardware}, only=True)
        with open_framework(hardware_as_before(wanted, self)) as framework:
            opened = framework.open_classifier(self, checkpoint)
        found, calibration = self.results.calibration, None
        name = checkpoint or self.answering
        if found is not None and (
            found["sha256"] == self.checkpoints.sha256(name)
            if found.get("sha256")
            else found["checkpoint"] == name  # calibrated before the file was noted
        ):
            calibration = Calibration.from_dict(found)
        return RunClassifier(opened, calibration, self.class_names)

    def validation(self, data: Any = None) -> Split:
        """The images that the run was validated on and never trained on.

        Args: data: as in `train`; None for the run's own data, in the folder that it recorded.

        Raises:
            DataError: the run was trained on other data.
        """
        data_set = DataSet.open(_directory(data, run=self))
        check_same_data(self, data_set)
        return data_set.divided(self.recipe).validation

    def figures(self) -> dict[str, "Figure"]:
        """Its plots as matplotlib figures, by name: "loss", "accuracy", "confusion_matrix" and
        "confusion_matrix_normalized", "reliability".
        """
        from fashion_cnn.reporting import plots

        return plots.figures(self, self.metrics)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __str__(self) -> str:
        """As `fashion-cnn evaluate` prints it."""
        return summarise(self, self.metrics) if self.results.exist() else repr(self)

    def _repr_html_(self) -> str:
        """The card: the table, and the curves."""
        head = (
            f"<b>{escape(self.recipe.name)}</b> in <code>{escape(str(from_here(self.path)))}</code>"
        )
        if not self.results.exist():
            return f"<p>{head}, not evaluated yet</p>"
        from fashion_cnn.reporting.charts import charts

        drawn = charts(self, self.metrics)
        curves = "".join(
            f'<div style="width:48%;min-width:18em">{drawn[name]}</div>'
            for name in ("loss", "accuracy")
            if name in drawn
        )
        return (
            f'<div style="{_CARD}"><p>{head}</p><pre>{escape(str(self).strip())}</pre>'
            f'<div style="display:flex;flex-wrap:wrap;gap:2%">{curves}</div></div>'
        )


class Found(dict[str, Any]):
    """What a study or a search found, key by key; printed, or in a notebook, its tables."""

    def __init__(self, values: Mapping[str, Any], tables: str) -> None:
        """Args: tables: in Markdown."""
        super().__init__(values)
        self._tables = tables

    def __repr__(self) -> str:
        return aligned(self._tables)


@dataclass(frozen=True)
class Answers(Answer):
    """What a calibrated classifier says of N images; see `Answer`.

    Attributes:
        class_names: of the columns.
    """

    class_names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The name of the most probable class of each image."""
        return [self.class_names[place] for place in self.predicted]


class RunClassifier:
    """A run's network: images in, answers out.

    Attributes:
        class_names: in the order of the columns.
    """

    def __init__(
        self, classifier: Classifier, calibration: Calibration | None, names: tuple[str, ...]
    ) -> None:
        """Args: classifier: of the run; calibration: of that checkpoint, if it was fitted."""
        self._classifier = classifier
        self._calibration = calibration
        self.class_names = names

    @property
    def network(self) -> Any:
        """The network itself, in evaluation mode: of a network of your own what your code makes,
        a `torch.nn.Module` or `keras.Model` that takes normalised images; else one that takes uint8
        (N, 28, 28). Changing it changes what this classifier answers.
        """
        return self._classifier.network  # type: ignore[attr-defined]

    def logits(self, images: Any) -> NDArray[np.float32]:
        """Score images, as `predict` takes them: float32 (N, C); see `Classifier.logits`."""
        return self._classifier.logits(_pixels(images))

    def features(self, images: Any) -> NDArray[np.float32]:
        """What the last layer sees of images, as `predict` takes them: float32 (N, F).

        Raises:
            UsageError: the network does not end in a fully connected layer.
        """
        return self._classifier.features(_pixels(images))  # type: ignore[attr-defined]

    def predict(self, images: Any) -> Answers:
        """Answer for images by calibrated probabilities.

        Args: images: uint8 (N, 28, 28), or an array or tensor of another type or layout as
            `fashion_cnn.predict` takes it, but no photos.

        Returns:
            `.labels` (names), `.predicted` (N,), `.probabilities` (N, C), `.sets` (N, C) of the
            classes that each may be, `.confidence`, and `.accepted` (N,), by the middle one of the
            rates that `reject` of `fashion_cnn.predict` takes.

        Raises:
            UsageError: wrong images; or no calibration, which an evaluation fits, is there for
                this checkpoint.
        """
        if self._calibration is None:
            raise UsageError(
                "this checkpoint has no calibration; evaluate the run and use the checkpoint of "
                "its report (classifier() without a name), or call logits()"
            )
        answer = self._calibration.answer(self.logits(images))
        return Answers(**vars(answer), class_names=self.class_names)


class Comparison(comparing.Comparison):
    """How runs differ. Printed, or in a notebook, it shows the tables of `fashion-cnn compare`."""

    def __str__(self) -> str:
        from fashion_cnn.reporting.comparison import comparison_text

        return aligned(comparison_text(self))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        from fashion_cnn.reporting.comparison import comparison_markdown

        return comparison_markdown(self)

    def page(self, output: str | os.PathLike[str] = "compare.html", *, data: Any = None) -> Path:
        """Write one page that needs nothing but itself, for 2 to 60 runs.

        It shows images; if of the test set, this opens the test set, which is counted in each run.

        Args:
            output: the file.
            data: as in `train`; None for the run's own data, in the folder that it recorded.

        Raises:
            UsageError: more than 60 runs; or `output` is no path, or has no folder.
            DataError: the data are missing or not those of the runs.
        """
        from fashion_cnn.files import check_place, write_atomically
        from fashion_cnn.reporting.comparison_page import comparison_page, members

        _check_path("output", output)
        check_place(Path(output))
        runs = [run for run, _ in members(self)]
        purpose = "pictures of a comparison; nothing is measured"
        data_set = DataSet.open(_directory(data, run=runs[0]))
        html = comparison_page(self, images_of(runs, data_set, self.split, purpose))
        write_atomically(Path(output), to_utf8(html))
        return Path(output)

    def figure(self) -> "Figure":
        """The accuracies with their intervals, and each class's recall: a matplotlib figure."""
        from fashion_cnn.reporting.comparison import draw

        return draw(self)


def train(
    recipe: str | os.PathLike[str] | Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    class_names: Sequence[str] | None = None,
    existing: job.Existing = "refuse",
    minutes: float | None = None,
    **settings: Any,
) -> Run:
    """Train a recipe, as `fashion-cnn train` does, and write every result into a run folder.

    Ctrl+C, or interrupting the kernel, ends training after the step under way; the run that comes
    back is saved and evaluated, and `existing="resume"` continues it.

    >>> run = train("fast", "runs/mine", epochs=4, threads=2)  # doctest: +SKIP
    >>> run.metrics.shown.accuracy  # doctest: +SKIP
    0.923

    Args:
        recipe: a name ("fast"), a file of fields (.json, .toml) or a `Recipe`; None for
            "baseline", or for the resumed run's own.
        output: the run folder; None for runs/RECIPE.
        data: the folder of a data set; or arrays, `(images, labels)`, of any usual type and layout,
            square, or a data set of another library whose items are (image, label), which become
            one in runs/data/; two of these, or {"train": …, "test": …}, to test on the second. None
            for Fashion-MNIST, which is found or fetched.
        class_names: in the order of the labels; None for those that the data tell.
        existing: what becomes of a run that is in `output` already: "refuse", "resume" it exactly,
            or "overwrite" it.
        minutes: end after about this time, evaluation included: sets the recipe's `epochs` by the
            speed measured first, and `train_images` where that does not come out even.
        settings: fields of the recipe (`epochs=4`); `model` may also be a class or function of
            your own that makes a network. Besides, `device`, `threads`, `deterministic` and
            `framework`; `test=False` leaves the test set sealed; `trust_code=True` runs the
            copy of such a network's code that the run keeps; `name="mine"` is the folder runs/mine.

    Raises:
        UsageError: an unknown argument or invalid value, or `output` already holds files.
        DataError: the data are missing or are not what they should be.
        ModelError: the weights to start from, or the teacher, are missing or damaged.
        CheckpointError: there is no usable checkpoint to resume from.
        DivergedError: the loss stayed non-finite.
    """
    if existing not in ("refuse", "resume", "overwrite"):
        raise UsageError(f"existing is {existing!r}; it must be refuse, resume or overwrite")
    _check_path("output", output)
    if minutes is not None and (existing == "resume" or "epochs" in settings):
        raise UsageError(
            "minutes sets the number of epochs; it cannot be used with epochs or existing='resume'"
        )
    for flag, here in _FLAGS.items():
        if flag in settings:
            raise UsageError(f"in Python it is {here}, not {flag}=")
    if (name := settings.pop("name", None)) is not None:
        if output is not None:
            raise UsageError(f"name={name!r} means runs/{name}, and output is given; give one")
        check_folder_name("name", str(name))
        output = Path("runs", str(name))
    settings = {field: _plain(value) for field, value in settings.items()}
    hardware, test = _hardware(settings), settings.pop("test", True)
    trust_code = bool(settings.pop("trust_code", False))
    place = None if output is None else Path(output)
    resolved, place, existing = job.resolve(recipe, settings, place, existing, trust_code)
    run = folder.Run(place)
    goes_on = existing == "resume" and run.exists()
    directory = _directory(data, class_names, run if goes_on else None)
    if minutes is not None:
        from fashion_cnn.pace import fit_to_minutes

        resolved, hardware = fit_to_minutes(minutes, resolved, directory, hardware, test=bool(test))
    outcome = job.train(
        resolved,
        place,
        data_dir=directory,
        hardware=hardware,
        existing=existing,
        test=bool(test),
    )
    return Run(outcome.run.path)


def evaluate(run: RunLike, *, data: Any = None, tta: bool = False, **hardware: Any) -> Run:
    """Evaluate the best and the final checkpoint of a run again.

    This opens the test set, which is counted; also that of a run trained with `test=False`.

    >>> print(evaluate("runs/mine", tta=True))  # doctest: +SKIP

    Args:
        run: a run or its folder.
        data: as in `train`; None for the run's own data, in the folder that it recorded.
        tta: also measure test-time augmentation: the mean over each image and its mirror image.
        hardware: `device`, `threads`, `deterministic`, `framework`; what is not given stays as in
            training.

    Returns:
        The run, with its results written anew.

    Raises:
        UsageError: there is no run, or an unknown argument or invalid value.
        DataError: the data are missing or not those of the run.
        CheckpointError: there is no checkpoint, or the newest one is damaged.
    """
    opened = Run.open(run)
    directory = _directory(data, run=opened)
    job.evaluate(opened, data_dir=directory, hardware=_hardware(hardware, only=True), tta=tta)
    return Run(opened.path)


def open_classifier(run: RunLike, checkpoint: str | None = None, **hardware: Any) -> RunClassifier:
    """Rebuild the network of a run; see `Run.classifier`.

    >>> open_classifier("runs/mine", "final").logits(images).shape  # doctest: +SKIP
    (100, 10)
    """
    return Run.open(run).classifier(checkpoint, **hardware)


def compare(*runs: RunLike) -> Comparison:
    """Tell whether runs differ from the first by more than chance, from their folders alone.

    >>> print(compare("runs/baseline", "runs/fast"))  # doctest: +SKIP

    Returns:
        The differences with their 95 % intervals; `print` it, or draw its `figure()`.

    Raises:
        UsageError: fewer than two runs, or they were not evaluated on the same images.
    """
    return Comparison(**vars(comparing.compare([Run.open(run) for run in runs])))


def export(
    run: RunLike | list[RunLike] | tuple[RunLike, ...],
    output: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    int8: bool = False,
    tta: bool = False,
) -> Path:
    """Write a run's model as one ONNX file, proven to answer all test images as the run does.

    >>> export("runs/mine")  # doctest: +SKIP
    PosixPath('runs/mine/model.onnx')
    >>> export(["runs/a", "runs/b", "runs/c"], "ensemble.onnx")  # doctest: +SKIP
    PosixPath('ensemble.onnx')

    Args:
        run: evaluated; several become an ensemble, which answers with the mean of their
            calibrated probabilities.
        output: a FILE.onnx; None for model.onnx in the folder of the run.
        data: as in `train`; None for the run's own data, in the folder that it recorded.
        int8: also a quantised variant beside it, with its own accuracy; of one run without `tta`.
        tta: test-time augmentation, the mean over each image and its mirror image.

    Returns:
        The file; what was compared and measured is in the JSON file beside it.

    Raises:
        ExportError: the file does not answer as the runs do; none is left.
        UsageError: a run was not evaluated; the runs do not fit together; or several or `tta` lack
            an `output`, or this has no folder.
    """
    from fashion_cnn.shipping.ensemble import export_runs

    _check_path("output", output)
    several = [*run] if isinstance(run, list | tuple) else [run]
    runs, file = [Run.open(one) for one in several], None if output is None else Path(output)
    if not runs:
        raise UsageError("there is no run to export")
    directory = _directory(data, run=runs[0])
    files, _ = export_runs(runs, directory, output=file, int8=int8, tta=tta)
    return files.model


def report(
    run: RunLike,
    output: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    show: Collection[str] = (),
    framework: str | None = None,
) -> Path:
    """Make one page of a run that needs nothing but itself.

    >>> report("runs/mine")  # doctest: +SKIP
    PosixPath('runs/mine/report.html')

    Args:
        run: evaluated.
        output: the file; None for report.html in the run folder.
        data: as in `train`; None for the run's own data, in the folder that it recorded.
        show: parts for which the network runs again, any of these. "heat-maps": occlusion heat
            maps of the images shown. "map": a t-SNE map of the last layer's features, with the
            nearest training images of each image. "layers": the feature maps of some images.
        framework: the framework that computes these, "pytorch" or "keras"; None for the run's own.

    Raises:
        UsageError: the run was not evaluated, or its files were altered; or there is no such thing
            to show, or a framework that computes nothing; or `output` has no folder.
        ExportError: the network's layers cannot be looked into.
        DataError: the data are missing or not those of the run.
    """
    from fashion_cnn.files import check_place
    from fashion_cnn.reporting import report as reporting

    _check_path("output", output)
    place = None if output is None else Path(output)
    if place:
        check_place(place)
    reporting.check_show(show)
    if framework and not show:
        raise UsageError(f"framework is {framework!r}, but nothing that it computes is to be shown")
    opened, classifier, look = Run.open(run), None, None
    if show:
        hardware = hardware_as_before(Hardware("cpu", framework=framework), opened)
        with open_framework(hardware) as computes:
            classifier = computes.open_classifier(opened)
            if "layers" in show:
                from fashion_cnn.shipping.export import look_into

                look = look_into(opened, computes)
        opened.check_results()
    # A record shows no images, so that its data need not be here.
    directory = Path() if opened.is_record else _directory(data, run=opened)
    return reporting.report(opened, directory, place, classifier=classifier, show=show, look=look)


def study(
    study: "str | os.PathLike[str] | Mapping[str, Any] | Study",
    output: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    threads: int | None = None,
    jobs: int = 1,
    trust_code: bool = False,
) -> Found:
    """Train variants of recipes with several seeds each; go on where it stopped.

    >>> found = study({  # doctest: +SKIP
    ...     "recipe": "fast", "seeds": [0, 1, 2], "measure": "validation",
    ...     "variants": {"fast": {}, "flipped": {"flip": True}, "baseline": {"recipe": "baseline"}},
    ... })
    >>> pandas.DataFrame(found["runs"])  # doctest: +SKIP

    Args:
        study: the name of one that comes with the package, a TOML or JSON file, or its tables.
        output: the folder; None for runs/studies/NAME.
        data: as in `train`.
        threads: CPU threads of each run; None for as many as `train` takes.
        jobs: how many runs train at the same time, >= 1.
        trust_code: run the networks of somebody's own that a file names.

    Returns:
        What study.json holds: under "runs" a row for each run. It shows itself as its tables.

    Raises:
        UsageError: there is no such study, or the folder holds another; or it is a file that names
            code, which nobody trusts.
        DataError: the data are missing or are not what they should be.
        FashionCNNError: a training failed.
    """
    from fashion_cnn.files import write_atomically
    from fashion_cnn.reporting.plots import differences_plot
    from fashion_cnn.reporting.study import to_tables
    from fashion_cnn.run.dataset import data_words
    from fashion_cnn.studies.study import open_study, run_study

    _check_path("output", output)
    chosen = open_study(study, trust_code=trust_code)
    place = Path(output) if output else Path("runs", "studies", chosen.name)
    directory = None
    try:
        directory = _directory(data)
        known = DataSet.open(directory).contents.sha256
    except DataError:
        if data is not None or not (place / "study.json").exists():
            raise
        known = None  # the study may be done; a training that is not says what it lacks
    words = data_words(directory, known, named=data is not None) if directory else []
    words += [] if threads is None else ["--threads", str(threads)]
    result = run_study(chosen, place, words, _SAY, jobs, known)
    tables = to_tables(result)
    write_atomically(place / "study.md", to_utf8(f"{tables}\n"))
    if len(chosen.variants) > 1:
        write_atomically(place / "differences.png", differences_plot(result))
    _SAY(f"every run and its command: {place}/study.json; the tables, study.md; a plot beside it")
    return Found(result, tables)


def tune(
    recipe: str | os.PathLike[str] | Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    search: Mapping[str, str | Sequence[Any]],
    trials: int = 40,
    data: Any = None,
    **settings: Any,
) -> Found:
    """Search for the values with which a recipe does best on validation images.

    >>> found = tune("fast", trials=20,  # doctest: +SKIP
    ...              search={"learning_rate": "1e-3:1e-1:log", "batch_size": [125, 250, 500]})

    Args:
        recipe: as in `train`, but its `name` must be one of the catalogue's; None for "baseline".
        output: the folder; None for runs/searches/RECIPE. A search in it is continued.
        search: by field "LOW:HIGH", "LOW:HIGH:log", "LOW:HIGH:STEP", or a list of values.
        trials: how many the search has in the end, pruned ones included.
        data: as in `train`.
        settings: fields of the recipe (`model` by name or as "FILE.py:NAME": trials are processes
            of their own); `device`, `threads`, `deterministic`, `framework`; `objective`
            ("accuracy", "loss"), `sampler` ("tpe", "random"), `pruner` ("median", "hyperband",
            "none"), `storage` (a database's URL), `name` (of the search).

    Returns:
        What search.json holds: the trials, and the best one. It shows itself as a table.

    Raises:
        UsageError: an unknown argument or invalid value, or the folder holds another search.
    """
    from fashion_cnn.tuning.space import typed

    if not isinstance(search, Mapping):
        raise UsageError(f"search is {search!r:.60}; it must give each field its values")
    words = []
    for field, values in search.items():
        if not isinstance(values, Iterable):
            raise UsageError(f"search has {field}={values!r:.60}; it must be text or a list")
        words.append(
            f"{field}={values if isinstance(values, str) else ','.join(map(typed, values))}"
        )
    return carry_out_search(recipe, output, words, data, {**settings, "trials": trials})[0]


def carry_out_search(
    recipe: str | os.PathLike[str] | Recipe | None,
    output: str | os.PathLike[str] | None,
    search: Sequence[str],
    data: Any,
    settings: dict[str, Any],
) -> tuple[Found, int | None]:
    """As `tune`, with each field's values in a word, "FIELD=…", and all settings in a mapping.

    Returns:
        What search.json holds, and the signal that stopped the search, or None.
    """
    from fashion_cnn.reporting.search import to_text
    from fashion_cnn.run.dataset import data_words
    from fashion_cnn.tuning.search import carry_out
    from fashion_cnn.tuning.space import CHOICES, Search, begun_from, parse_space

    _check_path("output", output)
    settings = {field: _plain(value) for field, value in settings.items()}
    hardware = _hardware(settings)
    how: dict[str, Any] = {"storage": "", "name": ""}
    for word in (*how, "trials", *CHOICES):
        if word in settings:
            how[word] = settings.pop(word)
    if isinstance(settings.get("model"), str):
        from fashion_cnn.recipes import own_network

        settings |= own_network.given(settings["model"], settings.get("model_sha256", ""))
    chosen, given = begun_from("baseline" if recipe is None else recipe, settings)
    space, directory = parse_space(search, chosen, given), _directory(data)
    data_sha256 = DataSet.open(directory).contents.sha256
    storage, name = how.pop("storage"), how.pop("name")
    place = Path(output) if output else Path("runs", "searches", name or chosen.name)
    wanted = Search(
        name=name or (chosen.name if storage else place.resolve().name),
        recipe=chosen,
        given=given,
        space=space,
        framework=hardware.framework,
        data_sha256=data_sha256,
        **how,
    )
    passed = data_words(directory, data_sha256, named=data is not None) + hardware.words
    result, signal = carry_out(wanted, place, storage, passed, _SAY)
    return Found(result, to_text(result)), signal


def load_training(data: Any = None) -> Split:
    """Open the training images: a `Split` of `.images`, `.labels` and `.class_names`.

    The test set is for `evaluate` alone. To divide them as a recipe does: `divide`, or
    `run.validation()`.

    >>> len(load_training())  # doctest: +SKIP
    60000

    Args: data: as in `train`.

    Raises:
        DataError: the data are missing or are not what they should be.
    """
    return DataSet.open(_directory(data)).training()


def _directory(
    data: Any, class_names: Sequence[str] | None = None, run: folder.Run | None = None
) -> Path:
    """The folder of what a caller names as data, or of what a run was trained on."""
    if isinstance(data, str | os.PathLike):
        return data_directory(Path(data), _SAY)
    if data is not None:
        from fashion_cnn.data.arrays import write_arrays

        return write_arrays(data, class_names, _SAY)
    return data_of(run, None, _SAY) if run else data_directory(None, _SAY)


def _hardware(words: dict[str, Any], *, only: bool = False) -> Hardware:
    """Take what computes out of words; `UsageError` for others, if these are the `only` ones."""
    known = list(Hardware.__dataclass_fields__)
    found = Hardware(**{name: words.pop(name) for name in known if name in words})
    for name in words if only else ():
        raise UsageError(f"there is no {name!r}{nearest(name, known)}; it takes {', '.join(known)}")
    return found


def _plain(value: Any) -> Any:
    """A setting as recipes have it: paths and runs as text, NumPy's numbers and lists as tuples."""
    if isinstance(value, folder.Run):
        return str(value.path)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _pixels(images: Any) -> NDArray[np.uint8]:
    """Images of any usual layout as uint8 (N, 28, 28)."""
    try:
        array = np.asarray(images)
    except (RuntimeError, TypeError, ValueError) as error:  # ragged, or a tensor to be detached
        raise UsageError(f"images are no array: {error}") from None
    found = images_in(array)
    if found is None:
        raise UsageError(
            f"images are {array.dtype} {array.shape}; a classifier takes (N, 28, 28) (for photos: "
            "export the run, and fashion_cnn.predict)"
        )
    return found


def _check_path(name: str, path: Any) -> None:
    given = isinstance(path, str | os.PathLike) and "\0" not in str(path)  # no name may hold that
    if path is not None and not given:
        raise UsageError(f"{name} is {path!r:.60}; it must be a path")
