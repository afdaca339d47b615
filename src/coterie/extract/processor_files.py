"""`save_processor`: the files beside a checkpoint that other programs read."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coterie.io import read_text, write
from coterie.models.base_config import resolve_base
from coterie.plugins import MODELS

TEMPLATE = "chat_template.jinja"
TOKENIZER_CONFIG = "tokenizer_config.json"
IMAGES = "preprocessor_config.json"
COPIED = (
    "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json",
    "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt", "USE_POLICY.md",
)  # fmt: skip
"""Of the base model's files: those of older tokenizers, which llama.cpp and others read, and the
licence, which must go with the weights. transformers 5 writes none of them."""
OF_LOADING = ("local_files_only", "is_local", "_commit_hash")
"""Arguments of a load that transformers 5.23 writes into tokenizer_config.json."""


def save_processor(processor: Any, base: str, folder: Path) -> list[str]:
    """Write tokenizer or processor, and return the names of files copied from the base model.

    `base` is the folder, hub id or plugin's name that the run was trained from.
    """
    processor.save_pretrained(str(folder))
    images = getattr(processor, "image_processor", None)
    # transformers 5 writes processor_config.json alone; older readers look for this file.
    if images is not None and not (folder / IMAGES).exists():
        images.save_pretrained(str(folder))
    clean_tokenizer_config(folder / TOKENIZER_CONFIG)
    copied = []
    for file in find_base_files(base):
        if not (folder / file.name).exists():
            shutil.copyfile(file, folder / file.name)
            copied.append(file.name)
    return copied


def clean_tokenizer_config(file: Path) -> None:
    """Remove what tells of this machine, and not of the tokenizer."""
    if file.is_file():
        settings = json.loads(read_text(file))
        kept = {key: value for key, value in settings.items() if key not in OF_LOADING}
        write(file, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def find_base_files(base: str) -> Iterator[Path]:
    """Yield the files of COPIED that the base model has, in its folder or in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    try:
        place = resolve_base(base, MODELS)
    except ValueError:  # it has moved since, and the run's model was given
        return
    for name in COPIED:
        found = Path(place, name) if Path(place).is_dir() else try_to_load_from_cache(place, name)
        if isinstance(found, str | Path) and Path(found).is_file():
            yield Path(found)


def save_chat_template(processor: Any, folder: Path) -> str | None:
    """Write the chat template that a run was trained with; return its name, None if there is none.

    A base model may have none or another one, and servers then need to be given this file.
    """
    template = getattr(processor, "chat_template", None)
    if not isinstance(template, str):
        return None
    write(folder / TEMPLATE, template)
    return TEMPLATE
