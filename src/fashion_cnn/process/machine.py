"""What the operating system says of the machine that a run is on."""

import os
import platform

FRAMEWORKS = ("pytorch", "keras")
DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_THREADS = 1023  # OpenMP dies of very many


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads() -> int:
    """CPU threads where nobody asks for a number: that of $OMP_NUM_THREADS, else all cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(int(first), MOST_THREADS) if first.isdecimal() and int(first) else usable_cores()


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
