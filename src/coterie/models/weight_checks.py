"""Checks of a loaded model: no weight is left at random, and the tokenizer fits its embedding."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coterie.data.chat_template import get_tokenizer
from coterie.data.sources.base import get_first_line
from coterie.distributed import print_message
from coterie.modalities.base import find_media_modalities

WRAPPERS = {
    "base_model.model.": "PEFT: save model.merge_and_unload()",
    "module.": "DistributedDataParallel: save model.module",
    "_orig_mod.": "torch.compile: save model._orig_mod",
}
"""What wrappers put before the names of weights, and what to save instead."""
MAX_NAMES = 3
"""Weights that an error names."""
ADVICE = "copy or download it again"


def load_checked(base: str, load: Callable[..., Any], *, unused: str = "", **options: Any) -> Any:
    """Load a model by a `from_pretrained`, and check that all of its weights were in the files.

    `unused` is in the names of weights that may be missing since nothing uses them; empty for a
    whole model, of which a message names the weights that it has no place for.
    Raises ValueError with the names of those that are missing, of another shape or unreadable.
    """
    check_no_pickle(Path(base))
    with explain_unreadable_weights(base), suppress_loading_report():
        model, info = load(
            base, output_loading_info=True, ignore_mismatched_sizes=True, trust_remote_code=False,
            use_safetensors=True, **options
        )  # fmt: skip
    missing = [name for name in info["missing_keys"] if not unused or unused not in name]
    others = sorted(info["unexpected_keys"])
    check_loading_info(base, sorted(missing), others, info["mismatched_keys"])
    # A backbone leaves out heads and poolers.
    if others and not unused:
        print_message(
            f"note: base={base!r}: {len(others)} weights of its files are not used: "
            f"{_shorten(others, ', ')}; see whether its config.json belongs to them"
        )
    return model


def check_no_pickle(folder: Path) -> None:
    """Raise ValueError for a folder whose weights are a pickle, which can run code when read."""
    pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
    if pickles and not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"base={str(folder)!r}: its weights are a pickle ({min(pickles).name}), which can run "
            "code when it is read, and is not loaded: where you trust it, load the model and save "
            "it again with model.save_pretrained(...)"
        )


@contextmanager
def explain_unreadable_weights(base: str) -> Iterator[None]:
    """Raise ValueError for files of weights that are missing, cut off or damaged."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, EOFError, SafetensorError) as error:
        raise ValueError(
            f"base={base!r}: its weights cannot be read: {get_first_line(error).rstrip('.')}. "
            f"A file is missing or incomplete: {ADVICE}"
        ) from error


@contextmanager
def suppress_loading_report() -> Iterator[None]:
    """Hide transformers' table of missing weights: `check_loading_info` says which matter."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def check_loading_info(
    base: str,
    missing: Iterable[str],
    unexpected: Iterable[str],
    mismatched: Iterable[tuple[str, Any, Any]],
) -> None:
    """Raise ValueError if weights are missing in the files, or have another shape there."""
    missing, others = list(missing), list(unexpected)
    start = f"base={base!r} would be trained on random weights:"
    if shapes := sorted(mismatched, key=lambda each: each[0]):
        named = [f"{name} is {list(found)}, not {list(wanted)}" for name, found, wanted in shapes]
        raise ValueError(
            f"{start} {len(shapes)} of its files have another shape than its config.json says: "
            f"{_shorten(named, '; ')}. Put the config.json of these weights beside them"
        )
    if not missing:
        return
    what = f"{start} {len(missing)} are not in its files: {_shorten(missing, ', ')}"
    for prefix, wrapper in WRAPPERS.items():
        if any(prefix in name for name in others):
            raise ValueError(
                f"{what}. The files have them as {prefix}*, as a model is saved inside "
                f"{wrapper}.save_pretrained(folder), and give that folder"
            )
    instead = f"; the files have {_shorten(sorted(others), ', ')} instead" if others else ""
    raise ValueError(
        f"{what}{instead}. Complete the download, or give the config.json that belongs to the files"
    )


def check_vocabulary(base: str, model: Any, processor: Any) -> None:
    """Raise ValueError if the tokenizer has tokens for which the model has no embedding."""
    tokenizer, embedding = get_tokenizer(processor), model.get_input_embeddings()
    rows = embedding.weight.shape[0]
    # A text model keeps the placeholders of its multimodal siblings (as Gemma 3 1B does).
    kinds = find_media_modalities().values()
    media = {str(getattr(tokenizer, each.token_name, None)) for each in kinds}
    beyond = {token: i for token, i in tokenizer.get_vocab().items() if i >= rows}
    if strange := sorted(beyond.keys() - media, key=beyond.__getitem__):
        raise ValueError(
            f"base={base!r}: its tokenizer has {len(strange)} tokens more than the {rows} rows of "
            f"the model's embedding: {_shorten(list(map(repr, strange)), ', ')}. Give the "
            "tokenizer of this model, or load both in Python, call "
            "model.resize_token_embeddings(len(tokenizer)) and save them"
        )


def _shorten(names: list[str], separator: str) -> str:
    more = len(names) - MAX_NAMES
    return separator.join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
