"""What is asked of a chat template, with one and without."""

from coterie.data.chat_template import apply_template, get_end_of_turn_id, make_template
from tests.tinies.base import tokenizer

MARKED = (
    "{% for m in messages %}<|im|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im|>assistant\n{% endif %}"
)


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
