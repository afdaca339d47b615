"""The device that a model runs on, and the dtype that it multiplies in."""

import os
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def list_devices() -> tuple[torch.device, ...]:
    """List this machine's devices: its accelerators (CUDA, MPS, XPU ...) by index, then the CPU."""
    cpu = torch.device("cpu")
    if not torch.accelerator.is_available():
        return (cpu,)
    kind = torch.accelerator.current_accelerator()
    assert kind is not None
    count = torch.accelerator.device_count()
    return (*(torch.device(kind.type, index) for index in range(count)), cpu)


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to run a model on.

    Args:
        device: one of `list_devices`, or its type alone ("cuda"); or "meta", which computes
            nothing. None for an accelerator where there is one, else the CPU. Of several
            accelerators, that is the one of this process's LOCAL_RANK, which torchrun and
            `accelerate launch` set, else the first.

    Raises ValueError if the device is not on this machine.
    """
    present = list_devices()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if device is None:
        return present[local_rank % max(1, len(present) - 1)]
    try:
        wanted = torch.device(device)
    except RuntimeError:  # no such type
        wanted = None
    if wanted is not None:
        alike = [each for each in present if each.type == wanted.type]
        if wanted.index is None and alike:
            return alike[local_rank % len(alike)]
        if wanted.type == "meta" or wanted in present:
            return wanted
        if wanted == torch.device("cpu", 0):
            return torch.device("cpu")
    allowed = ", ".join(map(str, present))
    raise ValueError(f"device={str(device)!r} is not on this machine: give one of {allowed}")


def describe_device(device: torch.device) -> str:
    """Return a device with the name of its hardware, as in "cuda:0 (NVIDIA H100 80GB HBM3)"."""
    if device.type in ("cpu", "mps", "meta"):
        return device.type
    module = torch.get_device_module(device)
    return f"{device} ({module.get_device_name(device)})"


def choose_precision(device: torch.device) -> Precision:
    """Return "bfloat16" for an accelerator that multiplies in it, else "float32".

    CPUs get "float32": few multiply in bfloat16, and most emulate it more slowly.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "xpu" else "float32"
