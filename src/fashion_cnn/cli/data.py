"""`data …`: get, verify, look at and audit the data set; make one of photos, or adopt one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fashion_cnn.cli.audit import audit
from fashion_cnn.cli.options import FILE, PLACE, data_dir_option
from fashion_cnn.cli.output import Group, say, write
from fashion_cnn.commands import command
from fashion_cnn.errors import UsageError

if TYPE_CHECKING:
    from fashion_cnn.data.manifest import Contents


@click.group("data", cls=Group)
def data() -> None:
    """Get, verify, look at and audit the data set; import or adopt one of your own."""


@data.command("get")
@data_dir_option
def _get(data_dir: Path | None) -> None:
    """Find and verify Fashion-MNIST; download it, by default to ./data, if missing or damaged."""
    from fashion_cnn.data.fetch import get_data

    write(f"Fashion-MNIST, verified, is in {get_data(data_dir, say)}")


@data.command("verify")
@data_dir_option
def _verify(data_dir: Path | None) -> None:
    """Hash the four files; exit code 3 if one is missing or not what it should be."""
    from fashion_cnn.data import fashion_mnist

    directory = fashion_mnist.find_data(data_dir)
    if directory is None:
        raise fashion_mnist.nowhere()
    data_set = fashion_mnist.DataSet.open(directory)
    data_set.verify()
    for line in data_set.passed_over:
        say(line)
    write(f"{directory}: all four files are those of {data_set.contents.name}")


@data.command("show")
@data_dir_option
@click.option("--output", type=FILE, default="samples.png", help="PNG file  [samples.png]")
@click.option(
    "--columns", type=click.IntRange(1, 100), default=12, help="images of each class  [12]"
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, help="random seed of the choice  [0]"
)
def _show_samples(data_dir: Path | None, output: Path, columns: int, seed: int) -> None:
    """Draw a grid of training images, one row for each class, as PNG."""
    from fashion_cnn.data.fashion_mnist import DataSet
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.files import write_atomically
    from fashion_cnn.reporting.plots import sample_grid

    training = DataSet.open(data_directory(data_dir, say)).training()
    write_atomically(output, sample_grid(training, columns, seed))
    write(f"wrote {output}")


_FEW = 2000
"""Images: below, the recipes' batches are too large, and the images they validate on too few."""
_FRAMING = "how photos are fitted to 28x28: none, or BACKGROUND,EDGE,CENTRE as in white,28,box  "
_share_option = click.option(
    "--test-share",
    type=float,
    help="share of the images for the test set, if the source has none  [0.2]",
)
_seed_option = click.option(
    "--seed", type=click.IntRange(min=0), help="random seed of that share  [0]"
)


@data.command("import")
@click.argument("folder", type=PLACE)
@click.option("--output", type=PLACE, required=True, help="new folder")
@_share_option
@_seed_option
@click.option(
    "--framing",
    metavar="FRAMING",
    help=f"{_FRAMING}[Fashion-MNIST's; measured if all pictures are 28x28 and grey]",
)
def _import(
    folder: Path, output: Path, test_share: float | None, seed: int | None, framing: str | None
) -> int:
    """Make a data set of the photos in FOLDER, which has a folder for each class.

    It may also have train/CLASS and test/CLASS. A picture that cannot be used is named, and the
    rest is done: exit code 4. Photos are made to look like Fashion-MNIST; --framing changes that.
    """
    from fashion_cnn.data.framing import Framing
    from fashion_cnn.data.holding_out import Draw
    from fashion_cnn.data.importing import REPORT, import_folder

    wanted, draw = Framing.parse(framing) if framing else None, Draw(test_share, seed or 0)
    with click.progressbar(length=0, label="reading", file=sys.stderr, update_min_steps=100) as bar:

        def progress(total: int) -> None:
            bar.length = total
            bar.update(1)

        contents, pictures = import_folder(folder, output, draw, wanted, say, progress)
    for one in pictures:
        if one.bad:
            say(f"fashion-cnn: {one.file}: {one.note}")
    bad = sum(one.bad for one in pictures)
    write(
        f"{output}: {len(contents.class_names)} classes, {contents.count('train')} pictures to "
        f"train on and {contents.count('test')} to test on; each file's fate is in "
        f"{output / REPORT}"
    )
    _say_what_next(output, contents)
    if bad:
        say(f"fashion-cnn: left out, and named above: {bad:,}")
    return 4 if bad else 0


@data.command("adopt")
@click.argument("sources", type=PLACE, nargs=-1, required=True)
@click.option("--output", type=PLACE, help="new folder; needed for all but MNIST's four files")
@_share_option
@_seed_option
@click.option(
    "--transpose/--no-transpose", default=None, help="swap rows and columns  [EMNIST: on]"
)
@click.option(
    "--framing", metavar="FRAMING", help=f"{_FRAMING}[as recorded, or measured on the images]"
)
def _adopt(
    sources: tuple[Path, ...],
    output: Path | None,
    test_share: float | None,
    seed: int | None,
    transpose: bool | None,
    framing: str | None,
) -> None:
    """Use a data set of 28x28 images: MNIST's four files in place, other forms via --output.

    The other forms are CSV (a label and 784 pixels a row), numpy's .npz, Parquet, and the IDX files
    of EMNIST and QMNIST. SOURCES are the files, or their folder. Class names are the lines of its
    classes.txt; without it, the numbers.
    """
    from fashion_cnn.data.framing import Framing

    wanted = Framing.parse(framing) if framing else None
    if output is None:
        from fashion_cnn.data.adoption import adopt
        from fashion_cnn.data.files import entered

        changed = any(value is not None for value in (transpose, test_share, seed))
        if len(sources) != 1 or changed:
            raise UsageError(
                "only MNIST's four files in one folder can be adopted in place, neither transposed "
                "nor divided anew; name a new folder with --output"
            )
        folder = entered(sources[0])
        contents = adopt(folder, wanted, say)
    else:
        from fashion_cnn.data.conversion import convert
        from fashion_cnn.data.forms.find import files_in, read_forms
        from fashion_cnn.data.holding_out import Draw
        from fashion_cnn.data.writing import check_free

        folder, draw = output, Draw(test_share, seed or 0)
        check_free(output)
        size = sum(file.stat().st_size for source in sources for file in files_in(source))
        with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:
            found = read_forms(sources, transpose=transpose, progress=bar.update)
        contents = convert(found, output, draw, wanted, say)
    write(
        f"{folder}: {len(contents.class_names)} classes, {contents.count('train'):,} images to "
        f"train on and {contents.count('test'):,} to test on; recorded in {folder}/dataset.json"
    )
    _say_what_next(folder, contents)


def _say_what_next(folder: Path, contents: "Contents") -> None:
    how = contents.framing.describe()
    say(f"photos will be prepared like its images: {how} (--framing changes that)")
    images = contents.count("train")
    batch = min(16, max(1, images // 2))
    small = ["fast", "--epochs", 20, "--batch-size", batch, "--validation", 0.2]
    words = small if images < _FEW else []
    say(f"train on it with: {command('train', '--data-dir', folder, *words)}")


data.add_command(audit)
