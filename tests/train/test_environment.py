"""What a run notes of the machine it is trained on."""

import json
from pathlib import Path

import torch

from coterie.train import environment


def test_a_line_a_start(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(environment, "get_processor_name", lambda: "a processor")
    environment.append_environment(
        tmp_path / "environment.jsonl", step=0, device=torch.device("cpu")
    )
    environment.append_environment(
        tmp_path / "environment.jsonl", step=7, device=torch.device("cpu")
    )
    first, second = map(json.loads, (tmp_path / "environment.jsonl").read_text().splitlines())
    assert (first["step"], second["step"]) == (0, 7)
    assert first["machine"].startswith("a processor, ")
    assert first["threads"] == torch.get_num_threads()
    assert f"torch {torch.__version__}" in first["versions"]
