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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 done, 1 bug, 2 usage, 3 data, 4 some inputs bad, 5 diverged, 6 no usable
        checkpoint, 7 out of disk or memory, 128 + n stopped by signal n.
    """
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
        from fashion_cnn.dependencies import extra_with, install_command

        extra = extra_with((error.name or "").split(".")[0])
        if extra is None:
            raise
        return _fail(
            f"this needs {error.name}, which is not installed: {install_command(extra)}", 2
        )
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + 13
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in OUT_OF_ROOM:
            again = "fix that, then run the same command again (train: with --resume)"
            return _fail(f"{where}{error.strerror}; {again}", 7)
        if error.filename:
            return _fail(f"{where}{error.strerror}", 2)
        raise
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return _fail("out of memory; training takes less with a smaller --batch-size", 7)
        if type(error).__name__ == "OutOfMemoryError":
            return _fail("out of GPU memory; training takes less with a smaller --batch-size", 7)
        raise


def _fail(message: str, code: int) -> int:
    say(f"fashion-cnn: {message}")
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
