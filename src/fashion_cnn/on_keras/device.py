"""Where Keras computes, and what a reader must know to repeat the numbers."""

import warnings
from typing import Any

import keras

from fashion_cnn.errors import UsageError
from fashion_cnn.process.machine import cpu_name, usable_cores, usual_threads


def configure(device: str, threads: int | None, deterministic: bool) -> str:
    """Set the process up for the backend; it computes on the device that the backend prefers.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads of one operation; None for the cores that this process may use, or
            for what the process began with.
        deterministic: refuse operations that the backend cannot repeat bit for bit.

    Returns:
        "cpu", "cuda" or "mps".

    Raises:
        UsageError: the device is not there.

    Warns: that TensorFlow, which can be set up once a process, runs with other threads already.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        present = _configure_tensorflow(device, threads, deterministic)
    else:
        import torch

        torch.set_num_threads(threads or usual_threads())
        torch.use_deterministic_algorithms(deterministic)
        present = keras.ops.zeros(()).device.type
    if device not in ("auto", present):
        raise UsageError(f"device {device!r} is not there; Keras on {backend} has: {present}")
    return present


def describe(device: str) -> dict[str, Any]:
    """The versions, hardware and settings that numbers depend on, for `environment.json`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf
        from tensorflow.python.framework.config import is_op_determinism_enabled

        threads = tf.config.threading.get_intra_op_parallelism_threads() or usable_cores()
        version, deterministic = tf.__version__, is_op_determinism_enabled()
    else:
        import torch

        threads, version = torch.get_num_threads(), torch.__version__
        deterministic = torch.are_deterministic_algorithms_enabled()
    return {
        "framework": "keras",
        "keras": keras.__version__,
        "backend": backend,
        backend: version,
        "device": device,
        "device_name": cpu_name() if device == "cpu" else device,
        "threads": threads,
        "deterministic": deterministic,
    }


def _configure_tensorflow(device: str, threads: int | None, deterministic: bool) -> str:
    import tensorflow as tf

    present = "cuda" if tf.config.list_physical_devices("GPU") else "cpu"
    if device == "cpu" and present == "cuda":
        tf.config.set_visible_devices([], "GPU")
        present = "cpu"
    now = tf.config.threading.get_intra_op_parallelism_threads()
    wanted = threads or (usual_threads() if not now and usual_threads() != usable_cores() else 0)
    if wanted and wanted != now:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(wanted)
            tf.config.threading.set_inter_op_parallelism_threads(wanted)
        except RuntimeError:
            if threads and threads != (now or usable_cores()):
                # No error: how many are free differs from one training to the next.
                warnings.warn(
                    f"TensorFlow runs in this process with {now or 'all'} threads and cannot "
                    f"change to {threads}; start another process for that",
                    stacklevel=2,
                )
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    return present
