"""Token-routed mixtures as Mixtral and Qwen2-MoE: equal outputs, or the reason why not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from coterie import Copies, Lora, Mixture, TaskGate, TokenGate, TopP
from coterie.extract import extract
from tests.extract.copies_models import ATTENTION, COPIES, grafted
from tests.tiny import TINY

ALL = replace(COPIES, router=replace(COPIES.router, normalize="all"))
SHARED = replace(COPIES, shared=Copies(count=2, divisor=2, init="zero"), experts=Copies(count=3))
EVEN = r"(model\.)?layers\.0\.mlp"


@pytest.mark.parametrize(
    ("mixtures", "family", "kind"),
    [
        ((COPIES,), "llama", "MixtralForCausalLM"),
        ((COPIES, ATTENTION), "llama", "MixtralForCausalLM"),
        ((replace(COPIES, router=replace(COPIES.router, temperature=0.5)),), "llama", "Mixtral"),
        ((replace(COPIES, experts=Copies(count=3, trained="lora")),), "llama", "Mixtral"),
        ((ALL,), "llama", "Qwen2MoeForCausalLM"),
        ((COPIES,), "qwen2", "Qwen2MoeForCausalLM"),
        ((SHARED,), "llama", "Qwen2MoeForCausalLM"),
        ((replace(SHARED, shared=Copies(count=1)),), "llama", "Qwen2MoeForCausalLM"),
        ((replace(COPIES, at=EVEN),), "llama", "Qwen2MoeForCausalLM"),
    ],
)
def test_answers_are_equal(
    mixtures: tuple[Mixture, ...], family: str, kind: str, tmp_path: Path
) -> None:
    model = grafted(mixtures, family)
    folder = extract(model, task="any", to=tmp_path / "x", format="native")
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["class"].startswith(kind) and report["probe_error"] < 1e-5
    plain = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert type(plain).__module__.startswith("transformers.models.m") or "qwen2_moe" in str(
        type(plain)
    )
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    with torch.no_grad():
        wanted = model(input_ids=ids).logits
        torch.testing.assert_close(plain(input_ids=ids).logits, wanted, atol=1e-5, rtol=0)


def test_a_gate_for_each_task(tmp_path: Path) -> None:
    model = grafted((replace(COPIES, gate=TaskGate(init_std=0.5)),), tasks=("a", "b"))
    ids = torch.tensor([[5, 6, 7, 8]])
    for number, task in enumerate(("a", "b")):
        folder = extract(model, task=task, to=tmp_path / task, format="native")
        plain = AutoModelForCausalLM.from_pretrained(folder).eval()
        with torch.no_grad():
            wanted = model(input_ids=ids, task_ids=torch.tensor([number])).logits
            torch.testing.assert_close(plain(input_ids=ids).logits, wanted, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="the adapter's tasks are a, b"):
        extract(model, task="c", to=tmp_path / "c", format="native")


def test_names_on_disk_are_those_that_others_read(tmp_path: Path) -> None:
    from safetensors import safe_open

    folder = extract(grafted(), task="any", to=tmp_path / "x", format="native", dtype="bfloat16")
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
        shape = file.get_slice("model.layers.0.block_sparse_moe.experts.2.w1.weight").get_shape()
    assert "model.layers.1.block_sparse_moe.gate.weight" in names and shape == [64, 32]
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["MixtralForCausalLM"] and config["dtype"] == "bfloat16"
    assert (config["num_local_experts"], config["num_experts_per_tok"]) == (3, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gate": TokenGate(bias=True)}, "a gate with a bias"),
        ({"router": TopP(p=0.5)}, "a TopP router"),
        ({"router": replace(COPIES.router, epsilon=0.1)}, r"TopK\(epsilon=\)"),
        ({"router": replace(COPIES.router, normalize="none")}, "normalize='none'"),
        ({"weight_exponent": 2}, "squared weights"),
        ({"shared": Copies(count=1), "blend": "complement"}, "blend='complement'"),
        (
            {"experts": Lora(ranks=(2, 2)), "at": "text.mlp"},
            "Lora experts, .* cannot be merged",
        ),
    ],
)
def test_refused_with_the_reason(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    model = grafted((replace(COPIES, **changes),))
    with pytest.raises(ValueError, match=said):
        extract(model, task="any", to=tmp_path / "x", format="native")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("family", ["llava", "idefics3", "internvl"])
def test_the_language_model_inside_a_model_with_images(family: str, tmp_path: Path) -> None:
    model, tiny = grafted(family=family), TINY[family]()
    folder = extract(model, task="any", to=tmp_path / "x", format="native", probe=tiny.batch)
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["class"] == type(tiny.model).__name__ and report["probe_error"] < 1e-5
    extract(model, task="any", to=tmp_path / "y", format="native")  # random tokens of text


def test_hosts_that_no_native_class_extends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="that of a Gemma3ForConditionalGeneration is 'gemma3"):
        extract(grafted(family="gemma3"), task="any", to=tmp_path / "x", format="native")
    with pytest.raises(ValueError, match="there are none: use format='adapter' or 'merged'"):
        extract(grafted((ATTENTION,)), task="any", to=tmp_path / "x", format="native")
    tower = replace(COPIES, at="vision.mlp")
    with pytest.raises(ValueError, match="has Copies of what is no MLP of a language model"):
        extract(grafted((tower,), "llava"), task="any", to=tmp_path / "x", format="native")
