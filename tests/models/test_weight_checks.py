"""Weights that would be random, files that cannot be read, tokenizers that do not fit."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTModel

from coterie.models.loading import load
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.models.weight_checks import WRAPPERS, check_loading_info
from coterie.tasks.dense.kinds.depth import Depth
from tests.train.small import base

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(base(), tmp_path / "model"))


def change_config(folder: Path, **fields: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_layer_without_weights_is_refused(folder: Path):
    change_config(folder, num_hidden_layers=3, layer_types=None)
    # A layer of Llama has nine weights: seven linear maps and two norms.
    said = r"on random weights: 9 are not in its files: model\.layers\.2\.\S+, .* and 6 more\. Comp"
    with pytest.raises(ValueError, match=said):
        load(folder)


def test_weights_that_the_model_has_no_place_for_are_named(folder: Path, capsys):
    load(folder)
    assert capsys.readouterr().err == ""
    change_config(folder, num_hidden_layers=1, layer_types=None)
    load(folder)
    said = "9 weights of its files are not used: model.layers.1.input_layernorm.weight, "
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("prefix", WRAPPERS)
def test_weights_of_a_wrapped_model_are_refused(folder: Path, prefix: str):
    weights = {f"{prefix}{name}": each for name, each in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"saved inside {WRAPPERS[prefix].partition(':')[0]}"):
        load(folder)


def test_other_shapes_are_refused(folder: Path):
    change_config(folder, intermediate_size=48)
    with pytest.raises(ValueError, match=r"model\.layers\.0\.mlp\.down_proj\.weight is \["):
        load(folder)


def test_half_a_file_is_refused(folder: Path):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"its weights cannot be read: .*copy or download"):
        load(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"its weights cannot be read: .*copy or download"):
        load(folder)


def test_a_tokenizer_that_is_larger_than_the_embedding_is_refused(folder: Path):
    words = load(folder, device="cpu").processor
    words.add_special_tokens({"additional_special_tokens": ["<new>"]})
    words.save_pretrained(folder)
    with pytest.raises(ValueError, match=r"has 1 tokens more than the \d+ rows .*: '<new>'\. Give"):
        load(folder)


def test_a_backbone_without_its_weights_is_refused(tmp_path: Path):
    config = ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        image_size=16, patch_size=8
    )  # fmt: skip
    ViTModel(config).save_pretrained(tmp_path)  # its pooler is left out below
    assert MultiTaskVisionModel.from_backbone(str(tmp_path), [Depth(name="depth")])
    ViTConfig.from_pretrained(tmp_path, num_hidden_layers=2).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"are not in its files: (encoder\.)?layers?\.1\."):
        MultiTaskVisionModel.from_backbone(str(tmp_path), [Depth(name="depth")])


def test_what_is_in_the_files_instead_is_named():
    check_loading_info("m", [], ["lm_head.weight"], [])
    with pytest.raises(ValueError, match=r"1 are not in its files: a; the files have b instead"):
        check_loading_info("m", ["a"], ["b"], [])
