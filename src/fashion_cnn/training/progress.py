"""What a person sees while a run trains: a live bar on a terminal, in a notebook one line that
moves, else a line an epoch.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from fashion_cnn.process.machine import CoreTimes, busy_cores, usable_cores
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.text import duration, visible

_REFRESH_SECONDS = 0.2
_WINDOW_SECONDS, _WINDOW_STEPS = 1.0, 5  # that a speed is measured over
_SLOWER = 3  # times as long is worth a word
_SLOW_SECONDS = 5.0  # of it
_BESIDE = 73  # columns of the bar's line that its words take


class Progress:
    """Writes to standard error, in a notebook to the cell; harmless and silent with `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar = None
        self._line: _NotebookLine | None = None
        self._shown, self._speed = 0.0, Speed()
        self._epochs = self._steps_per_epoch = self._frozen_steps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._shrugging():
            if self._bar:
                self._bar.stop()

    def say(self, line: str) -> None:
        """Print one line, above the bar if there is one."""
        line = visible(line)
        with self._shrugging():
            if self._bar:
                self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
            elif not self._quiet:
                # A notebook paints standard error as if something were wrong.
                print(line, file=sys.stdout if in_notebook() else sys.stderr, flush=True)

    @contextmanager
    def _shrugging(self) -> Iterator[None]:
        """Go on in silence when nobody reads any more: `... | tee log` dies of Ctrl+C before us."""
        try:
            yield
        except OSError:
            self._quiet, self._bar = True, None

    def begin(self, epochs: int, steps_per_epoch: int, step: int, frozen_steps: int = 0) -> None:
        """Start at `step` of `epochs * steps_per_epoch`.

        Args: frozen_steps: the first ones, which train one layer alone; later ones take longer.
        """
        self._epochs, self._steps_per_epoch = epochs, steps_per_epoch
        self._frozen_steps = frozen_steps
        self._began, self._first = time.monotonic(), step
        if not self._quiet and in_notebook():
            self._line = _NotebookLine()
            return
        if self._quiet or not sys.stderr.isatty():
            return
        # Imported here: a run in a pipe or a test needs no terminal library.
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True)
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=max(8, min(24, console.width - _BESIDE))),
            progress.TaskProgressColumn(),
            progress.TextColumn("{task.fields[numbers]}"),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=console,
            auto_refresh=False,  # a refreshing thread would take turns with the training step
            speed_estimate_period=60,
        )
        self._task = self._bar.add_task("", total=epochs * steps_per_epoch, numbers="")
        self._bar.update(self._task, completed=step)
        self._bar.start()

    def step(self, step: int, loss: float, accuracy: float) -> None:
        """Show how far the epoch under way has come; `loss` and `accuracy` are its means so far."""
        now = time.monotonic()
        if step == self._frozen_steps:
            self._speed = Speed()
        elif why := self._speed.step(now):
            self.say(why)
        if not (self._bar or self._line) or now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        rate = (step - self._first) / max(now - self._began, 1e-9)
        epoch = min((step - 1) // self._steps_per_epoch + 1, self._epochs)
        numbers = f"{rate:.0f} steps/s  loss {loss:.3f}  accuracy {100 * accuracy:.1f} %"
        description = f"epoch {epoch}/{self._epochs}"
        if self._line:
            share = step / (self._epochs * self._steps_per_epoch)
            left = (self._epochs * self._steps_per_epoch - step) / max(rate, 1e-9)
            self._line.show(f"{description}  {share:.0%}  {numbers}  {left:.0f} s left")
            return
        with self._shrugging():
            assert self._bar
            self._bar.update(self._task, completed=step, description=description, numbers=numbers)
            self._bar.refresh()

    def epoch(self, record: EpochRecord, *, best: bool) -> None:
        """Print the line of a finished epoch; in a notebook it takes the place of the last one.

        Args: best: of the epochs so far it has the lowest validation loss.
        """
        self._speed.pause()
        with self._shrugging():
            if self._bar:  # also when nothing comes after it
                self._bar.update(self._task, completed=record.step)
                self._bar.refresh()
        show = self._line.show if self._line else self.say
        show(
            f"epoch {record.epoch:>{len(str(self._epochs))}}/{self._epochs}: "
            f"train {record.train_loss:.4f} {100 * record.train_accuracy:.1f} %, "
            f"validation loss {record.val_loss:.4f} {100 * record.val_accuracy:.2f} %, "
            f"{duration(record.seconds)}{' best' if best else ''}"
        )


def in_notebook() -> bool:
    """Whether a kernel runs this, in Jupyter or Colab, and not a terminal."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


class Speed:
    """Notices when steps take three times as long as they did, and says once what may be why."""

    def __init__(self) -> None:
        self._best, self._slow, self._told = 0.0, 0.0, False
        self._since: CoreTimes | None = None
        self._steps = 0

    def pause(self) -> None:
        """What comes until the next step, such as validation, is no step."""
        self._since = None

    def step(self, now: float) -> str | None:
        """Note that a step has ended, at `now` of `time.monotonic`; what to say, at most once."""
        if self._told:
            return None
        if self._since is None:
            self._since, self._steps = CoreTimes.now(), 0
            return None
        self._steps += 1
        seconds = now - self._since.at
        if seconds < _WINDOW_SECONDS or self._steps < _WINDOW_STEPS:
            return None
        rate, since = self._steps / seconds, self._since
        self._best, self._since = max(self._best, rate), None
        self._slow = self._slow + seconds if rate < self._best / _SLOWER else 0.0
        if self._slow < _SLOW_SECONDS:
            return None
        self._told = True
        busy, cores = busy_cores(since), usable_cores()
        why = (
            f"other work keeps {busy:.1f} of {cores} cores busy"
            if busy >= 0.5
            else "no other work is seen here: the processor may be slowed down or shared"
        )
        return (
            f"steps take {self._best / rate:.1f} times as long as before: {why}; Ctrl+C stops, "
            "and --resume goes on later, exactly"
        )


class _NotebookLine:
    """One line of a cell's output, written anew in its place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        """Put another text there."""
        from IPython.display import display  # type: ignore[import-not-found]  # a kernel has it

        if self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)
