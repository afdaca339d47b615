"""The device that these tests run on: the best one of the machine, so the CPU where it is alone."""

from collections.abc import Iterator

import pytest
import torch

from coterie.devices import choose_device


@pytest.fixture
def device() -> Iterator[torch.device]:
    """The device, multiplying float32 in float32: cuDNN rounds inputs to TF32 by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield choose_device()
    torch.backends.cudnn.allow_tf32 = before
