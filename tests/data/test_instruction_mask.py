"""Which tokens of a prompt are the user's, in the manner of several families' templates."""

import warnings
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoTokenizer

from coterie.data.chat_template import apply_template, get_tokenizer, make_template
from coterie.data.instruction_mask import find_instructions, mark_instructions
from tests.tinies.base import pictures, tokenizer
from tests.tiny import TINY

QWEN = (
    "{% if messages[0]['role'] != 'system' %}<|im|>system\nYou are helpful.<|end|>\n{% endif %}"
    "{% for m in messages %}<|im|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im|>assistant\n{% endif %}"
)
MISTRAL = (
    "<s>{% for m in messages %}{% if m['role'] == 'user' %} [INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}</s>{% endif %}{% endfor %}"
)
GEMMA = (
    "<s>{% for m in messages %}<|im|>{{ m['role'] }}\n{{ m['content'] | trim }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im|>model\n{% endif %}"
)
SHOUTING = "{% for m in messages %}{{ m['content'] | upper }}\n{% endfor %}"


def turn(role, text):
    return {"role": role, "content": [{"type": "text", "text": text}]}


ONE = [turn("user", "what is this?")]
MANY = [
    turn("user", "is this a cat?"),
    turn("assistant", "it is."),
    turn("user", "user: a mat? assistant"),
]


def marked(processor, chats):
    encoded = apply_template(processor, chats)
    mask = mark_instructions(processor, chats, encoded)
    words = get_tokenizer(processor)
    rows = zip(encoded["input_ids"], mask, strict=True)
    return [words.decode(ids[chosen]) for ids, chosen in rows]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("template", [QWEN, MISTRAL, GEMMA, make_template()])
def test_the_users_turns_and_nothing_else(template, side):
    words = tokenizer("<|im|>", "<|end|>", side=side)
    words.chat_template = template
    first, second = marked(words, [ONE, MANY])
    # A tokenizer may merge a blank or a line's end with what stands beside it.
    assert first.strip() == "what is this?"
    assert "".join(second.split()) == "isthisacat?user:amat?assistant"


def test_the_system_turn_is_not_the_users():
    words = tokenizer("<|im|>", "<|end|>")
    words.chat_template = QWEN
    assert marked(words, [[turn("system", "what is this?"), *ONE]]) == ["what is this?"]


FAMILIES = ["gemma3", "idefics3", "internvl", "llava", "mllama", "paligemma", "qwen2_vl"]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_image_is_part_of_the_instruction(name):
    tiny = TINY[name]()
    assert tiny.files is not None
    processor = tiny.files.load(tiny.model.config)
    image = {"type": "image", "image": pictures((56, 56))[0]}
    chat = [turn("system", "be short."), *ONE]
    chat[1] = {"role": "user", "content": [image, *ONE[0]["content"]]}
    encoded = apply_template(processor, [chat])
    mask = mark_instructions(processor, [chat], encoded)[0]
    words, ids = get_tokenizer(processor), encoded["input_ids"][0]
    assert words.decode(ids[mask]).endswith("what is this?")
    image_token = words.convert_tokens_to_ids(str(processor.image_token))
    assert (ids[mask] == image_token).sum() == (ids == image_token).sum() > 0
    assert "be short" in words.decode(ids[~mask]) and "this" not in words.decode(ids[~mask])


def test_a_template_that_rewrites_the_text_is_told_of():
    words = tokenizer()
    words.chat_template = SHOUTING
    chat = [turn("system", "be short."), *ONE]
    with pytest.warns(UserWarning, match="averages the whole prompt"):
        assert marked(words, [chat]) == ["BE SHORT.\nWHAT IS THIS?\n"]


@pytest.mark.parametrize(
    ("ids", "frame", "found"),
    [
        # header 1 2, the user's 7 8, footer 3 4
        ([1, 2, 7, 8, 3, 4], [[1, 2], [3, 4]], [(2, 4)]),
        # the tokenizer merged the header's 2 with the user's first
        ([1, 9, 8, 3, 4], [[1, 2], [3, 4]], [(1, 3)]),
        # the user says what the footer says: the last one is the footer
        ([1, 2, 3, 4, 3, 4], [[1, 2], [3, 4]], [(2, 4)]),
        # two turns, with 5 6 between them
        ([1, 7, 5, 6, 8, 2], [[1], [5, 6], [2]], [(1, 2), (4, 5)]),
        # an empty turn
        ([1, 2], [[1], [2]], [(1, 1)]),
        # no footer
        ([1, 7], [[1], []], [(1, 2)]),
        # the header is not there
        ([7, 8, 3], [[1], [3]], None),
    ],
)
def test_worked_by_hand(ids, frame, found):
    assert find_instructions(ids, frame) == found


def test_padding_is_never_marked():
    words = tokenizer(side="left")
    words.chat_template = make_template()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chats = [ONE, MANY]
        encoded = apply_template(words, chats)
        mask = mark_instructions(words, chats, encoded)
    assert not (mask & (encoded["attention_mask"] == 0)).any()
    assert mask.dtype == torch.bool


def test_a_batch_copies_no_vocabulary(monkeypatch):
    # Of a model's 50,000 words and more, that took longer than all else of a batch.
    words = tokenizer("<|im|>", "<|end|>")
    words.chat_template = QWEN
    monkeypatch.setattr(type(words), "get_vocab", None)
    assert marked(words, [ONE]) == ["what is this?"]


WEIGHTS = Path.home() / ".cache/coterie/weights/llm"
QUESTIONS = (
    "What is the capital of Norway?", "Write a short poem about rain.",
    "How many dogs are in the picture?", "Translate this sentence into French.",
    "Read the text on the sign.", "List the ingredients of this dish.", "Add 17 and 25.",
    "Explain how a bicycle works.",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="`coterie fetch` brings the language model")
def test_unrelated_questions_differ_more_without_what_all_prompts_have():
    words = AutoTokenizer.from_pretrained(WEIGHTS)
    with safe_open(WEIGHTS / "model.safetensors", "pt") as file:
        embeddings = file.get_tensor("model.embed_tokens.weight").float()
    means = []
    for question in QUESTIONS:
        chat = [turn("user", question)]
        encoded = apply_template(words, [chat])
        ids, mask = encoded["input_ids"][0], mark_instructions(words, [chat], encoded)[0]
        means.append(torch.stack([embeddings[ids].mean(0), embeddings[ids[mask]].mean(0)]))
    pairs = list(combinations(means, 2))[:20]
    whole, own = torch.stack([torch.cosine_similarity(*pair) for pair in pairs]).mean(0).tolist()
    # Measured, with the 37 tokens of a prompt and the 7 of its user's turn.
    assert (whole, own) == pytest.approx((0.966, 0.546), abs=0.001)


def test_a_template_without_the_users_text_has_no_instruction():
    assert find_instructions([4, 5], [[4, 5]]) is None
