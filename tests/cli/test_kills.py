"""awaker from the command line, killed in the middle of each of its stages: all families."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coterie.cli.main import main
from coterie.paths import get_cache_dir
from coterie.train import Run
from coterie.train.finished_stages import read_finished_stages
from coterie.train.trainer import MixtureTrainer
from tests.cli.folders import ten_rows, write_model
from tests.forks import forked, status
from tests.tinies.omni import omni_model, omni_processor
from tests.tiny import TINY

STEPS, KILLED_AT = (4, 6, 5), (2, 3, 3)
"""Of the three stages; and the step of each in which the process is killed."""


def train(base: str, out: Path, *more: str) -> int:
    """Run the command; returns its exit code."""
    return main((
        "train", "awaker", "--base", base, "--tasks", "data/tasks.yaml", "--out", str(out),
        "--steps", str(sum(STEPS)), "--batch-size", "4", "--device", "cpu", "--set", "rank=2",
        "--set", f"epochs={','.join(map(str, STEPS))}", "--set", "save_every=2",
        "--set", "log_every=1", *more,
    ))  # fmt: skip


def train_until_killed(base: str, out: Path, stage: int, *more: str) -> None:
    """Run the command, and die by SIGKILL in the middle of a stage."""
    compute_loss = MixtureTrainer.compute_loss

    def fatal(self: MixtureTrainer, *args: object, **kwargs: object) -> object:
        if (self.stage_context.number, self.state.global_step) == (stage, KILLED_AT[stage]):
            os.kill(os.getpid(), signal.SIGKILL)
        return compute_loss(self, *args, **kwargs)

    MixtureTrainer.compute_loss = fatal  # pyright: ignore[reportAttributeAccessIssue]  in a fork
    train(base, out, *more)


def tiny(folder: Path) -> str:
    processor = omni_processor()
    omni_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def embedded(folder: Path) -> str:
    if not (get_cache_dir() / "omni" / "config.json").is_file():
        pytest.skip("`coterie fetch` brings the embedded model")
    return "embedded"


def family(name: str, folder: Path) -> str:
    built = TINY[name]()
    if built.files is None:
        pytest.skip("reads text or pictures alone, or its processor needs torchvision")
    write_model(built, folder)
    return str(folder)


BASES = {"omni": tiny, "embedded": embedded} | {
    name: partial(family, name) for name in TINY if name != "omni"
}

UNGATED = {"blip_2"}
"""OPT's MLPs have no gate_proj, which Awaker's experts follow: it is refused."""


@pytest.mark.slow
@pytest.mark.parametrize("base_name", BASES)
def test_killed_in_each_stage_it_ends_with_the_same_bits(
    base_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = BASES[base_name](tmp_path / "model")
    ten_rows(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    if base_name in UNGATED:
        assert train(base, Path("none")) == 2
        assert "matches no module of blip-2" in capsys.readouterr().err
        return
    whole, cut = Path("whole"), Path("cut")
    assert train(base, whole) == 0
    for stage in range(len(STEPS)):
        more = ("--resume",) if stage else ()
        child = forked(lambda stage=stage, more=more: train_until_killed(base, cut, stage, *more))
        assert status(child) == -signal.SIGKILL
        assert len(read_finished_stages(Run.read(cut).directory)) == stage
    assert train(base, cut, "--resume") == 0
    first, second = (Run.read(folder).directory for folder in (whole, cut))
    done = read_finished_stages(first)
    assert [each.steps for each in done] == list(STEPS)
    for one, two in zip(done, read_finished_stages(second), strict=True):
        weights = [load_file(folder.folder / each.weights_folder / "adapter_model.safetensors")
                   for folder, each in ((first, one), (second, two))]  # fmt: skip
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    ends = [
        load_file(each.adapter_folder / "adapter_model.safetensors") for each in (first, second)
    ]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    # The last stage trains the experts and not the gates.
    before = load_file(first.folder / done[1].weights_folder / "adapter_model.safetensors")
    moved = {name for name, value in ends[0].items() if not torch.equal(value, before[name])}
    assert {name for name in ends[0] if "coterie_experts" in name} == moved
