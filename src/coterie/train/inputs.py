"""Digests of what a run is trained on and from, by which a resumed run notices changes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open

from coterie import distributed
from coterie.data.file_digest import compute_files_digest
from coterie.io import read_json, write
from coterie.plugins import find_plugin
from coterie.train.checksums import seal, unseal
from coterie.train.config import RunConfig
from coterie.train.run_directory import RunDirectory

WEIGHTS = ("config.json", "*.safetensors", "*.bin")
TOKENIZER = (
    "*token*.json", "vocab*", "merges*", "*.model", "*.jinja", "*chat_template*", "*processor*.json"
)  # fmt: skip
SAVED_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
BASE_WEIGHTS = "the weights of the base model"
"""The digest of the base model's weights."""
BASE_TOKENIZER = "its tokenizer"
"""The digest of the base model's tokenizer or processor."""
BASE_DIGESTS = (BASE_WEIGHTS, BASE_TOKENIZER)
CONFIG = "configuration"
"""The digest of the configuration file, which need not be that of a resumed run."""


def compute_base_digests(config: RunConfig) -> dict[str, str]:
    """Return the digests of the base model's weights and of its tokenizer or processor."""
    folder = find_base_folder(config.base, config.tasks.model_plugins)
    if folder is None:
        return {}
    kinds = {BASE_WEIGHTS: WEIGHTS, BASE_TOKENIZER: TOKENIZER}
    found = {}
    for name, patterns in kinds.items():
        files = {each for pattern in patterns for each in folder.glob(pattern) if each.is_file()}
        if files:
            found[name] = compute_files_digest(files, root=folder)
    return found


def find_base_folder(base: str, plugins: str) -> Path | None:
    """Return the folder of a base model's files, or None where that is not known."""
    if plugin := find_plugin(plugins, base):
        return Path(plugin.load()())
    if Path(base).is_dir():
        return Path(base)
    # Of a hub id, the revision that was downloaded.
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(base, "config.json")
    except ValueError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def read_base_dtype(config: RunConfig) -> torch.dtype | None:
    """Return the dtype that a base model is saved in, as transformers finds it; None if unknown.

    It is that of its configuration, or of the first floating-point tensor of its weights.
    """
    folder = find_base_folder(config.base, config.tasks.model_plugins)
    if folder is None or not (folder / "config.json").is_file():
        return None
    named = read_json(folder / "config.json")
    name = named.get("dtype") or named.get("torch_dtype")
    if name is None:
        for file in sorted(folder.glob("*.safetensors")):
            with safe_open(file, framework="pt") as opened:
                kinds = [opened.get_slice(each).get_dtype() for each in opened.keys()]
            name = next((SAVED_DTYPES[kind] for kind in kinds if kind in SAVED_DTYPES), None)
            break
    return getattr(torch, str(name), None)


def write_input_digests(directory: RunDirectory, digests: Mapping[str, str]) -> None:
    """Write the digests, with that of the run's configuration file."""
    own = hashlib.sha256(directory.config_file.read_bytes()).hexdigest()
    write(directory.inputs_file, seal({CONFIG: own, **digests}))


def read_input_digests(directory: RunDirectory) -> dict[str, str]:
    """Read what `write_input_digests` wrote; empty, with a message, if it is damaged."""
    file = directory.inputs_file
    try:
        return unseal(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        distributed.print_message(f"{file} {error}: changes of rows and base cannot be told")
        return {}


def list_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """List what differs between two digests of inputs, of those that both have."""
    return [name for name, digest in before.items() if digest != now.get(name, digest)]


def check_config_file(directory: RunDirectory) -> None:
    """Print a message if the configuration file is not as training wrote it."""
    before = read_input_digests(directory).get(CONFIG)
    file = directory.config_file
    if before not in (None, hashlib.sha256(file.read_bytes()).hexdigest()):
        distributed.print_message(
            f"{file} was edited or damaged since training: what follows is of its present values"
        )


def list_base_changes(directory: RunDirectory, config: RunConfig) -> list[str]:
    """List what of the base model is not as it was when the run was trained, as far as is known."""
    before = read_input_digests(directory)
    return list_changes(before, compute_base_digests(config)) if before else []


def check_same_base(directory: RunDirectory, config: RunConfig) -> None:
    """Raise ValueError if the base model is not the one that the run was trained on.

    For what keeps the answers of the run's tasks; `check_base` is for what only reads the run.
    """
    if changes := list_base_changes(directory, config):
        raise ValueError(
            f"{' and '.join(changes)} in {config.base} changed since {directory.folder} was "
            "trained, so that its tasks answer otherwise now. Restore them, or train the run anew"
        )


def check_base(directory: RunDirectory, config: RunConfig) -> None:
    """Print a message if the base model is not the one that the run was trained on."""
    for name in list_base_changes(directory, config):
        distributed.print_message(
            f"{name} in {config.base} changed since {directory.folder} was trained"
        )
