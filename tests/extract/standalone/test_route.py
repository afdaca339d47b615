"""The program that is copied beside an extracted router, by hand and in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from coterie.extract.standalone.route import PromptRouter

PROCESS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from route import PromptRouter
router = PromptRouter(sys.argv[1])
mean = router.embed(sys.argv[2], [0, 2])
print(json.dumps([mean.tolist(), {k: v.item() for k, v in router(mean)["a"].items()}]))
assert "coterie" not in sys.modules and "transformers" not in sys.modules
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    group = {
        "modules": ["a", "b"], "adapters": ["expert-1", "expert-2", "shared"], "k": 1,
        "over_all": True, "temperature": 1.0, "shared": "complement", "exponent": 1,
    }  # fmt: skip
    constant = {"modules": ["c"], "adapters": ["expert-1"], "weights": [1.0]}
    settings = {"norm": False, "embedding": "embed_tokens.weight", "embedding_scale": 2.0}
    settings |= {"groups": [group, constant]}
    (tmp_path / "router.json").write_text(json.dumps(settings))
    weights = {"0.weight": torch.tensor([[1.0, 0.0], [0.0, 0.0]])}
    save_file(weights, tmp_path / "router.safetensors")
    table = torch.tensor([[0.5, 1.0], [9.0, 9.0], [1.5, 3.0]])
    (tmp_path / "base").mkdir()
    save_file({"model.embed_tokens.weight": table}, tmp_path / "base" / "model.safetensors")
    return tmp_path


def test_by_hand(folder: Path) -> None:
    router = PromptRouter(folder)
    # Tokens 0 and 2: the mean of [0.5, 1] and [1.5, 3] is [1, 2], times 2.
    assert router.embed(folder / "base", [0, 2]).tolist() == [[2.0, 4.0]]
    found = router(torch.tensor([[2.0, 4.0], [-2.0, 4.0]]))
    # Logits 2 and 0: the softmax is 1 / (1 + e^-2) = 0.881, and the rest is the shared expert's.
    assert found["a"]["expert-1"].tolist() == pytest.approx([0.8808, 0.0], abs=1e-4)
    assert found["b"]["expert-2"].tolist() == pytest.approx([0.0, 0.8808], abs=1e-4)
    assert found["a"]["shared"].tolist() == pytest.approx([0.1192, 0.1192], abs=1e-4)
    assert found["c"]["expert-1"].tolist() == [1.0, 1.0]
    with pytest.raises(FileNotFoundError, match=r"no \*embed_tokens\.weight"):
        router.embed(folder, [0])


def test_without_coterie(folder: Path) -> None:
    from coterie.extract.standalone import route

    (folder / "route.py").write_text(Path(str(route.__file__)).read_text())
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(folder), str(folder / "base")],
        capture_output=True, text=True, env={"PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mean, weights = json.loads(done.stdout)
    assert mean == [[2.0, 4.0]] and weights["expert-1"] == pytest.approx(0.8808, abs=1e-4)
