"""Each expert as a LoRA of its own, and the tasks' weights of them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coterie import Lora, Mixture, TaskGate, TokenGate
from coterie.extract import extract
from coterie.extract.adapters import find_common_scales, load, read_scales
from coterie.extract.merged import copy_without_mixtures
from tests.extract.grafted import TASKS, grafted, only


def test_folders_and_scales(tmp_path: Path) -> None:
    model, tiny = grafted()
    folder = extract(model, to=tmp_path / "x", format="adapters")
    names = ["expert-1", "expert-2", "expert-3", "shared"]
    assert sorted(each.name for each in folder.iterdir() if each.is_dir()) == names
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["task"] is None and report["adapters"] == names
    assert report["weight_error"] < 1e-6 and not report["one_scale_a_request"]
    # Ranks 2, 4, 8 and 3 of the MLP, and the 5 of the attention's one expert: multiples of 8.
    ranks = [json.loads((folder / name / "adapter_config.json").read_text())["r"] for name in names]
    assert ranks == [8, 8, 8, 8]
    attention = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    assert attention in load_file(folder / "expert-1" / "adapter_model.safetensors")
    assert attention not in load_file(folder / "expert-2" / "adapter_model.safetensors")
    # Top 2 of 3 experts: the weight of one is 0 at each module of the MLP.
    scales = read_scales(folder, "ocr")
    up = [scales[name]("model.layers.0.mlp.up_proj") for name in names[:3]]
    assert up.count(0.0) == 1
    for number, task in enumerate(TASKS):
        plain = load(copy_without_mixtures(model, "default"), folder, task)
        with torch.no_grad():
            wanted = model(**tiny.batch, task_ids=torch.full((2,), number)).logits
            torch.testing.assert_close(plain(**tiny.batch).logits, wanted, atol=1e-5, rtol=0)


def test_one_scale_for_all_modules(tmp_path: Path) -> None:
    model, tiny = only(Mixture(experts=Lora(ranks=(2, 4)), gate=TaskGate(per_token=False)))
    # At its start the gate's logits are 0, and the softmax over both experts gives 1/2 each.
    folder = extract(model, to=tmp_path / "x", format="adapters", task="ocr", probe=tiny.batch)
    found = json.loads((folder / "scales.json").read_text())
    half = {"expert-1": 0.5, "expert-2": 0.5}
    assert found["scales"] == {"caption": half, "ocr": half}
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["one_scale_a_request"] and report["probe_error"] < 1e-5


def test_common_scales() -> None:
    assert find_common_scales({"t": {"e": {"a": 0.5, "b": 0.5}}}) == {"t": {"e": 0.5}}
    assert find_common_scales({"t": {"e": {"a": 0.5, "b": 0.25}}}) is None
    assert find_common_scales({"t": {"e": {"a": 0.0, "b": 0.0}}}) == {"t": {"e": 0.0}}


def test_refused(tmp_path: Path) -> None:
    model, _ = only(Mixture(experts=Lora(ranks=(2, 4)), gate=TokenGate()))
    with pytest.raises(ValueError, match="a TokenGate, which reads the input"):
        extract(model, to=tmp_path / "x", format="adapters")
    with pytest.raises(ValueError, match="format='merged' is of one task: give task="):
        extract(model, to=tmp_path / "x", format="merged")


def test_verify_finds_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coterie.extract import adapters

    model, _ = grafted()
    write = adapters.write_scales

    def damage(file: Path, *args: object) -> None:
        write(file, *args)  # pyright: ignore[reportArgumentType]
        weights_file = file.parent / "expert-1" / "adapter_model.safetensors"
        weights = load_file(weights_file)
        save_file({name: each * 1.01 for name, each in weights.items()}, weights_file)

    monkeypatch.setattr(adapters, "write_scales", damage)
    with pytest.raises(RuntimeError, match="the loaded weights differ"):
        extract(model, to=tmp_path / "x", format="adapters")
    assert not any(tmp_path.iterdir())
