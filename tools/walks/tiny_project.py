"""A tiny project in a folder: models, rows and task files, each with what the walks look for."""

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, ViTConfig, ViTModel

WORD = "qzword"
"""Stands in each question and nowhere else."""
TOKEN = 97
"""Its token."""
VOCABULARY = ("yes", "no", "<pad>", "<s>", "</s>", "<unk>", "user", "assistant", ":", "which")
TASKS = ("qzfirst", "qzsecond")
ITEMS, RIGHT = 16, 3
SCORE = 100 * RIGHT / ITEMS
"""The text model says "yes" to everything, which is right of 3 test rows in 16."""
SIZE = 28
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : "
    "{% for part in message['content'] %}{{ part['text'] }} {% endfor %}{% endfor %}"
)
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def write_text_model(folder: Path) -> None:
    """A Llama whose last norm is zero: every logit is 0, and the first token, "yes", is chosen."""
    words = dict.fromkeys(VOCABULARY)
    ids = {word: index for index, word in enumerate(words)} | {WORD: TOKEN}
    core = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=TOKEN + 1,
        pad_token_id=ids["<pad>"],
        bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"],
        **SMALL,
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.zeros_(model.model.norm.weight)
    model.save_pretrained(folder)


def write_text_rows(folder: Path) -> None:
    """Rows of each task in each split; of the test rows only `RIGHT` have the answer "yes"."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        for split in ("train", "validation", "test"):
            right = RIGHT if split == "test" else ITEMS
            rows = [
                {"question": f"which {WORD}", "answer": "yes" if index < right else "no"}
                for index in range(ITEMS)
            ]
            text = "".join(f"{json.dumps(row)}\n" for row in rows)
            (folder / f"{name}-{split}.jsonl").write_text(text, encoding="utf-8")


def write_vision_model(folder: Path) -> None:
    """A random ViT of two layers."""
    config = ViTConfig(image_size=SIZE, patch_size=SIZE // 4, **SMALL)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)


def write_dense_rows(folder: Path) -> None:
    """NYUv2 as MTAN's preprocessing writes it: four pictures to train on, two to validate."""
    for split, count in (("train", 4), ("val", 2)):
        for index in range(count):
            for part, array in _dense_sample(index).items():
                file = folder / split / part / f"{index}.npy"
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file, array)


def _dense_sample(index: int) -> dict[str, np.ndarray]:
    size = (SIZE, SIZE)
    return {
        "image": np.full((*size, 3), 0.2, np.float32),
        "label": np.full(size, index % 13, np.float32),
        "depth": np.full((*size, 1), 2.5, np.float32),
        "normal": np.full((*size, 3), (0, -1, 0), np.float32),
    }
