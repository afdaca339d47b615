"""`coterie train` and `coterie evaluate` under torchrun and `accelerate launch`."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from coterie import read_tasks
from coterie.evaluate import evaluate
from coterie.evaluate.scores import Scores
from coterie.tasks.text.task_set import TextTasks
from coterie.train import Run, RunConfig, train_from_config
from tests.cli.test_dense_path import PICTURES
from tests.datasets.written import taskonomy
from tests.processes import launch
from tests.test_distributed import OPTIONS
from tests.test_distributed import recipe as vision
from tests.train import gallery, small

pytestmark = pytest.mark.slow


SPLITS = {"text": "validation", "vision": "test"}


def config(kind: str, folder: Path) -> RunConfig:
    """A run of the kind, whose data are in the folder or in one of their own."""
    if kind == "text":
        tasks: Any = TextTasks(tasks=small.tasks())
        options = {"batch_size": 4, "log_every": 1, "save_every": 2}
        return RunConfig(recipe=small.plain(steps=4), base=small.base(), tasks=tasks, **options)
    taskonomy(folder / "taskonomy", 6)
    (folder / "dense.yaml").write_text(PICTURES % "depth_zbuffer, normal, class_object")
    tasks = read_tasks(folder / "dense.yaml")
    options = OPTIONS | {"evaluate_every": None}  # it has no validation split
    return RunConfig(recipe=vision(), base=gallery.base(), tasks=tasks, **options)


@pytest.mark.parametrize("kind", ["text", "vision"])
@pytest.mark.parametrize(
    ("launcher", "sharding"),
    [("torchrun", "none"), ("torchrun", "fsdp"), ("accelerate", "none"),
     ("accelerate --use_fsdp", "fsdp")],
)  # fmt: skip
def test_losses_and_scores_are_those_of_one_process(
    launcher: str, kind: str, sharding: str, tmp_path: Path
) -> None:
    out, file = str(tmp_path / "two"), tmp_path / "config.json"
    wanted = config(kind, tmp_path)
    file.write_text(wanted.dumps())
    one = train_from_config(wanted, out=tmp_path / "one", progress=False)
    more = ("--sharding", sharding) if launcher == "torchrun" else ()
    called = launch(launcher, "train", str(file), "--out", out, "--device", "cpu", *more)
    assert called.returncode == 0, called.stderr
    assert called.stdout.count("next: coterie evaluate") == 1
    two = Run.read(out)
    assert two.config.sharding == sharding
    for mine, theirs in zip(one.read_log(), two.read_log(), strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=1e-5)
    shutil.copytree(out, tmp_path / "alone")
    options = ["--split", SPLITS[kind], "--batch-size", "2", "--device", "cpu"]
    called = launch(launcher, "evaluate", out, *options)
    assert called.returncode == 0, called.stderr
    assert called.stdout.count("| task |") == 1
    alone = evaluate(tmp_path / "alone", split=SPLITS[kind], batch_size=2)
    assert Scores.read(out).tasks == alone.tasks


def test_a_mistake_is_reported_once(tmp_path: Path) -> None:
    bad = tmp_path / "naming.jsonl"
    bad.write_text(json.dumps({"question": "what?"}) + "\n")
    tasks = TextTasks(
        tasks=(small.TextTask(name="naming", rows={"train": bad.name}, folder=str(tmp_path)),)
    )
    file = tmp_path / "config.json"
    file.write_text(RunConfig(recipe=small.plain(steps=1), base=small.base(), tasks=tasks).dumps())
    called = launch("torchrun", "train", str(file), "--out", str(tmp_path / "two"))
    said = [line for line in called.stderr.splitlines() if line.startswith("coterie:")]
    assert called.returncode == 1 and len(said) == 1 and "naming.jsonl" in called.stderr


KILLED = """
import os, pathlib, signal, sys, time

from coterie.train import RunConfig, checkpoint, train_from_config


def remove(stage):
    if os.environ["RANK"] == "1":
        return
    pathlib.Path(sys.argv[3]).write_text(str(time.time()))
    os.kill(os.getpid(), signal.SIGKILL)


checkpoint.remove_old = remove
train_from_config(RunConfig.read(sys.argv[1]), out=sys.argv[2], device="cpu")
"""


def test_a_killed_process_ends_the_run(tmp_path: Path) -> None:
    file, script = tmp_path / "config.json", tmp_path / "killed.py"
    file.write_text(config("text", tmp_path).dumps())
    script.write_text(KILLED)
    moment = tmp_path / "moment.txt"
    called = launch("torchrun", str(script), str(file), str(tmp_path / "two"), str(moment))
    assert called.returncode == 1 and time.time() - float(moment.read_text()) < 60
    assert "Signal 9 (SIGKILL) received" in called.stderr
