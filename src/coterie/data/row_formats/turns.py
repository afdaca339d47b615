"""Turns of a dialogue: the names of roles and keys in use, tool calls, and the samples in them."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import Row, check_text, format_value
from coterie.data.row_formats.media_fields import parse_media
from coterie.data.row_formats.placeholders import MediaQueue
from coterie.data.sample import MediaFile, Message, Role
from coterie.modalities.base import find_media_modalities

PromptAndAnswers = tuple[tuple[Message, ...], tuple[str, ...]]
"""Messages of a prompt, and its accepted answers."""
Parts = tuple[str | MediaFile, ...]

ROLES: Mapping[str, Role] = {
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "developer": "system", "human": "user", "gpt": "assistant", "model": "assistant",
    "bot": "assistant", "chatgpt": "assistant", "function": "tool", "observation": "tool",
    "function_response": "tool", "function_call": "assistant"
}  # fmt: skip
"""Role in rows -> role: of transformers and OpenAI, of ShareGPT and LLaVA, of Gemma and others."""
ROLE_KEYS, CONTENT_KEYS = ("role", "from"), ("content", "value")
"""Keys of a turn: of transformers and OpenAI, of ShareGPT and LLaVA."""
TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a text among the parts of a content."""
MAX_TURNS = 1000
"""The most turns of a row, each of which may be a sample with all before it as its prompt."""


def parse_turns(given: Any, media: MediaQueue, field: str) -> list[tuple[Message, bool]]:
    """Parse a list of turns, each with whether it is learned. Raises RowError if one is invalid."""
    if not (isinstance(given, list) and given):
        raise RowError(field, f"is {format_value(given)}: give a list of at least one turn")
    if len(given) > MAX_TURNS:
        raise RowError(field, f"has {len(given)} turns: at most {MAX_TURNS} are read")
    return [parse_turn(turn, media, f"{field}[{i}]") for i, turn in enumerate(given)]


def parse_turn(turn: Any, media: MediaQueue, field: str) -> tuple[Message, bool]:
    """Parse one turn, and whether it is learned: not one of the assistant with "weight": 0."""
    if not isinstance(turn, Mapping):
        problem = f'is {format_value(turn)}: give an object with "role" and "content"'
        raise RowError(field, problem)
    role_key, content_key = find_key(turn, ROLE_KEYS), find_key(turn, CONTENT_KEYS)
    role, content = turn.get(role_key), turn.get(content_key)
    if not (isinstance(role, str) and role in ROLES):
        known = ", ".join(ROLES)
        raise RowError(f"{field}.{role_key}", f"is {format_value(role)}: give {known}")
    place = f"{field}.{content_key}"
    if role == "function_call":  # LLaMA-Factory's, whose text is the call
        calls, content = parse_calls([parse_json_field(content, place)], place), None
    else:
        calls = parse_calls(turn.get("tool_calls"), f"{field}.tool_calls")
    is_call_only = bool(calls) and content in (None, "", [])
    message = Message(
        role=ROLES[role],
        parts=() if is_call_only else parse_content(content, media, place),
        tool_calls=calls,
        tool_name=turn["name"] if isinstance(turn.get("name"), str) else None,
        tool_call_id=turn["tool_call_id"] if isinstance(turn.get("tool_call_id"), str) else None,
    )
    return message, turn.get("weight") != 0


def find_key(turn: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the first of some keys that a turn has, or the first."""
    return next((name for name in names if turn.get(name) is not None), names[0])


def parse_content(content: Any, media: MediaQueue, field: str) -> Parts:
    """Parse the content of a turn: text, or a list of parts."""
    if isinstance(content, list) and content:
        parts = [parse_part(part, media, f"{field}[{i}]") for i, part in enumerate(content)]
        return tuple(chain.from_iterable(parts))
    if content is None or isinstance(content, list):
        raise RowError(field, f"is {format_value(content)}: give text or a list of parts")
    check_text(content, field)
    return media.split_at_placeholders(content, field)


def parse_part(part: Any, media: MediaQueue, field: str) -> Parts:
    """Parse one part of a message: text with its placeholders replaced, or a media item."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in TEXT_PARTS:
        field = f"{field}.text"
        check_text(part.get("text"), field)
        return media.split_at_placeholders(part["text"], field)
    known = find_media_modalities()
    modality = next((x for x in known.values() if kind in (x.name, *x.aliases)), None)
    if modality is None:
        kinds = " or ".join(known)
        raise RowError(field, f"is {format_value(part)}: give an object of type text, {kinds}")
    # "source" is Anthropic's.
    for name in (modality.name, *modality.aliases, "path", "url", "source"):
        if part.get(name) is not None:
            return (parse_media(modality.name, part[name], media.folder, f"{field}.{name}"),)
    return (media.take_next(modality.name, field),)


def parse_calls(given: Any, field: str) -> tuple[Mapping[str, Any], ...]:
    """Parse tool calls, {"name", "arguments"}, which may be under "function".

    Arguments in JSON text become an object, as chat templates take them.
    """
    if given is None:
        return ()
    if not isinstance(given, list):
        raise RowError(field, f"is {format_value(given)}: give a list of calls")
    found = []
    for i, item in enumerate(given):
        place = f"{field}[{i}]"
        call = item.get("function", item) if isinstance(item, Mapping) else None
        if not (isinstance(call, Mapping) and isinstance(call.get("name"), str)):
            problem = f'is {format_value(item)}: give an object with "name" and "arguments"'
            raise RowError(place, problem)
        arguments = parse_json_field(call.get("arguments", {}), f"{place}.arguments")
        if not isinstance(arguments, Mapping):
            raise RowError(f"{place}.arguments", f"is {format_value(arguments)}: give an object")
        # Parquet fills objects with nulls, so that all calls have the same arguments.
        arguments = {key: value for key, value in arguments.items() if value is not None}
        function = {"name": call["name"], "arguments": arguments}
        identity = {"id": item["id"]} if isinstance(item.get("id"), str) else {}
        item.get("type")  # is always "function"; this counts as a read
        found.append({"type": "function", "function": function, **identity})
    return tuple(found)


def parse_tools(row: Row) -> tuple[Mapping[str, Any], ...]:
    """Parse the column `tools`: the JSON schemas of functions, as a list or in JSON text."""
    given = parse_json_field(row.get("tools"), "tools")
    if given in (None, [], ""):
        return ()
    if not (isinstance(given, list) and all(isinstance(tool, Mapping) for tool in given)):
        raise RowError("tools", f"is {format_value(given)}: give a list of functions")
    return tuple(given)


def parse_json_field(value: Any, field: str) -> Any:
    """Return the JSON in a text; other values as they are."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RowError(field, f"is {format_value(value)}, which is not JSON: {error}") from None


def parse_system(row: Row, columns: Columns, own: Message | None = None) -> tuple[Message, ...]:
    """Return the message of the system, if there is one, with which a row's prompts begin.

    It is `own`, a turn of the row, or the text in the column `system`, or the task's. Raises
    RowError for a row with a system turn and another text in its column.
    """
    given, text = row.get("system"), columns.system
    if given is not None and given != "" and "system" not in columns.list_text_columns():
        check_text(given, "system")
        text = given
        if own is not None and own.parts != (text,):
            raise RowError("system", f"is {format_value(given)}, and the first turn is the "
                                     "system's, too: leave one out")  # fmt: skip
    if own is not None:
        return (own,)
    return () if text is None else (Message(role="system", parts=(text,)),)


def split_dialogue(
    messages: Sequence[Message], field: str, learned: Sequence[bool]
) -> list[PromptAndAnswers]:
    """Split a dialogue into one sample per learned turn of the assistant, after the earlier turns.

    Raises RowError if there is none, one does not follow a user's or a tool's turn, or has media.
    """
    found: list[PromptAndAnswers] = []
    for index, turn in enumerate(messages):
        place = f"{field}[{index}]"
        if turn.role == "system" and index:
            raise RowError(place, "is a turn of the system: it can only be the first")
        if turn.role != "assistant":
            continue
        if not index or messages[index - 1].role not in ("user", "tool"):
            raise RowError(place, "is the assistant's, but no turn of the user is before it")
        if any(isinstance(part, MediaFile) for part in turn.parts):
            raise RowError(place, "has a picture or sound: an answer is of text alone")
        if learned[index]:
            found.append((tuple(messages[:index]), (format_answer(turn),)))
    if not found:
        problem = f"has no turn of the assistant among {len(messages)}: nothing to learn"
        raise RowError(field, problem)
    return found


def format_answer(turn: Message) -> str:
    """Return the text of a turn, and its tool calls as JSON, a line each."""
    texts = [str(part) for part in turn.parts]
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in turn.tool_calls]
    return "\n".join([*texts, *calls]).strip()
