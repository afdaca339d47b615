"""A tiny DINOv2 is cut apart as the export does, converted, and compared tensor by tensor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from coterie_demo.dinov2 import convert
from tests.demo import tiny_onnx


@pytest.fixture
def model() -> Dinov2Model:
    """Width 64, one head, two layers, 3 x 3 patches of 2 pixels; no weight is at its start."""
    config = Dinov2Config(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        mlp_ratio=2,
        image_size=6,
        patch_size=2,
    )
    model = Dinov2Model(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def exported(model: Dinov2Model) -> bytes:
    """The weights under the exporter's names: linear weights transposed, positions in two."""
    tensors, products = {}, {}
    for name, weight in hub_names(model).items():
        values = weight.numpy()
        if name == "embeddings.position_embeddings":
            tensors["onnx::Reshape_2"] = np.ascontiguousarray(values[:, 1:])
            tensors["onnx::Concat_1"] = np.ascontiguousarray(values[:, :1])
        elif name.startswith("encoder") and values.ndim == 2:
            factor = f"onnx::MatMul_{len(tensors)}"
            tensors[factor] = np.ascontiguousarray(values.T)
            module = name.removesuffix(".weight").replace(".", "/")
            # The exporter keeps the number of a layer in the module's own part of the path.
            products[f"/backbone/{module.replace('layer/', 'layer.')}/MatMul"] = factor
        elif name != "embeddings.mask_token":
            tensors[f"backbone.{name}"] = values
    tensors["decoder.upconv1.weight"] = np.ones((2, 2), np.float32)
    return tiny_onnx.model(tensors, {**products, "/decoder/MatMul": "decoder.upconv1.weight"})


def hub_names(model: Dinov2Model) -> dict[str, torch.Tensor]:
    """The names that DINOv2's checkpoints have, which transformers 5 renames as it reads them."""
    out = {}
    for name, weight in model.state_dict().items():
        for new, old in {"q_proj": "query", "k_proj": "key", "v_proj": "value"}.items():
            name = name.replace(f"attention.{new}", f"attention.attention.{old}")
        out[name.replace("attention.o_proj", "attention.output.dense")] = weight
    return out


def test_the_model_comes_back(model: Dinov2Model, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(exported(model))
    (tmp_path / "out").mkdir()
    convert(tmp_path / "m.onnx", tmp_path / "out")
    back, info = Dinov2Model.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values()), info
    for name, weight in model.state_dict().items():
        wanted = torch.zeros_like(weight) if "mask_token" in name else weight
        torch.testing.assert_close(back.state_dict()[name], wanted, rtol=0, atol=0)
    pixels = torch.randn(1, 3, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(back(pixels)[0], model(pixels)[0], rtol=0, atol=1e-6)


def test_the_folder_says_what_to_take_and_what_it_is_not(model, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(exported(model))
    convert(tmp_path / "m.onnx", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["coterie_hidden_states"] == [8, 11]
    assert "not facebook/dinov2-small" in config["coterie_note"]
    assert (config["image_size"], config["mlp_ratio"], config["num_attention_heads"]) == (6, 2, 1)
    assert (tmp_path / "preprocessor_config.json").is_file()


def test_a_file_without_position_tables_is_refused(tmp_path: Path) -> None:
    cls = {"backbone.embeddings.cls_token": np.zeros((1, 1, 64), np.float32)}
    (tmp_path / "m.onnx").write_bytes(tiny_onnx.model(cls, {}))
    with pytest.raises(ValueError, match=r"shapes \[\], not \(1, 1, 64\) and \(1, patches, 64\)"):
        convert(tmp_path / "m.onnx", tmp_path)
