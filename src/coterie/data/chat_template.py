"""Chat templates: prompts as tokens, and the token that ends an answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from coterie.modalities.base import find_media_modalities

_HEAD = """\
{%- for message in messages -%}
{{- message['role'] + ': ' -}}
{%- if message['content'] is string -%}{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
"""
_TAIL = """\
{{- part['text'] -}}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message['role'] == 'assistant' -%}{{- eos_token -}}{%- endif -%}
{{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'assistant: ' -}}{%- endif -%}"""


def make_template() -> str:
    """The template of models without one of their own: "user: ...", a line each message."""
    branches = [
        f"if part['type'] == '{name}' -%}}"
        f"{{{{- {each.token_name} | default('{each.placeholder}') -}}}}\n"
        for name, each in find_media_modalities().items()
    ]
    return _HEAD + "{%- " + "{%- el".join(branches) + "{%- else -%}" + _TAIL


TEMPLATE = make_template()
"""`make_template()` of the modalities that coterie has."""

Chat = list[dict[str, Any]]


def get_tokenizer(processor: Any) -> Any:
    """The processor's tokenizer; `processor` itself where it is one."""
    return getattr(processor, "tokenizer", processor)


def apply_template(processor: Any, chats: Sequence[Chat]) -> Mapping[str, Any]:
    """One call of the processor over prompts, padded as it likes, as tensors.

    Args:
        chats: a chat a sample, of `Sample.chat`.

    Raises ValueError where a model that reads text alone is given media.
    """
    common: dict[str, Any] = {
        "add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"
    }  # fmt: skip
    if get_tokenizer(processor) is processor:
        texts = [[_to_plain_message(message) for message in chat] for chat in chats]
        encoded = processor.apply_chat_template(texts, padding=True, **common)
        return {key: encoded[key] for key in ("input_ids", "attention_mask")}
    names = _get_media_tokens(processor) if processor.chat_template == make_template() else {}
    return processor.apply_chat_template(
        list(chats), processor_kwargs={"padding": True}, **common, **names
    )


def get_end_of_turn_id(processor: Any) -> int:
    """The id of the token that ends the assistant's turn, as the chat template writes it.

    The tokenizer's end token, where the template puts no special token behind an answer.
    """
    tokenizer = get_tokenizer(processor)
    answer = "an answer"
    bare = tokenizer is processor
    asked = {"role": "user", "content": "a question" if bare else _to_template_part("a question")}
    said = {"role": "assistant", "content": answer if bare else _to_template_part(answer)}
    whole = processor.apply_chat_template([asked, said], tokenize=False)
    after = whole.rpartition(answer)[2] if answer in whole else ""
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ids = tokenizer(after, add_special_tokens=False)["input_ids"] if after.strip() else []
    return next((each for each in ids if each in special), tokenizer.eos_token_id)


def _to_template_part(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _get_media_tokens(processor: Any) -> dict[str, str]:
    """The placeholders that `make_template` refers to."""
    keys = [each.token_name for each in find_media_modalities().values()]
    named = {key: getattr(processor, key, None) for key in keys}
    return {key: str(token) for key, token in named.items() if token is not None}


def _to_plain_message(message: dict[str, Any]) -> dict[str, str]:
    """A message as templates of text models take it: the content is one text."""
    kinds = {part["type"] for part in message["content"]} - {"text"}
    if kinds:
        raise ValueError(
            f"a sample has media ({', '.join(sorted(kinds))}), but the model has a tokenizer only "
            "and reads text alone: take a multimodal model, or rows without media"
        )
    return {
        "role": message["role"],
        "content": "\n".join(part["text"] for part in message["content"]),
    }
