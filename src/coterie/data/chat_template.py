"""Chat templates: tokenized prompts with their tools, and the token that ends a turn."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from coterie.data.bounded_template import bound_templates
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
PROBE = "a text that a template shows"
PART_READERS: WeakKeyDictionary[Any, dict[str, bool]] = WeakKeyDictionary()
"""Tokenizer -> template -> whether it reads parts alone, as rendering takes a millisecond."""


def get_tokenizer(processor: Any) -> Any:
    """Return the processor's tokenizer, or `processor` itself if it is a tokenizer."""
    return getattr(processor, "tokenizer", processor)


def writes_image_itself(processor: Any) -> bool:
    """Return whether a processor puts the tokens of one image before each text, as BLIP-2's do."""
    return "num_query_tokens" in inspect.signature(type(processor).__init__).parameters


def reads_video(processor: Any) -> bool:
    """Return whether a processor has one for videos, or the keyword of an omni model's."""
    if getattr(processor, "video_processor", None) is not None:
        return True
    return find_media_modalities()["video"].values in processor.model_input_names


def apply_template(processor: Any, chats: Sequence[Chat]) -> Mapping[str, Any]:
    """Tokenize the chats of a batch, of `to_chat_messages`, in one call, padded, as tensors.

    Raises ValueError for media that the model does not read, and tools that the template lacks.
    """
    common: dict[str, Any] = dict(
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    chats, tools = take_tools(chats)
    check_tools(processor.chat_template, chats, tools)
    if get_tokenizer(processor) is processor:
        texts = [[_to_text_message(processor, message) for message in chat] for chat in chats]
        with bound_templates(processor.name_or_path):
            encoded = _encode_texts(processor, texts, tools, common)
        return {key: encoded[key] for key in ("input_ids", "attention_mask")}
    settings: dict[str, Any] = {"padding": True}
    kinds = {part["type"] for chat in chats for message in chat for part in message["content"]}
    if "video" in kinds:
        if not reads_video(processor):
            raise ValueError(
                f"a sample has a video, and a {type(processor).__name__} reads none: take a base "
                "that does, or give some of the frames as images"
            )
        settings["do_sample_frames"] = False  # they are sampled
    if offered := get_common_tools(tools):
        common["tools"] = offered
    common |= _get_placeholders(processor)
    with bound_templates(get_tokenizer(processor).name_or_path):
        return processor.apply_chat_template(chats, processor_kwargs=settings, **common)


def render_template(processor: Any, chat: Chat) -> str:
    """Render a chat without media as `apply_template` does, before it is tokenized."""
    (messages,), (tools,) = take_tools([chat])
    common: dict[str, Any] = dict(add_generation_prompt=True, tokenize=False, tools=tools or None)
    if get_tokenizer(processor) is processor:
        messages = [_to_text_message(processor, message) for message in messages]
    else:
        common |= _get_placeholders(processor)
    with bound_templates(get_tokenizer(processor).name_or_path):
        return processor.apply_chat_template(messages, **common)


def _get_placeholders(processor: Any) -> dict[str, str]:
    """Return the placeholder tokens that `make_template`, also of an earlier release, renders."""
    if not str(processor.chat_template).startswith(_HEAD):
        return {}
    if writes_image_itself(processor):
        return {"image_token": ""}
    names = [each.token_name for each in find_media_modalities().values()]
    tokens = {name: getattr(processor, name, None) for name in names}
    return {name: str(token) for name, token in tokens.items() if token is not None}


def _encode_texts(
    tokenizer: Any, texts: list[Chat], tools: list[list[Any]], common: dict[str, Any]
) -> Mapping[str, Any]:
    if not any(tools):
        return tokenizer.apply_chat_template(texts, padding=True, **common)
    # The template takes one list of tools for all, so each chat is rendered alone.
    rendered = [
        tokenizer.apply_chat_template(
            chat, tools=offered or None, add_generation_prompt=True, tokenize=False
        )
        for chat, offered in zip(texts, tools, strict=True)
    ]
    return tokenizer(rendered, padding=True, add_special_tokens=False, return_tensors="pt")


def get_end_of_turn_id(processor: Any) -> int:
    """Return the id of the token that ends the assistant's turn in the chat template.

    It is the tokenizer's EOS token if the template writes no special token after an answer.
    """
    tokenizer = get_tokenizer(processor)
    answer = "an answer"
    plain = tokenizer is processor and not reads_parts(tokenizer)
    chat = [
        {"role": role, "content": text if plain else [to_template_content(text)]}
        for role, text in (("user", "a question"), ("assistant", answer))
    ]
    with bound_templates(tokenizer.name_or_path):
        _, found, after = processor.apply_chat_template(chat, tokenize=False).rpartition(answer)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ids = tokenizer(after, add_special_tokens=False)["input_ids"] if found and after.strip() else []
    return next((each for each in ids if each in special), tokenizer.eos_token_id)


def reads_parts(tokenizer: Any) -> bool:
    """Return whether a text model's template shows a text only as a list of parts.

    Templates of multimodal models do, and would leave a text out that is a string, without a word.
    """
    known = PART_READERS.setdefault(tokenizer, {})
    template = str(tokenizer.chat_template)
    if template not in known:
        parts = [to_template_content(PROBE)]
        known[template] = not _shows(tokenizer, PROBE) and _shows(tokenizer, parts)
    return known[template]


def _shows(tokenizer: Any, content: Any) -> bool:
    """Return whether the template writes a user's text, in whatever case."""
    chat = [{"role": "user", "content": content}]
    try:
        with bound_templates(tokenizer.name_or_path):
            text = tokenizer.apply_chat_template(chat, tokenize=False)
    except Exception:  # templates raise many types; the rows themselves are then refused
        return False
    return PROBE in text.casefold()


def _to_text_message(tokenizer: Any, message: dict[str, Any]) -> dict[str, Any]:
    """Convert a message to what a text model's template reads, mostly one string."""
    kinds = {part["type"] for part in message["content"]} - {"text"}
    if kinds:
        raise ValueError(
            f"a sample has media ({', '.join(sorted(kinds))}), but the model has a tokenizer only "
            "and reads text alone: take a multimodal model, or rows without media"
        )
    if reads_parts(tokenizer):
        return message
    text = "\n".join(part["text"] for part in message["content"])
    return {**message, "content": text}


def take_tools(chats: Sequence[Chat]) -> tuple[list[Chat], list[list[Any]]]:
    """Return the chats without the functions that they offer, and those of each."""
    tools = [list(chat[0].get("tools", ())) for chat in chats]
    plain = [[{key: value for key, value in message.items() if key != "tools"} for message in chat]
             for chat in chats]  # fmt: skip
    return plain, tools


def check_tools(template: object, chats: Sequence[Chat], tools: Sequence[list[Any]]) -> None:
    """Raise ValueError if a template has no place for what the chats have of tools.

    Templates pass over what they do not know, and the model would learn from the rest.
    """
    text = str(template)
    needs = {
        "tools": any(tools),
        "tool_calls": any("tool_calls" in message for chat in chats for message in chat),
        "tool": any(message["role"] == "tool" for chat in chats for message in chat),
    }
    for name, is_needed in needs.items():
        if is_needed and name not in text:
            raise ValueError(
                f"a sample has {name!r}, of which the base's chat template knows nothing: take a "
                "base that was trained to call tools, or write the calls as text"
            )


def get_common_tools(tools: Sequence[list[Any]]) -> list[Any] | None:
    """Return the functions that all chats of a batch offer; None for none.

    Raises ValueError if they differ, as processors with media take one list for all.
    """
    if any(each != tools[0] for each in tools):
        raise ValueError(
            "samples of a batch offer different tools, and processors of images take one list for "
            "all: give batch_size=1"
        )
    return tools[0] or None
