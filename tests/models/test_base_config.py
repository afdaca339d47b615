"""A base that is misspelt, brings its own code, or bounds the length of samples."""

import json
import sys
from pathlib import Path

import pytest
from transformers import LlamaConfig, MambaConfig

from coterie.models.base_config import get_context_length, load_config, resolve_base
from coterie.plugins import MODELS


def test_a_misspelt_base_is_told_without_asking_the_hub(tmp_path: Path, monkeypatch):
    with pytest.raises(ValueError, match=r"'embeded' is no folder \(did you mean embedded\?\)"):
        resolve_base("embeded", MODELS)
    LlamaConfig().save_pretrained(tmp_path / "models" / "llama")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"\(did you mean models/llama\?\)"):
        resolve_base("models/lama", MODELS)
    with pytest.raises(ValueError, match=r"'models/other' is no folder: give"):
        resolve_base("models/other", MODELS)
    monkeypatch.chdir(tmp_path / "models")
    with pytest.raises(ValueError, match=r"\(did you mean llama\?\)"):
        resolve_base("lama", MODELS)
    assert resolve_base("llama", MODELS) == "llama"
    assert resolve_base("gpt2", MODELS) == "gpt2" and resolve_base("a/b", MODELS) == "a/b"


def test_a_models_own_code_is_not_run_and_nobody_is_asked(tmp_path: Path, monkeypatch, capsys):
    ran = tmp_path / "ran"
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.MyConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(own))
    (tmp_path / "mine.py").write_text(f"open({str(ran)!r}, 'w')")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match=r"Python code of its own .* coterie has no option to run"):
        load_config(str(tmp_path))
    assert not ran.exists() and "[y/N]" not in capsys.readouterr().out


def test_a_configuration_that_cannot_be_is_refused(tmp_path: Path):
    LlamaConfig().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    # 4096 is no multiple of 5.
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_attention_heads": 5}))
    with pytest.raises(ValueError, match=r"has a config\.json that cannot be: .*attention heads"):
        load_config(str(tmp_path))


def test_what_git_lfs_did_not_fetch_is_named(tmp_path: Path):
    LlamaConfig().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=r"tokenizer\.json is a pointer of Git LFS.*git lfs pull"):
        resolve_base(tmp_path, MODELS)


def test_the_context_is_that_of_the_positions():
    assert get_context_length(LlamaConfig(max_position_embeddings=64)) == 64
    stretched = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    stretched |= {"rope_theta": 10000.0}
    config = LlamaConfig(max_position_embeddings=64, rope_parameters=stretched)
    assert get_context_length(config) == 256  # 64 * 4
    assert get_context_length(MambaConfig()) is None
