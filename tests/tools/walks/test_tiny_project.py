"""The tiny project is what the walks take it for."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from walks import tiny_project


def test_the_text_model_says_yes_and_knows_the_word(tmp_path: Path) -> None:
    tiny_project.write_text_model(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer(f"which {tiny_project.WORD}", return_tensors="pt").input_ids
    assert tiny_project.TOKEN in ids[0].tolist()
    logits = AutoModelForCausalLM.from_pretrained(tmp_path)(ids).logits
    assert torch.equal(logits, torch.zeros_like(logits))
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == "yes"


def test_three_test_rows_in_sixteen_are_right(tmp_path: Path) -> None:
    tiny_project.write_text_rows(tmp_path)
    rows = (tmp_path / f"{tiny_project.TASKS[0]}-test.jsonl").read_text().splitlines()
    answers = [json.loads(row)["answer"] for row in rows]
    assert answers.count("yes") == 3 and len(answers) == 16 and tiny_project.SCORE == 18.75


def test_the_dense_rows_and_their_model_fit(tmp_path: Path) -> None:
    tiny_project.write_dense_rows(tmp_path / "rows")
    assert len(list((tmp_path / "rows").rglob("*.npy"))) == (4 + 2) * 4
    image = np.load(tmp_path / "rows" / "val" / "image" / "1.npy")
    tiny_project.write_vision_model(tmp_path / "model")
    model = AutoModel.from_pretrained(tmp_path / "model", add_pooling_layer=False)
    assert image.shape == (28, 28, 3) and model.config.image_size == 28
