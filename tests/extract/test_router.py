"""Instance gates on their own, beside their experts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from coterie import InstanceGate, Lora, Mixture, Rectified, Softmax, TokenGate, TopK, graft
from coterie.extract import extract
from tests.tiny import TINY

GATE = InstanceGate(tie="model", bias=True)
ONE = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), gate=GATE, router=TopK(k=1))
PLAIN = Mixture(at="text.attn", experts=Lora(ranks=(3,)), gate=None)


def grafted(mixtures: Sequence[Mixture] = (ONE,), family: str = "llama") -> PeftModel:
    """In eval mode, with weights of its own."""
    model = graft(TINY[family]().model, tuple(mixtures)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coterie_" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    return model


def test_files(tmp_path: Path) -> None:
    folder = extract(grafted(), to=tmp_path / "x", format="router")
    names = {"coterie_extract.json", "expert-1", "expert-2", "route.py", "router.json"}
    assert {file.name for file in folder.iterdir()} == {*names, "router.safetensors", "README.md"}
    report = json.loads((folder / "coterie_extract.json").read_text())
    assert (report["gates"], report["one_scale_a_request"]) == (1, True)
    assert report["router_error"] < 1e-5 and report["weight_error"] < 1e-6
    settings = json.loads((folder / "router.json").read_text())
    assert len(settings["groups"][0]["modules"]) == 6
    assert settings["embedding"] == "embed_tokens.weight"
    assert settings["embedding_scale"] == pytest.approx(1)


@pytest.mark.parametrize(
    "mixtures",
    [
        (replace(ONE, router=Softmax(temperature=0.5)),),
        (replace(ONE, router=TopK(k=2, normalize="selected")),),
        (replace(ONE, gate=InstanceGate(norm=False, tie="layer")), PLAIN),
        (replace(ONE, shared=Lora(ranks=(3,)), blend="complement", weight_exponent=2),),
        (replace(ONE, shared=Lora(ranks=(3,)), blend="add"), PLAIN),
    ],
)
def test_decisions_are_the_models(mixtures: tuple[Mixture, ...], tmp_path: Path) -> None:
    folder = extract(grafted(mixtures), to=tmp_path / "x", format="router")
    assert json.loads((folder / "coterie_extract.json").read_text())["router_error"] < 1e-5


def test_a_model_that_scales_its_embeddings(tmp_path: Path) -> None:
    folder = extract(grafted(family="gemma3"), to=tmp_path / "x", format="router")
    scale = json.loads((folder / "router.json").read_text())["embedding_scale"]
    assert scale == pytest.approx(32**0.5, rel=1e-3)  # Gemma: the root of the width


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        (replace(ONE, gate=TokenGate()), "the gates here are TokenGate"),
        (PLAIN, "the gates here are none"),
        (replace(ONE, gate=InstanceGate(pool="hidden")), "only the model itself computes"),
        (replace(ONE, router=Rectified()), "which route.py does not compute"),
        (replace(ONE, router=TopK(k=1, epsilon=0.1)), "which route.py does not compute"),
    ],
)
def test_refused(mixture: Mixture, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        extract(grafted((mixture,)), to=tmp_path / "x", format="router")


def test_a_gate_of_tokens_beside_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a TokenGate, which reads the input"):
        both = (ONE, replace(PLAIN, gate=TokenGate(), router=TopK(k=1)))
        extract(grafted(both), to=tmp_path / "x", format="router")
