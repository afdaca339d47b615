"""What is asked of a chat template, with one and without, and of one with tools."""

import pytest

from coterie.data.chat_template import (
    apply_template,
    check_tools,
    get_common_tools,
    get_end_of_turn_id,
    make_template,
)
from tests.tinies.base import tokenizer

MARKED = (
    "{% for m in messages %}<|im|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im|>assistant\n{% endif %}"
)
TOOL_TEMPLATE = (
    "{% if tools %}can: {% for t in tools %}{{ t['function']['name'] }} {% endfor %}{% endif %}"
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}"
    "{% for c in m.get('tool_calls', []) %}{{ c['function']['name'] }}"
    "{{ c['function']['arguments'] | tojson }}{% endfor %}{% if m['role'] == 'tool' %}!{% endif %}"
    "\n{% endfor %}"
)
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}


def message(role: str, text: str = "", **more):
    return {"role": role, "content": [{"type": "text", "text": text}] if text else [], **more}


def chat(*parts):
    return [{"role": "user", "content": [{"type": "text", "text": part} for part in parts]}]


def test_the_plain_template():
    words = tokenizer()
    words.chat_template = make_template()
    rows = apply_template(words, [chat("is this a cat", "on a mat?")])["input_ids"]
    assert words.decode(rows[0]) == "user: is this a cat\non a mat?\nassistant: "
    assert get_end_of_turn_id(words) == words.eos_token_id


def test_the_token_that_ends_a_turn_is_the_templates():
    words = tokenizer("<|im|>", "<|end|>")
    words.chat_template = MARKED
    assert get_end_of_turn_id(words) == words.convert_tokens_to_ids("<|end|>") != words.eos_token_id


def test_a_text_models_template_may_read_parts_alone():
    words = tokenizer("<|im|>")
    words.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: "
        "{% for part in m['content'] %}{{ part['text'] }}{% endfor %}<|im|>{% endfor %}"
    )
    rows = apply_template(words, [chat("is this a cat")])["input_ids"]
    assert words.decode(rows[0]) == "user: is this a cat<|im|>"
    assert get_end_of_turn_id(words) == words.convert_tokens_to_ids("<|im|>")
    # It knows templates one by one.
    words.chat_template = make_template()
    rows = apply_template(words, [chat("is this a cat")])["input_ids"]
    assert words.decode(rows[0]) == "user: is this a cat\nassistant: "


def test_each_chat_has_its_own_tools() -> None:
    words = tokenizer()
    words.chat_template = TOOL_TEMPLATE
    chats = [
        [
            message("user", "one?", tools=[TOOL]),
            message("assistant", tool_calls=[CALL]),
            message("tool", "2"),
        ],
        [message("user", "two?")],
    ]
    rows = apply_template(words, chats)
    said = [words.decode(ids[mask.bool()]) for ids, mask in zip(*rows.values(), strict=True)]
    # transformers' templates drop line breaks after blocks.
    assert said == ['can: add user: one?assistant: add{"a": 1}tool: 2!', "user: two?"]


@pytest.mark.parametrize(
    "chat, tools, name",
    [
        ([message("user", "?")], [TOOL], "tools"),
        ([message("user", "?"), message("assistant", tool_calls=[CALL])], [], "tool_calls"),
        ([message("tool", "2")], [], "tool"),
    ],
)
def test_a_template_without_a_place_for_them(chat, tools, name) -> None:
    with pytest.raises(ValueError, match=f"a sample has '{name}', of which the base's chat temp"):
        check_tools("{{ messages }}", [chat], [tools])
    check_tools(TOOL_TEMPLATE, [chat], [tools])


def test_processors_take_one_list_for_a_batch() -> None:
    assert get_common_tools([[TOOL], [TOOL]]) == [TOOL] and get_common_tools([[], []]) is None
    with pytest.raises(ValueError, match="samples of a batch offer different tools"):
        get_common_tools([[TOOL], []])
