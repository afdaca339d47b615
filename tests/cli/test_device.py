"""--device: every subcommand that runs a model asks for it first, and says which it is."""

import pytest

from coterie.cli.main import main

COMMANDS = [
    ("train", "rode", "--base", "nowhere", "--tasks", "nowhere.yaml", "--out", "runs/new"),
    ("evaluate", "nowhere"),
    ("diagnose", "nowhere", "--tasks", "nowhere.yaml"),
    ("extract", "nowhere", "--task", "first"),
    ("extract", "nowhere", "--task", "first", "--curve"),
    ("generate", "nowhere", "what?"),
    ("serve", "nowhere"),
]


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_device_that_is_not_there_is_an_error_of_one_line(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--device", "cuda:9"]) == 2
    assert capsys.readouterr().err == (
        "coterie: device='cuda:9' is not on this machine: give one of cpu\n"
    )


@pytest.mark.parametrize("arguments", COMMANDS)
def test_the_device_is_said_before_the_work_begins(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments]) == 2  # nothing is there to run
    assert capsys.readouterr().err.startswith("running on cpu\ncoterie: ")


def test_the_process_that_writes_files_says_it_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert main(["evaluate", "nowhere"]) == 2
    assert "running on" not in capsys.readouterr().err
