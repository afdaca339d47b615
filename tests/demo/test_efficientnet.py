import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coterie_demo.efficientnet import convert


def test_the_same_tensors_under_the_same_names(tmp_path: Path) -> None:
    wanted = {"_conv_stem.weight": torch.randn(2, 3), "_bn0.num_batches_tracked": torch.tensor(7)}
    torch.save(wanted, tmp_path / "m.pth")
    convert(tmp_path / "m.pth", tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=0)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "coterie_efficientnet_lite"
    assert config["padding"] == "same"


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"x": print}, tmp_path / "m.pth")
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        convert(tmp_path / "m.pth", tmp_path)
