"""Where PyTorch computes, and what a reader must know to repeat the numbers."""

import ctypes
import os
import sys
from typing import Any

import torch

from fashion_cnn.errors import UsageError
from fashion_cnn.process import launch
from fashion_cnn.process.machine import cpu_name


def configure(device: str, threads: int | None, deterministic: bool) -> torch.device:
    """Choose the device and set the process up for it.

    Args:
        device: "auto" (cuda, else mps, else cpu), "cpu", "cuda" or "mps".
        threads: CPU threads of one operation; None for the cores that this process may use,
            shared with the other ranks on this machine.
        deterministic: refuse operations that PyTorch cannot repeat bit for bit. On the CPU the
            networks here use none, so it costs nothing there.

    Raises:
        UsageError: the device is not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    chosen = next(name for name in present if present[name]) if device == "auto" else device
    if not present[chosen]:
        there = ", ".join(name for name in present if present[name])
        raise UsageError(
            f"device {chosen!r} is not there; this machine has: {there} (--device cpu)"
        )
    torch.set_num_threads(launch.threads(threads))
    _keep_freed_memory()
    torch.set_flush_denormal(True)  # the moments of weights that died would crawl otherwise
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(deterministic)  # imports the compiler: a second
    return torch.device(chosen)


def seed_generator(device: torch.device, seed: int) -> None:
    """Seed the generator that dropout on `device` draws from.

    `torch.manual_seed` seeds those of all kinds of device, which takes longer every step.
    """
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def convolution_dtype(device: torch.device, precision: str) -> torch.dtype:
    """What convolutions compute in: bfloat16 if `precision` is "mixed" and it is fast here.

    It is where the hardware multiplies bfloat16: CPUs with AMX (Intel from 2023 on) or AVX512_BF16
    (AMD from 2022 on), Nvidia from Ampere on. Anywhere else "mixed" would be slower than float32,
    and is float32.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found = torch.cpu.get_capabilities()
        fast = device.type == "cpu" and any(map(found.get, ("amx_bf16", "avx512_bf16")))
    return torch.bfloat16 if precision == "mixed" and fast else torch.float32


def describe(device: torch.device) -> dict[str, Any]:
    """The versions, hardware and settings that numbers depend on, for `environment.json`."""
    timm = sys.modules.get("timm")  # imported where the network is one of its
    cpu = f"{cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"
    return {
        "framework": "pytorch",
        "torch": torch.__version__,
        **({"timm": timm.__version__} if timm else {}),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        "threads": torch.get_num_threads(),
        "ranks": launch.ranks(),
        "mixed_precision_is": str(convolution_dtype(device, "mixed")).removeprefix("torch."),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _keep_freed_memory() -> None:
    """Tell glibc not to hand freed blocks back to the kernel.

    A step frees and allocates the same few MB again and again. Depending on how the heap happens to
    lie, glibc returns them each time, and 1,600 page faults a step slow the baseline by a sixth.
    Source: mallopt(3); docs/log.md, 2026-11-23.
    """
    mmap_threshold, trim_threshold = -3, -1
    try:
        glibc = ctypes.CDLL("libc.so.6")
    except OSError:  # macOS, musl
        return
    glibc.mallopt(mmap_threshold, 1 << 29)
    glibc.mallopt(trim_threshold, 1 << 30)
