"""`fashion-cnn`, which is `python -m fashion_cnn`."""

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code. Args: those of the process if None."""
    for name in ("stdout", "stderr"):  # closed by the caller (>&-): what is said goes nowhere
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # or a letter that it lacks would end the command
        sys.stdout.reconfigure(errors="backslashreplace")
    raising = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C among imports: no traceback
    try:
        from fashion_cnn.cli import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fashion_cnn"):
            raise
        print(f"this needs {error.name}: pip install -r requirements.txt", file=sys.stderr)
        sys.exit(2)
    from fashion_cnn.process import launch

    signal.signal(signal.SIGINT, raising)
    launch.runs_a_command = True
    code = main(arguments)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what cannot be written at the end of the process would make its code 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if launch.ranks() > 1:
        # A thread of Gloo's that still wants the interpreter while it is being taken down aborts
        # the process (pytorch/pytorch, pull request 179291), after all is written.
        os._exit(code)
    gc.freeze()  # or Python would search all of PyTorch for garbage now; the system frees it anyway
    sys.exit(code)


def run_script(about: str | None, command: list[str], output: str) -> None:
    """Run a training command for a script that takes its flags and has a run folder of its own.

    Args:
        about: what --help says first: the script's docstring (None under python -OO).
        command: the command's words, before those given to the script.
        output: the folder where none is given.
    """
    given = sys.argv[1:]
    if any(word.partition("=")[0] == "--framework" for word in given):
        print(
            "this script is for one framework; there is one for each: see docs/keras.md",
            file=sys.stderr,
        )
        sys.exit(2)
    if "--help" in given or "-h" in given:
        print(f"{about or ''}\nIts run folder is {output}/; else it is this command:\n")
    if not any(word.startswith(("--output", "--name")) for word in given):
        command = [*command, "--output", output]
    run([*command, *given])


if __name__ == "__main__":
    run()
