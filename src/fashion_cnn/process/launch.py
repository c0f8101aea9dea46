"""Which of several processes this is, as torchrun tells; started plainly it is the only one.

All but `ranks` raise `UsageError` where the environment has no number in place of torchrun's.
"""

import os

from fashion_cnn.errors import UsageError
from fashion_cnn.process.machine import usable_cores, usual_threads

runs_a_command = False
"""Whether this process runs one command of ours and ends, and is no session of somebody's."""


def rank() -> int:
    """This process's number, from 0; the first one alone writes."""
    return _number("RANK", 0) if _number("WORLD_SIZE", 1) > 1 else 0


def ranks() -> int:
    """How many processes train together; 1 where that is no number, which `rank` refuses."""
    try:
        return _number("WORLD_SIZE", 1)
    except UsageError:
        return 1


def local_rank() -> int:
    """This process's number on its machine, from 0."""
    return _number("LOCAL_RANK", 0)


def local_ranks() -> int:
    """How many of them share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def threads(asked: int | None) -> int:
    """CPU threads for this process: as many as asked for, or its share of this machine's cores.

    Alone it heeds $OMP_NUM_THREADS, which torchrun sets to 1 for several, whoever set it before.
    """
    if asked:
        return asked
    return usual_threads() if local_ranks() == 1 else max(1, usable_cores() // local_ranks())


def name() -> str:
    """Names this launch by torchrun, the same after a restart; "" where it is started plainly.

    On several machines that is only the id that torchrun was given: give it one (--rdzv-id).
    """
    given = os.environ.get("TORCHELASTIC_RUN_ID", "")
    alone = given and local_ranks() == ranks()
    return f"{given}, process {os.getppid()}" if alone else given


def program(count: int) -> list[str]:
    """The words before a command's name that start it as so many processes of one machine."""
    if count < 2:
        return ["fashion-cnn"]
    return ["torchrun", "--standalone", "--nproc-per-node", str(count), "-m", "fashion_cnn"]


def restarts() -> int:
    """How often torchrun has started them again, because one had failed."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def _number(variable: str, usual: int) -> int:
    """What torchrun has set, from `usual` on. Raises `UsageError` for anything else."""
    given = os.environ.get(variable, str(usual))
    if not (given.isascii() and given.isdigit() and usual <= int(given[:10]) < 10**9):
        raise UsageError(
            f"${variable} is {given!r:.40}; torchrun sets it to a number: without it, unset it"
        )
    return int(given)
