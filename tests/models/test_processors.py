"""`load_processor`: with the video part and without, or one error that names what is missing."""

import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors.torch import save_file
from transformers import AutoConfig, Gemma3nConfig

from coterie.families.base import find_packages
from coterie.models import processors
from coterie.models.loading import load
from coterie.models.processors import MissingVideoProcessor, load_processor
from tests.cli.folders import write_model
from tests.tinies.gemma3n import gemma3n_files
from tests.tiny import TINY

without_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is not None, reason="torchvision is installed"
)
VIDEOS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava_onevision", "internvl", "smolvlm", "glm4v")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(TINY["qwen2_vl"](), tmp_path)
    return tmp_path


@without_torchvision
@pytest.mark.parametrize("family", VIDEOS)
def test_a_processor_without_its_videos_is_saved_and_loaded(family: str, tmp_path: Path) -> None:
    tiny = TINY[family]()
    assert tiny.files is not None
    found = tiny.files.load(tiny.model.config)
    assert type(found).__name__ == tiny.files.kind
    assert isinstance(found.video_processor, MissingVideoProcessor)
    with pytest.raises(ValueError, match=r"videos need torchvision.*'coterie\[families\]'"):
        found.video_processor([])
    found.save_pretrained(tmp_path)
    tiny.model.config.save_pretrained(tmp_path)
    again = load_processor(str(tmp_path), tiny.model.config)
    assert type(again) is type(found) and again.chat_template == found.chat_template
    assert again.video_processor == found.video_processor
    assert again.image_processor.to_dict() == found.image_processor.to_dict()
    copy = pickle.loads(pickle.dumps(found))  # data loaders may start processes
    assert type(copy) is type(found) and copy.video_processor == found.video_processor


@without_torchvision
def test_settings_of_videos_come_from_the_files(folder: Path) -> None:
    (folder / "video_preprocessor_config.json").write_text('{"fps": 2, "max_frames": 8}')
    found = load_processor(str(folder), AutoConfig.from_pretrained(folder)).video_processor
    assert (found.fps, found.max_frames, found.min_frames) == (2, 8, None)


def test_a_tokenizer_that_needs_a_package_or_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TINY["llama"]().model.config
    config.save_pretrained(tmp_path)
    settings = {"auto_map": {"AutoTokenizer": ["mine.Words", None]}, "tokenizer_class": "Words"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="comes with Python code of its own"):
        load_processor(str(tmp_path), config)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>")
    monkeypatch.setattr(processors, "find_spec", lambda name: None)
    needed = "tokenizer.model alone, which needs sentencepiece or tiktoken .* pip install sentenc"
    with pytest.raises(ValueError, match=needed):
        load_processor(str(tmp_path), config)


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ImportError("\nPackage `num2words` is required.\nSee its page.")

    monkeypatch.setattr(processors, "_load_without_videos", fail)
    monkeypatch.setattr(processors, "find_spec", {}.get)
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", fail)
    with pytest.raises(ValueError, match="needs num2words, which is not installed") as found:
        load(folder)
    assert str(found.value).endswith(
        "(Package `num2words` is required.): pip install 'coterie[families]'"
    )


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_omni"])
def test_a_model_with_media_gets_no_bare_tokenizer(family: str, tmp_path: Path) -> None:
    write_model(TINY[family](), tmp_path)
    for file in ("preprocessor_config.json", "processor_config.json"):
        (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=r"has no processor .*\(and preprocessor_config\.json\)"):
        load(tmp_path)


@without_torchvision
def test_pixtral_needs_torchvision(tmp_path: Path) -> None:
    from tests.tinies.base import tokenizer
    from tests.tinies.mistral3 import MARKERS, files

    config = TINY["mistral3"]().model.config
    files(tokenizer(*MARKERS), 2).write(tmp_path, config)
    with pytest.raises(ValueError, match="needs torchvision, which is not installed"):
        load_processor(str(tmp_path), config)


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_gemma_3n_says_that_its_tower_needs_timm(tmp_path: Path) -> None:
    gemma3n_files().write(tmp_path, Gemma3nConfig())
    save_file({}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    message = r"needs timm, which is not installed .*: pip install 'coterie\[families\]'"
    with pytest.raises(ValueError, match=message):
        load(str(tmp_path))
    assert find_packages()["timm"] == ["gemma3n"]
