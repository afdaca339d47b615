"""The tokens of a prompt that are the user's: no system turn, role headers or earlier answers.

Found by rendering the chat template, whatever it is, with a mark in place of the users' turns.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import islice, product
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool
from torch import Tensor

from coterie.data.chat_template import Chat, get_tokenizer, render_template
from coterie.data.sample import to_template_content
from coterie.modalities.base import find_media_modalities

MARK = "coterie-instruction-mark"
NOT_FOUND = (
    "the chat template's own text was not found around the user's turn of a prompt: an "
    "InstanceGate averages the whole prompt instead of the instruction"
)
FRAMES: WeakKeyDictionary[Any, dict[str, list[list[int]]]] = WeakKeyDictionary()
"""Tokenizer -> template and turns -> their frame, since a template takes a millisecond."""
MAX_FRAMES = 1024
MERGED_TOKENS = 2
"""Tokens at an edge of the template's text that the tokenizer may merge with a turn's own."""


def mark_instructions(
    processor: Any, chats: Sequence[Chat], encoded: Mapping[str, Tensor]
) -> Bool[Tensor, "batch seq"]:
    """Return True for the tokens of the users' texts and of all media.

    All tokens of a chat are marked, with a warning, if the template's own text is not found among
    them, as of a template that rewrites the users' texts.

    Args:
        processor: a transformers processor or tokenizer.
        chats: what `apply_template` tokenized.
        encoded: its tokens, `input_ids` and `attention_mask`, padded on either side.
    """
    ids, attended = encoded["input_ids"], encoded["attention_mask"].bool()
    media = torch.tensor(sorted(_find_media_ids(processor)), dtype=ids.dtype)
    marked = torch.isin(ids, media)
    for row, chat in enumerate(chats):
        positions = attended[row].nonzero().flatten()
        tokens = ids[row][positions].tolist()
        found = find_instructions(tokens, _tokenize_frame(processor, chat))
        if found is None:
            warnings.warn(NOT_FOUND, stacklevel=2)
        for start, end in [(0, len(tokens))] if found is None else found:
            marked[row, positions[start:end]] = True
    return marked & attended


def find_instructions(
    ids: Sequence[int], frame: Sequence[Sequence[int]]
) -> list[tuple[int, int]] | None:
    """Return the start and the end of each stretch of `ids` between the parts of the frame.

    A tokenizer may merge the edge of a part with what stands beside it, so that up to two tokens of
    an inner edge may be others. None if a part is not found, or the frame is one part alone, as the
    template writes the users' texts in another form or not at all.
    """
    if len(frame) < 2:
        return None
    bounds: list[int] = []
    # The last part ends the prompt, and what it says may stand in the user's text, too: it is
    # looked for from behind, in reverse.
    found = _find_part(ids[::-1], frame[-1][::-1], 0, merges_before=False)
    if found is None:
        return None
    last = len(ids) - found[1]
    for number, part in enumerate(frame[:-1]):
        found = _find_part(ids[:last], part, bounds[-1] if bounds else 0, merges_before=number > 0)
        if found is None:
            return None
        bounds += found
    return list(zip(bounds[1::2], [*bounds[2::2], last], strict=True))


def _find_part(
    ids: Sequence[int], part: Sequence[int], start: int, *, merges_before: bool
) -> tuple[int, int] | None:
    """Return where the part is first in `ids` from `start` on, without merged tokens at its edges.

    At least half of its tokens must be there; of several forms at one place, the longest.
    """
    before = range(MERGED_TOKENS + 1) if merges_before else (0,)
    found = []
    for left, right in product(before, range(MERGED_TOKENS + 1)):
        core = list(part[left : len(part) - right])
        if 2 * len(core) < len(part):
            continue
        places = range(start, len(ids) - len(core) + 1)
        first = (place for place in places if list(ids[place : place + len(core)]) == core)
        found += [(place - left, -len(core), place) for place in islice(first, 1)]
    if not found:
        return None
    _, length, place = min(found)
    return place, place - length


def _tokenize_frame(processor: Any, chat: Chat) -> list[list[int]]:
    """Return the tokens of what stands before, between and behind the users' turns."""
    turns = [
        {
            **turn,
            "content": [to_template_content(MARK)]
            if turn["role"] == "user"
            else [part for part in turn["content"] if part["type"] == "text"],
        }
        for turn in chat
    ]
    tokenizer = get_tokenizer(processor)
    known = FRAMES.setdefault(tokenizer, {})
    # Most chats are a user's turn alone, whose frame is always the same.
    key = f"{processor.chat_template}{turns}"
    if key not in known:
        if len(known) >= MAX_FRAMES:
            known.clear()
        parts = render_template(processor, turns).split(MARK)
        known[key] = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in parts]
    return known[key]


def _find_media_ids(processor: Any) -> set[int]:
    """Return the ids of the placeholder tokens of images and other media."""
    tokenizer = get_tokenizer(processor)
    names = [getattr(processor, each.token_name, None) for each in find_media_modalities().values()]
    tokens = {str(name) for name in names if name is not None}
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in tokens}
    # A name that is no token has the id of the unknown token. `get_vocab` would copy 100,000 words.
    return {
        found for token, found in ids.items()
        if found is not None and tokenizer.convert_ids_to_tokens(found) == token
    }  # fmt: skip
