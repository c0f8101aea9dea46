"""What the operating system says of the machine that a run is on."""

import os
import platform
import time
from dataclasses import dataclass

FRAMEWORKS = ("pytorch", "keras")
DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_THREADS = 1023  # OpenMP dies of very many
_LOOK_SECONDS = 0.2


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads() -> int:
    """CPU threads where nobody asks for a number: that of $OMP_NUM_THREADS, else all cores."""
    return threads_of_environment() or usable_cores()


def threads_of_environment() -> int | None:
    """The number in $OMP_NUM_THREADS, if it is one."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(int(first), MOST_THREADS) if first.isdecimal() and int(first) else None


@dataclass(frozen=True)
class CoreTimes:
    """How long the usable cores have computed until now, and this process on them; in seconds.

    Attributes:
        at: of `time.monotonic`.
        all: of everybody; None where the system does not tell.
        own: of this process and its children that have ended.
    """

    at: float
    all: float | None
    own: float

    @classmethod
    def now(cls) -> "CoreTimes":
        """Read them. Source: proc(5), /proc/stat."""
        own = os.times()
        return cls(time.monotonic(), _computed(), sum(own[:4]))


def busy_cores(since: CoreTimes) -> float:
    """How many of the usable cores others have kept busy, from 0.0 to `usable_cores()`.

    Args: since: at least 0.2 s ago, else what is left of those is waited for.
    """
    time.sleep(max(0.0, since.at + _LOOK_SECONDS - time.monotonic()))
    now = CoreTimes.now()
    if now.all is None or since.all is None:
        return 0.0
    others = (now.all - since.all) - (now.own - since.own)
    return min(max(others / (now.at - since.at), 0.0), float(usable_cores()))


def _computed() -> float | None:
    try:
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        with open("/proc/stat") as file:
            rows = [line.split() for line in file]
    except (OSError, AttributeError):  # not Linux
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already
    ticks = [sum(map(int, row[1:4] + row[6:9])) for row in rows if row and row[0] in cores]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def keep_products_on_one_thread() -> None:
    """Keep numpy, if it is not imported yet, from waking a thread a core for each matrix product.

    Those of a picture are so small that waking and waiting takes longer than the product itself.
    What the environment already says of it stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def cpu_name() -> str:
    """The processor's own name for itself."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def machine() -> dict[str, object]:
    """The cores and the operating system, for a record of times."""
    return {"cores": os.cpu_count(), "system": platform.platform()}
