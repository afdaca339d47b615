"""A pruned task answers bit for bit as the whole model does, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, TaskGate, TokenGate, TopK, TopP
from coterie.extract import extract
from coterie.extract.pruned import restrict_to_experts
from coterie.extract.pruning import PruningOptions, prune, select_remaining_experts
from coterie.models.pruned_vision.modeling import PrunedVisionModel
from coterie.routing.usage import select_task
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from tests.extract.dense import GATE, NAMES, alone, grafted, mixtures
from tests.tasks.dense.tiny import model, pictures

UNUSED = PruningOptions(threshold=0.0)
ALWAYS = TaskGate(noisy=True, noise_in_evaluation=True)
FAMILIES = ("vit", "dinov2", "siglip", "clip")


def said(small: PrunedVisionModel) -> torch.Tensor:
    with torch.no_grad():
        return small(pixel_values=pictures()).predictions[small.task]


# Each family and each task once; `make test-slow` has the others.
@pytest.mark.parametrize(
    ("family", "task"),
    [
        pytest.param(
            family, task, marks=() if family == "vit" or task == "scene" else pytest.mark.slow
        )
        for family in FAMILIES
        for task in ("depth", "normal", "scene")
    ],
)
def test_bit_equal_where_only_unused_experts_go(family: str, task: str, tmp_path: Path) -> None:
    whole = grafted(family)
    probe = {"pixel_values": pictures()}
    folder = extract(
        whole, task=task, to=tmp_path / task, format="pruned", probe=probe, pruning=UNUSED
    )
    small = AutoModel.from_pretrained(folder).eval()
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert isinstance(small, PrunedVisionModel) and small.task == task
    # Something went, or the test would show nothing.
    assert sum(map(len, report["kept"].values())) < 2 * (6 + 8)
    assert torch.equal(said(small), alone(whole, task))
    assert report["probe_error"] == report["changed_by_pruning"] == report["weight_error"] == 0


@pytest.mark.parametrize(
    "router",
    [{"normalize": "selected"}, {"epsilon": 1e-4}, {"normalize": "none"}, {"temperature": 2.0}],
)
def test_routers_of_all_kinds(router: dict) -> None:
    whole = grafted(found=mixtures(**router))
    use = select_task(measure_usage_by_task(whole, [pictures()]), "normal")
    small = prune(whole, task="normal", use=use, pruning=UNUSED)
    assert torch.equal(said(small), alone(whole, "normal"))


def test_dropped_experts_give_way_to_the_next_best() -> None:
    whole = grafted()
    use = select_task(measure_usage_by_task(whole, [pictures()]), "scene")
    stay = select_remaining_experts(whole, use, 0.5, "default")
    small = prune(whole, task="scene", use=use, pruning=PruningOptions(threshold=0.5))
    assert not torch.equal(said(small), alone(whole, "scene"))
    with restrict_to_experts(whole, "default", stay):
        assert torch.equal(said(small), alone(whole, "scene"))


def test_without_the_gate_s_rows_weights_grow(tmp_path: Path) -> None:
    whole = grafted()
    probe = {"pixel_values": pictures()}
    pruning = PruningOptions(threshold=0.0, exact=False)
    to = tmp_path / "x"
    extract(whole, task="depth", to=to, format="pruned", probe=probe, pruning=pruning)
    report = json.loads((to / "coterie_extract.json").read_text())
    assert report["changed_by_pruning"] > 1e-3 and report["probe_error"] == 0
    # Rows of the gate: as many as experts.
    weights, name = AutoModel.from_pretrained(to).state_dict(), "backbone.layers.1.mlp"
    assert weights[f"vision.{name}.gate.weight"].shape == (1, len(report["kept"][name]), 32)


def test_what_is_in_the_file(tmp_path: Path) -> None:
    whole = grafted()
    chosen = {"attention": [1.0] * 2 + [0.0] * 4, "mlp": [0.0, 0.0, 0.0, 1.0] * 2}
    use = {
        f"backbone.layers.{layer}.{part}": {"chosen": shares}
        for layer in range(2)
        for part, shares in chosen.items()
    }
    folder = extract(whole, task="normal", to=tmp_path / "x", format="pruned", use=use)
    weights = AutoModel.from_pretrained(folder).state_dict()
    before, mlp = whole.get_base_model().state_dict(), "backbone.layers.0.mlp"
    stack = before[f"{mlp}.coterie_experts.default.fc1__weight"]
    assert torch.equal(weights[f"vision.{mlp}.experts.fc1__weight"], stack[[3, 7]])
    gate = before[f"{mlp}.coterie_gate.default.weight"]
    assert torch.equal(weights[f"vision.{mlp}.gate.weight"], gate[1:2])
    assert torch.equal(weights["vision.embeddings.32"], before["embeddings.32"][1:2])
    assert torch.equal(weights["vision.heads.0.linear.weight"], before["heads.1.linear.weight"])
    # Nothing else is in the file: no other head, no module that was replaced.
    assert len(load_file(folder / "model.safetensors")) == len(weights)
    assert not any("heads.1" in name or "heads.2" in name for name in weights)
    assert not any("base_layer" in name or ".fc1.weight" in name for name in weights)
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert report["kept"][mlp] == [3, 7]
    assert report["parameters"] == sum(weight.numel() for weight in weights.values())


def test_a_pruned_model_can_be_tuned() -> None:
    whole = grafted()
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    small = prune(whole, task="depth", use=use).train()
    small(pixel_values=pictures()).predictions["depth"].square().mean().backward()
    gates = [each for name, each in small.named_parameters() if name.endswith("gate.weight")]
    assert len(gates) == 4 and all(each.grad is not None and each.grad.any() for each in gates)
    assert all(each.grad is None for each in whole.parameters())


def test_modules_saved_whole_and_an_always_on_expert() -> None:
    mixture = Mixture(at="vision.mlp", experts=Copies(count=6), gate=GATE, router=TopK(k=1),
                      shared=Copies(count=1))  # fmt: skip
    host = grafted(found=(mixture,)).unload()
    saved = ["heads.1"]
    whole = coterie.graft(host, mixture, tasks=host.config.names, modules_to_save=saved).eval()
    with torch.no_grad():
        for name, weight in whole.named_parameters():
            if "modules_to_save" in name or "coterie_experts" in name:
                weight.normal_(0, 0.2)
    use = select_task(measure_usage_by_task(whole, [pictures()]), "normal")
    small = prune(whole, task="normal", use=use, pruning=UNUSED)
    torch.testing.assert_close(said(small), alone(whole, "normal"))


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (Mixture(at="vision.mlp", experts=Lora(), gate=GATE), "need the host's weights"),
        (Mixture(at="vision.mlp", experts=Copies(trained="lora"), gate=GATE), "host's weights"),
        (Mixture(at="vision.attn", experts=AttentionHeads(), gate=GATE), "need the host's weights"),
        (Mixture(at="vision.mlp", experts=Copies(), gate=TokenGate()), "has a TokenGate"),
        (Mixture(at="vision.mlp", experts=Copies(), gate=GATE, router=TopP()), "a TopP router"),
        (
            Mixture(at="vision.mlp", experts=Copies(), gate=ALWAYS),
            "a gate with noise in evaluation",
        ),
    ],
)
def test_mixtures_that_do_not_fit(mixture: Mixture, message: str, tmp_path: Path) -> None:
    whole = grafted(found=(mixture,))
    with pytest.raises(ValueError, match=message):
        extract(whole, task="depth", to=tmp_path / "x", format="pruned")
    assert not any(tmp_path.iterdir())


def test_calls_that_do_not_fit(tmp_path: Path) -> None:
    from tests.extract.grafted import grafted as language_model

    whole, to = grafted(), tmp_path / "x"
    with pytest.raises(ValueError, match="give a run, or use="):
        extract(whole, task="depth", to=to, format="pruned")
    with pytest.raises(ValueError, match="task='dept': the adapter's tasks are depth, normal"):
        extract(whole, task="dept", to=to, format="pruned")
    with pytest.raises(ValueError, match=r"use has 0 shares for backbone\.layers\.0\.attention"):
        extract(whole, task="depth", to=to, format="pruned", use={"other": {"chosen": [1.0]}})
    with pytest.raises(ValueError, match="this is a LlamaForCausalLM"):
        extract(language_model()[0], task="ocr", to=to, format="pruned")


def test_a_gate_that_reads_no_token() -> None:
    static = TaskGate(per_token=False, init_std=1.0)
    whole = grafted(found=tuple(replace(each, gate=static) for each in mixtures()))
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    small = prune(whole, task="depth", use=use)
    # Two of six and two of eight in each of two layers.
    assert [len(each["router"]["closed"]) for each in small.config.mixtures.values()] == [4, 6] * 2
    assert torch.equal(said(small), alone(whole, "depth"))


def test_gates_with_noise() -> None:
    noisy = TaskGate(init_std=1.0, noisy=True)
    whole = grafted(found=tuple(replace(each, gate=noisy) for each in mixtures()))
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    small = prune(whole, task="depth", use=use, pruning=UNUSED)
    assert torch.equal(said(small), alone(whole, "depth"))
    assert not torch.equal(said(small.train()), said(small))  # tuned, it draws noise again
    # Without closed experts: a row of logits and one of widths for each expert that stays.
    fewer = prune(whole, task="depth", use=use, pruning=PruningOptions(exact=False))
    gate = fewer.state_dict()["vision.backbone.layers.1.mlp.gate.weight"]
    stay = list(select_remaining_experts(whole, use, 0.03, "default")["backbone.layers.1.mlp"])
    before = whole.get_base_model().backbone.layers[1].mlp.coterie_gate["default"].weight
    assert torch.equal(gate[0], before[0, [*stay, *(8 + each for each in stay)]])


def test_experts_that_are_called_one_by_one() -> None:
    found = (Mixture(at="vision.mlp", experts=Copies(count=6, kernel="reference"), gate=GATE,
                     router=TopK(k=1)),)  # fmt: skip
    whole = grafted(found=found)
    with torch.no_grad():
        for name, weight in whole.named_parameters():
            if "coterie_experts" in name:
                weight.normal_(0, 0.2)
    use = select_task(measure_usage_by_task(whole, [pictures()]), "depth")
    small = prune(whole, task="depth", use=use, pruning=UNUSED)
    assert torch.equal(said(small), alone(whole, "depth"))


def test_a_host_in_bfloat16(tmp_path: Path) -> None:
    whole = coterie.graft(model().bfloat16(), mixtures(), tasks=NAMES).eval()
    probe = {"pixel_values": pictures().bfloat16()}
    folder = extract(whole, task="scene", to=tmp_path / "x", format="pruned", probe=probe)
    small = AutoModel.from_pretrained(folder)
    assert {each.dtype for each in small.parameters()} == {torch.bfloat16}
