"""The folder or hub id of a base model, and its configuration, read before its weights."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from coterie.data.sources.base import get_first_line
from coterie.data.sources.files import LFS_POINTER
from coterie.plugins import OPTIONAL_NAMES, find_plugin, list_plugins

CONFIG = "config.json"


def resolve_base(base: str | Path, group: str) -> str:
    """Return the folder or hub id to load with transformers.

    Args:
        base: a folder, a hub id, or the name of a model of an installed package.
        group: the group of `coterie.plugins` that has such models.

    Raises ValueError for what is no folder of a model, and for a near miss of the name of a
    package's model or of a folder: the hub is not asked for these.
    """
    if plugin := find_plugin(group, str(base)):
        return str(plugin.load()())
    path, name = Path(base).expanduser(), str(base)
    if not path.is_dir():
        _check_hub_id(name, isinstance(base, Path), group)
        return name
    if (path / CONFIG).is_file():
        check_no_pointers(path)
        return str(path)
    if (path / "adapter_config.json").is_file():
        raise ValueError(
            f"{path} holds an adapter, not a model: give the model it was trained on, and load the "
            "adapter with peft.PeftModel.from_pretrained"
        )
    raise ValueError(f"{path} has no config.json: it is not the folder of a transformers model")


def check_no_pointers(folder: Path) -> None:
    """Raise ValueError for a cloned folder whose large files Git LFS has not fetched."""
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".model", ".safetensors") and file.is_file():
            with file.open("rb") as opened:
                if opened.read(len(LFS_POINTER)) == LFS_POINTER:
                    raise ValueError(
                        f"{file} is a pointer of Git LFS, not the file: run `git lfs pull` there"
                    )


def _check_hub_id(name: str, is_path: bool, group: str) -> None:
    """Raise ValueError if a name cannot be a hub id, or is a near miss of something local."""
    names = {each.name for each in list_plugins(group)} | OPTIONAL_NAMES.get(group, {}).keys()
    near = get_close_matches(name, {*names, *_list_model_folders(Path(name).parent)}, n=1)
    looks_local = is_path or name.startswith((".", "/", "~")) or name.count("/") > 1 or not name
    is_inside = "/" in name and Path(name).expanduser().parent.is_dir()
    if looks_local or is_inside or near:
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(
            f"base={name!r} is no folder{meant}: give a folder with a config.json, a hub id such "
            'as "organisation/model", or "embedded"'
        )


def _list_model_folders(parent: Path) -> Iterator[str]:
    """Yield the models' folders in a folder, as a user would write them."""
    if parent.expanduser().is_dir():
        for each in parent.expanduser().iterdir():
            if (each / CONFIG).is_file():
                yield str(parent / each.name)


def load_config(folder: str) -> Any:
    """Load the configuration of a folder or hub id.

    Raises ValueError if there is none, it is damaged, or needs Python code that is not part of
    transformers: such code is never run, and nobody is asked whether it may be.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    import coterie.models.omni  # noqa: F401  registers the family with transformers

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except StrictDataclassError as error:  # its own line names only the check
        cause = error.__cause__
        reason = get_first_line(cause if isinstance(cause, Exception) else error)
        raise ValueError(
            f"base={folder!r} has a config.json that cannot be: {reason} Restore or mend it"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            describe_remote_code(folder, error)
            or f"base={folder!r} cannot be loaded: {get_first_line(error)} Check the name, or copy "
            "or download it again"
        ) from error


def describe_remote_code(folder: str, problem: Exception) -> str:
    """Return what to do if transformers refused a model's own code; empty for other problems."""
    if "trust_remote_code" not in str(problem):
        return ""
    return (
        f"base={folder!r} comes with Python code of its own (auto_map in its files), which coterie "
        "has no option to run: take a model that transformers has itself, or run that code in a "
        "script of yours and graft the model with coterie.graft"
    )


def get_context_length(config: Any) -> int | None:
    """Return the tokens of a sample that a model has positions for; None if that is not bounded."""
    text = config.get_text_config()
    longest = getattr(text, "max_position_embeddings", None)
    if not isinstance(longest, int) or longest < 1:
        return None
    rope = getattr(text, "rope_parameters", None) or {}
    factor, original = rope.get("factor"), rope.get("original_max_position_embeddings")
    # YaRN's files name the positions before it stretches them.
    return max(longest, int(factor * original)) if factor and original else longest
