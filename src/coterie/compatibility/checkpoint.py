"""`check_checkpoint`: whether a checkpoint's files are whole, and the base model's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open

from coterie.compatibility.finding import Effect, Finding
from coterie.compatibility.report import CompatibilityReport
from coterie.compatibility.servers.base import list_servers
from coterie.data.sources.base import get_first_line
from coterie.models.base_config import load_config
from coterie.models.host import Host
from coterie.models.weight_checks import check_no_pickle, suppress_loading_report
from coterie.third_party_warnings import suppress_third_party_warnings

TRANSFORMERS = "transformers"
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


def check_checkpoint(
    folder: Path, base: str | Path, *, is_native: bool = False
) -> CompatibilityReport:
    """Check a checkpoint: its files are whole, and its class and shapes the base model's.

    `is_native`: its class is another one, as coterie.extract(..., format="native") writes it.
    Raises ValueError for files that are missing or damaged.
    """
    num_tensors = count_tensors(folder)
    own, host = Host.build(load_config(str(folder)), str(folder)), Host.load(base)
    problems = list(find_unread(folder, own))
    problems += [] if is_native else find_differences(own, host)
    config: Any = own.model.config
    is_native = type(config).__module__.startswith(f"{transformers.__name__}.")
    missing = [name for name in TOKENIZERS[:2] if not (folder / name).is_file()]
    servers = []
    if not is_native:
        reason = f"{config.model_type!r} is no architecture of transformers"
        servers.append(Finding(effect="refused", reason=reason))
    if missing and not any((folder / name).is_file() for name in TOKENIZERS):
        reason = "no tokenizer: extract from a run, or save the base model's there"
        servers.append(Finding(effect="refused", reason=reason))
    return CompatibilityReport(
        folder=str(folder),
        kind=f"a checkpoint of a {own.name}",
        host=host.name,
        modules={},
        num_tensors=num_tensors,
        findings={TRANSFORMERS: problems, **{each.name: servers for each in list_servers()}},
    )


def count_tensors(folder: Path) -> int:
    """Count the tensors in the files. Raises ValueError for damaged or missing files."""
    check_no_pickle(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"{folder} has a config.json and no weights (*.safetensors)")
    count = 0
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                count += len(opened.keys())
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is damaged ({get_first_line(error)}): copy it again, or extract it again"
            ) from error
    return count


def find_unread(folder: Path, own: Host) -> Iterator[Finding]:
    """Yield what transformers says of the files' weights when it loads them, without values."""
    kind: Any = type(own.model)
    with suppress_third_party_warnings(), suppress_loading_report():
        _, info = kind.from_pretrained(
            str(folder), device_map="meta", output_loading_info=True, use_safetensors=True,
            ignore_mismatched_sizes=True, trust_remote_code=False,
        )  # fmt: skip
    kinds: tuple[tuple[str, Effect, str], ...] = (
        ("missing_keys", "unknown", "not in the files, so that they stay as initialised"),
        ("unexpected_keys", "dropped", "the class has no place for them"),
        ("mismatched_keys", "refused", "of another shape than the config.json says"),
    )
    for key, effect, reason in kinds:
        names = sorted(each if isinstance(each, str) else each[0] for each in info[key])
        if names:
            yield Finding(effect=effect, reason=reason, names=names)


def find_differences(own: Host, host: Host) -> Iterator[Finding]:
    """Yield what is not as in the base model."""
    if own.name != host.name:
        yield Finding(effect="unknown", reason=f"it is a {own.name}, the base model a {host.name}")
        return
    mine = {name: tuple(weight.shape) for name, weight in own.model.state_dict().items()}
    wanted = {name: tuple(weight.shape) for name, weight in host.model.state_dict().items()}
    if names := sorted(name for name in mine.keys() | wanted if mine.get(name) != wanted.get(name)):
        reason = "weights that the base model does not have in this shape"
        yield Finding(effect="unknown", reason=reason, names=names)
