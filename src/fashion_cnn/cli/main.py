"""The command line: parse, call, and turn what went wrong into a line and an exit code."""

import os
import sys
from collections.abc import Sequence

import click

from fashion_cnn.cli.benchmark import benchmark
from fashion_cnn.cli.compare import compare
from fashion_cnn.cli.data import data
from fashion_cnn.cli.doctor import doctor
from fashion_cnn.cli.evaluate import evaluate
from fashion_cnn.cli.export import export
from fashion_cnn.cli.network import network
from fashion_cnn.cli.output import Group, say
from fashion_cnn.cli.predict import predict
from fashion_cnn.cli.recipes import recipes
from fashion_cnn.cli.report import report
from fashion_cnn.cli.serve import serve
from fashion_cnn.cli.study import study
from fashion_cnn.cli.track import track
from fashion_cnn.cli.train import train
from fashion_cnn.cli.tune import tune
from fashion_cnn.errors import OUT_OF_ROOM, FashionCNNError
from fashion_cnn.version import __version__

_AS_WIDE_AS_THE_TERMINAL = 1000  # columns; click takes fewer where there are

_NO_MEMORY = ("allocate memory", "failed to map segment", "CUDA error: out of memory")
"""What PyTorch, and the loader of shared libraries, say when there is none left."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 done, 1 bug, 2 usage, 3 data, 4 some inputs bad, 5 diverged, 6 no usable
        checkpoint, 7 out of disk or memory, 128 + n stopped by signal n.
    """
    out = sys.stdout
    try:
        code = _group.main(
            list(arguments) if arguments is not None else None,
            prog_name="fashion-cnn",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "fashion-cnn"
        return _fail(f"{' '.join(error.format_message().split())} (see: {command} --help)", 2)
    except FashionCNNError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        # Imported here: reading metadata takes a while.
        from fashion_cnn.dependencies import extra_with, install_command, libraries

        if not libraries():  # a clone that is not installed
            words = "and this clone is not installed; for all of its hints: pip install -e ."
            return _fail(f"this needs {error.name}, {words}", 2)
        extra = extra_with((error.name or "").split(".")[0])
        if extra is None:
            raise
        return _fail(
            f"this needs {error.name}, which is not installed: {install_command(extra)}", 2
        )
    except (BrokenPipeError, SystemExit) as stop:
        if isinstance(stop, SystemExit) and sys.stdout is out:
            return _fail("the network's own code ended the program (SystemExit)", 2)
        # The reader of our output has gone: nothing is left to say. Of its own output click makes
        # the other error of it, and puts something in the stream's place.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + 13
    except Exception as error:
        if (told := _of_the_machine(error)) is None:
            raise
        return _fail(*told)


def _of_the_machine(error: Exception) -> tuple[str, int] | None:
    """What to say, and the exit code, where the machine lacks something; None of a bug."""
    smaller = "training takes less with a smaller --batch-size"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in OUT_OF_ROOM:
            again = "fix that, then run the same command again (train: with --resume)"
            return f"{where}{error.strerror}; {again}", 7
        if error.filename or "temporary directory" in str(error):  # no place is writable
            return f"{where}{error.strerror or error}", 2
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return f"out of GPU memory; {smaller}", 7
    if (
        isinstance(error, MemoryError)
        or kind == "ResourceExhaustedError"  # TensorFlow's, of either memory
        or (
            isinstance(error, ImportError | OSError | RuntimeError)
            and any(words in str(error) for words in _NO_MEMORY)
        )
    ):
        return f"out of memory; {smaller}", 7
    return None


def _fail(message: str, code: int) -> int:
    say(f"fashion-cnn: {message}".replace("\n", "\\n"))  # a name may hold line ends
    return code


_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": _AS_WIDE_AS_THE_TERMINAL}


@click.group("fashion-cnn", cls=Group, context_settings=_HELP)
@click.version_option(__version__)
def _group() -> None:
    """Train, understand and ship a Fashion-MNIST classifier."""


for _command in (
    train, evaluate, report, compare, study, tune, track, recipes, network, data, doctor,
    benchmark, export, predict, serve,
):  # fmt: skip
    _group.add_command(_command)
