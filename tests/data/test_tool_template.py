"""Tools in chat templates: rendered for each chat, and refused where a template has no place."""

import pytest

from coterie.data.chat_template import apply_template
from coterie.data.tool_template import check_tools, get_common_tools
from tests.tinies.base import tokenizer

TEMPLATE = (
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


def test_each_chat_has_its_own_tools() -> None:
    words = tokenizer()
    words.chat_template = TEMPLATE
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
    check_tools(TEMPLATE, [chat], [tools])


def test_processors_take_one_list_for_a_batch() -> None:
    assert get_common_tools([[TOOL], [TOOL]]) == [TOOL] and get_common_tools([[], []]) is None
    with pytest.raises(ValueError, match="samples of a batch offer different tools"):
        get_common_tools([[TOOL], []])
