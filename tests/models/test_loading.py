"""`load`: what it finds, completes and refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, T5Config

from coterie.data.chat_template import make_template
from coterie.models.loading import load
from coterie.models.options import ModelOptions
from tests.train.small import base


def copied(tmp_path: Path, *, without: str = "") -> Path:
    folder = tmp_path / "model"
    shutil.copytree(base(), folder, dirs_exist_ok=True)
    for path in folder.glob(without) if without else ():
        path.unlink()
    return folder


def test_a_folder_without_a_chat_template_gets_ours():
    loaded = load(base(), dtype=torch.bfloat16)
    assert loaded.name == base() and not loaded.model.training
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.processor.chat_template == make_template()
    assert loaded.model.generation_config.eos_token_id == [loaded.processor.eos_token_id]


def test_a_missing_padding_token_is_the_end_token(tmp_path: Path):
    folder = copied(tmp_path)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in settings.items() if k != "pad_token"}))
    words = load(folder).processor
    assert words.pad_token == words.eos_token == "</s>"
    file.write_text(json.dumps({k: v for k, v in settings.items() if k != "eos_token"}))
    with pytest.raises(ValueError, match="has no end token: set eos_token"):
        load(folder)


def test_what_is_no_model_is_refused(tmp_path: Path, monkeypatch):
    with pytest.raises(ValueError, match=r"is no folder: give a folder with a config\.json, a hub"):
        load(tmp_path / "none")
    with pytest.raises(ValueError, match=r"base='./none' is no folder"):
        load("./none")
    with pytest.raises(ValueError, match="base='nobody/nothing' cannot be loaded"):
        load("nobody/nothing")
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds an adapter, not a model"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json' is not a valid JSON file\. .*download it"):
        load(tmp_path)
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="run `coterie fetch omni`"):
        load("embedded")


def test_other_architectures_are_refused(tmp_path: Path):
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'t5' is none that transformers knows"):
        load(tmp_path)


def test_a_missing_tokenizer_is_named(tmp_path: Path):
    folder = copied(tmp_path, without="tokenizer*")
    assert AutoConfig.from_pretrained(folder)
    with pytest.raises(ValueError, match="has no processor or tokenizer that can be loaded"):
        load(folder)


def test_attention_that_the_model_does_not_have_is_named():
    loaded = load(base(), device="cpu", options=ModelOptions(attention="eager"))
    assert loaded.model.config._attn_implementation == "eager"
    said = r"does not load with attention='fast' on cpu: .*eager.*Leave attention out"
    with pytest.raises(ValueError, match=said):
        load(base(), device="cpu", options=ModelOptions(attention="fast"))
    with pytest.raises(ValueError, match="attention='flash_attention_2' on cpu: FlashAttention2"):
        load(base(), device="cpu", options=ModelOptions(attention="flash_attention_2"))
