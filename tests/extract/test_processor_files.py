"""What stands beside a checkpoint's weights."""

import json
from pathlib import Path

import pytest
from transformers import AutoProcessor, AutoTokenizer

from coterie.extract.processor_files import save_chat_template, save_processor
from tests.cli.folders import write_model
from tests.compatibility.adapters import write_host
from tests.tinies.gemma3 import gemma3


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_model(gemma3(), folder)
    for name in ("LICENSE", "tokenizer.model", "README.md", "weights.bin"):
        (folder / name).write_text(name)
    return folder


def test_all_that_others_read(base: Path, tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(base)
    assert save_processor(processor, str(base), tmp_path) == ["tokenizer.model", "LICENSE"]
    written = {file.name for file in tmp_path.iterdir()}
    assert written == {
        "LICENSE", "chat_template.jinja", "preprocessor_config.json", "processor_config.json",
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    }  # fmt: skip
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert "local_files_only" not in settings and settings["eos_token"] == "</s>"
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is type(processor) and again.chat_template == processor.chat_template
    assert again.image_processor.size == processor.image_processor.size


def test_a_base_that_has_moved(base: Path, tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(base)
    assert save_processor(processor, str(tmp_path / "gone"), tmp_path) == []


def test_a_tokenizer_alone(tmp_path: Path) -> None:
    words = AutoTokenizer.from_pretrained(write_host(tmp_path / "host"))
    folder = tmp_path / "to"
    folder.mkdir()
    assert save_processor(words, str(tmp_path / "host"), folder) == []
    assert AutoTokenizer.from_pretrained(folder).vocab_size == words.vocab_size
    assert save_chat_template(words, folder) is None
    words.chat_template = "{{ messages }}"
    assert save_chat_template(words, folder) == "chat_template.jinja"
    assert (folder / "chat_template.jinja").read_text() == "{{ messages }}\n"
