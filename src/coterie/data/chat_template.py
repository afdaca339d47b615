"""Chat templates: tokenized prompts, and the token that ends the assistant's turn."""

from collections.abc import Mapping, Sequence
from typing import Any

from coterie.data.sample import to_template_content
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
    """Return the default template for all installed modalities: "role: content", a line each."""
    branches = [
        f"if part['type'] == '{name}' -%}}"
        f"{{{{- {each.token_name} | default('{each.placeholder}') -}}}}\n"
        for name, each in find_media_modalities().items()
    ]
    return _HEAD + "{%- " + "{%- el".join(branches) + "{%- else -%}" + _TAIL


Chat = list[dict[str, Any]]


def get_tokenizer(processor: Any) -> Any:
    """Return the processor's tokenizer, or `processor` itself if it is a tokenizer."""
    return getattr(processor, "tokenizer", processor)


def apply_template(processor: Any, chats: Sequence[Chat]) -> Mapping[str, Any]:
    """Tokenize the chats of a batch, of `to_chat_messages`, in one call, padded, as tensors.

    Raises ValueError if a text-only model is given media.
    """
    common: dict[str, Any] = dict(
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    if get_tokenizer(processor) is processor:
        texts = [[_to_plain_message(message) for message in chat] for chat in chats]
        encoded = processor.apply_chat_template(texts, padding=True, **common)
        return {key: encoded[key] for key in ("input_ids", "attention_mask")}
    if str(processor.chat_template).startswith(_HEAD):  # of this release, or of one before
        names = [each.token_name for each in find_media_modalities().values()]
        tokens = {name: getattr(processor, name, None) for name in names}
        common |= {name: str(token) for name, token in tokens.items() if token is not None}
    return processor.apply_chat_template(list(chats), processor_kwargs={"padding": True}, **common)


def get_end_of_turn_id(processor: Any) -> int:
    """Return the id of the token that ends the assistant's turn in the chat template.

    It is the tokenizer's EOS token if the template writes no special token after an answer.
    """
    tokenizer = get_tokenizer(processor)
    answer = "an answer"
    chat = [
        {"role": role, "content": text if tokenizer is processor else [to_template_content(text)]}
        for role, text in (("user", "a question"), ("assistant", answer))
    ]
    _, found, after = processor.apply_chat_template(chat, tokenize=False).rpartition(answer)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ids = tokenizer(after, add_special_tokens=False)["input_ids"] if found and after.strip() else []
    return next((each for each in ids if each in special), tokenizer.eos_token_id)


def _to_plain_message(message: dict[str, Any]) -> dict[str, str]:
    """Convert a message to the format of text models, whose content is one string."""
    kinds = {part["type"] for part in message["content"]} - {"text"}
    if kinds:
        raise ValueError(
            f"a sample has media ({', '.join(sorted(kinds))}), but the model has a tokenizer only "
            "and reads text alone: take a multimodal model, or rows without media"
        )
    text = "\n".join(part["text"] for part in message["content"])
    return {"role": message["role"], "content": text}
