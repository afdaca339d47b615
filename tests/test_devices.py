"""The choice of a device among stand-ins: no test needs an accelerator."""

import pytest
import torch

from coterie import devices
from coterie.devices import choose_device, choose_precision, describe_device, list_devices

CPU = torch.device("cpu")
GPUS = (torch.device("cuda:0"), torch.device("cuda:1"))


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)


def test_accelerators_come_before_the_cpu(two_gpus: None) -> None:
    assert list_devices() == (*GPUS, CPU)
    assert choose_device() == GPUS[0]


def test_without_an_accelerator_the_cpu_is_chosen(no_gpu: None) -> None:
    assert list_devices() == (CPU,) and choose_device() == CPU


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ("cuda:1", GPUS[1]), (GPUS[1], GPUS[1]), ("cuda", GPUS[0]), ("cpu", CPU), ("cpu:0", CPU),
        ("meta", torch.device("meta")),
    ],
)  # fmt: skip
def test_a_device_is_chosen_by_its_name(
    given: str | torch.device, chosen: torch.device, two_gpus: None
) -> None:
    assert choose_device(given) == chosen


@pytest.mark.parametrize("given", ["cuda:2", "mps", "gpu", "cuda:x", "cpu:1"])
def test_another_device_is_an_error_that_names_all(given: str, two_gpus: None) -> None:
    with pytest.raises(ValueError) as caught:
        choose_device(given)
    assert str(caught.value) == (
        f"device='{given}' is not on this machine: give one of cuda:0, cuda:1, cpu"
    )


def test_each_process_of_torchrun_has_a_device_of_its_own(
    two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device() == choose_device("cuda") == GPUS[1]
    monkeypatch.setenv("LOCAL_RANK", "2")  # more processes than devices: shared
    assert choose_device() == GPUS[0]
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(("multiplies", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_precision_is_what_the_hardware_multiplies_in(
    multiplies: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_bf16_supported(*, including_emulation: bool) -> bool:
        return multiplies or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert choose_precision(GPUS[0]) == precision
    assert choose_precision(CPU) == choose_precision(torch.device("mps")) == "float32"


def test_a_gpu_is_described_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    assert describe_device(GPUS[1]) == "cuda:1 (Card 1)"
    assert describe_device(CPU) == "cpu"
    assert devices.describe_device(torch.device("meta")) == "meta"
