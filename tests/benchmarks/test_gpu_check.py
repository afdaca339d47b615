"""The check of a GPU machine: its steps, and what the result keeps of one that fails or hangs."""

import json
import sys
from pathlib import Path

from benchmarks.command import BENCHMARKS
from benchmarks.gpu_check import SYSTEMS, clear, list_steps, read_run, run


def test_steps(tmp_path: Path) -> None:
    here, there = (list_steps(tmp_path, on_gpu=each) for each in (False, True))
    trained = [f"{verb} {system}" for system in SYSTEMS for verb in ("train", "evaluate")]
    assert list(here) == list(there) == ["tests", *BENCHMARKS, *trained, "extract"]
    assert here["linear"][here["linear"].index("--scale") + 1] == "tiny"
    assert there["linear"][there["linear"].index("--scale") + 1] == "gpu"


def test_a_step_that_fails_and_one_that_hangs(tmp_path: Path) -> None:
    failed = run("bad", [sys.executable, "-c", "print('x' * 5000); exit(3)"], tmp_path, limit_s=60)
    assert failed.exit_code == 3 and failed.output == "x" * 3999 + "\n"
    hung = run("slow", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, limit_s=1)
    assert hung.exit_code is None and 1 <= hung.seconds < 30
    assert (tmp_path / "log.txt").read_text().startswith("\n== bad\nxxx")


def test_a_run_is_read_once_it_has_scores(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    (tmp_path / "environment.jsonl").write_text('{"device": "cuda:0 (Card)"}\n{"device": "cpu"}\n')
    (tmp_path / "scores.json").write_text(json.dumps({"tasks": {}}))
    wanted = {"environment": {"device": "cuda:0 (Card)"}, "scores": {"tasks": {}}}
    assert read_run(tmp_path) == wanted


def test_a_second_call_starts_anew(tmp_path: Path) -> None:
    clear(tmp_path)
    (tmp_path / "runs" / "dense").mkdir(parents=True)
    for name in ("log.txt", "gpu-check-cuda.json"):
        (tmp_path / name).write_text("")
    clear(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["gpu-check-cuda.json"]
