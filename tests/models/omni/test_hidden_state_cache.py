"""Frozen lower layers give the same with and without files, whatever batch a sample comes in."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import coterie
from coterie import InstanceGate, Lora, Mixture, TopK
from coterie.models.omni.feature_cache import FeatureCache
from coterie.models.omni.hidden_state_cache import count_frozen_layers, use_hidden_state_cache
from tests.tinies.base import pictures
from tests.tinies.omni import omni_processor
from tests.tiny import TINY

UPPER = r"model\.language_model\.layers\.1\.mlp\.(gate|up|down)_proj"


def chats() -> list[Any]:
    """A sound, a picture, both, and words alone; of different lengths."""
    picture = {"type": "image", "image": pictures((28, 28))[0]}
    short, long = (
        {"type": "audio", "audio": torch.sin(torch.arange(count) / 9).numpy()}
        for count in (3000, 9000)
    )
    parts = [[short], [picture], [picture, long], []]
    words = [{"type": "text", "text": text} for text in ("what is this", "a cat", "it", "a mat")]
    return [
        [{"role": "user", "content": [*part, word]}]
        for part, word in zip(parts, words, strict=True)
    ]


def batch(host: Any, folder: Path, chosen: list[Any]) -> dict[str, Tensor]:
    processor = omni_processor()
    processor.tokenizer.padding_side = "right"
    processor.feature_cache = FeatureCache(host, folder)
    made = processor.apply_chat_template(
        chosen, tokenize=True, return_dict=True, return_tensors="pt", padding=True
    )
    labels = made["input_ids"].masked_fill(made["attention_mask"] == 0, -100)
    labels[:, :2] = -100
    return dict(made) | {"labels": labels}


def grafted(mixture: Mixture) -> tuple[Any, Any]:
    host = TINY["omni"]().model
    model = coterie.graft(host, mixture)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    return model.train(), host


def learned(model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach(), [each.grad.clone() for each in model.parameters() if each.requires_grad]


MIXTURES = [
    Mixture(at=UPPER, experts=Lora(ranks=(2, 2))),
    Mixture(at=UPPER, gate=InstanceGate(pool="embedding", tie="block"), router=TopK(k=1)),
]


@pytest.mark.parametrize("mixture", MIXTURES)
def test_loss_and_gradients_are_those_of_all_layers(mixture: Mixture, tmp_path: Path) -> None:
    model, host = grafted(mixture)
    inputs = batch(host, tmp_path / "features", chats())
    plain, gradients = learned(model, inputs)
    for _ in ("computed", "read"):
        with use_hidden_state_cache(model, tmp_path) as trunk:
            assert trunk is not None and len(trunk.layers) == 1
            loss, kept = learned(model, inputs)
        torch.testing.assert_close(loss, plain)
        for ours, theirs in zip(kept, gradients, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    again, _ = learned(model, inputs)
    assert torch.equal(again, plain)  # the layers are as they were


def test_lower_layers_run_once_a_sample_whatever_its_batch(tmp_path: Path) -> None:
    model, host = grafted(MIXTURES[0])
    calls: list[int] = []
    attention = host.model.language_model.layers[0].self_attn
    attention.register_forward_hook(lambda *_: calls.append(1))
    rows = chats()
    with use_hidden_state_cache(model, tmp_path) as trunk:
        assert trunk is not None
        trunk.precompute(batch(host, tmp_path / "features", rows[:3]))
        assert len(calls) == 3
        learned(model, batch(host, tmp_path / "features", rows))
        assert len(calls) == 4
        learned(model, batch(host, tmp_path / "features", rows[2:]))
        learned(model, batch(host, tmp_path / "features", [rows[3], rows[0]]))
        assert len(calls) == 4
        model.eval()
        with torch.no_grad():
            model(**batch(host, tmp_path / "features", rows))
        assert len(calls) == 5
    hidden = sorted(path for path in tmp_path.rglob("*.safetensors") if "features" not in str(path))
    assert len(hidden) == 4


def test_values_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    model, host = grafted(MIXTURES[0])
    one, many = tmp_path / "one", tmp_path / "many"
    with use_hidden_state_cache(model, many):
        learned(model, batch(host, tmp_path / "features", chats()))
    with use_hidden_state_cache(model, one):
        for chat in chats():
            learned(model, batch(host, tmp_path / "features", [chat]))
    files = {path.relative_to(many): path.read_bytes() for path in many.rglob("*.safetensors")}
    assert len(files) == 4
    assert files == {
        path.relative_to(one): path.read_bytes() for path in one.rglob("*.safetensors")
    }


def test_nothing_is_left_out_where_something_below_learns(tmp_path: Path) -> None:
    model, host = grafted(MIXTURES[0])
    assert count_frozen_layers(host.model) == 1
    host.model.connectors.requires_grad_(True)
    with use_hidden_state_cache(model, tmp_path) as trunk:
        assert trunk is None and not list(tmp_path.iterdir())
    model, host = grafted(Mixture(at="text.mlp", experts=Lora(ranks=(2,)), gate=None))
    assert count_frozen_layers(host.model) == 0


def test_another_configuration_has_files_of_its_own(tmp_path: Path) -> None:
    for eps, folders in ((1e-5, 1), (1e-5, 1), (1e-3, 2)):
        model, host = grafted(MIXTURES[0])
        host.config.text_config.rms_norm_eps = eps
        with use_hidden_state_cache(model, tmp_path):
            assert len(list(tmp_path.iterdir())) == folders


def test_pictures_without_features_run_every_layer(tmp_path: Path) -> None:
    model, _ = grafted(MIXTURES[0])
    inputs = TINY["omni"]().batch
    plain, _ = learned(model, inputs)
    with use_hidden_state_cache(model, tmp_path):
        loss, _ = learned(model, inputs)
    assert torch.equal(loss, plain)


def test_an_accelerator_runs_every_layer(tmp_path: Path) -> None:
    model, host = grafted(MIXTURES[0])
    inputs = batch(host, tmp_path / "features", chats())
    with use_hidden_state_cache(model, tmp_path / "trunk") as trunk:
        assert trunk is not None
        trunk.batch = inputs
        assert trunk.can_use()
        trunk.batch = {name: each.to("meta") for name, each in inputs.items()}
        assert not trunk.can_use()
