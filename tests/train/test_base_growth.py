"""A run grows by a modality: its base model may become one that contains the old one whole."""

import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import coterie
from coterie import recipes
from coterie.encoding.encoder import Encoder
from coterie.models.omni.assembly import assemble
from coterie.tasks import TextTask
from coterie.train.base_growth import BaseContents, check_contains, digest, find_new_connectors
from tests.tinies.omni import encoders, omni_processor
from tests.train.small import OPTIONS, adapter, base, tasks

IMAGE, _, AUDIO = encoders()
LANGUAGE, NEW = "model.language_model.", "model.connectors.audio."


def make_base(folder: Path, kinds: Sequence[Encoder]) -> Path:
    torch.manual_seed(0)  # of the embeddings of the placeholders
    own = [(each, None) for each in kinds]
    return assemble(folder, language_model=base(), encoders=own, processor=omni_processor(kinds))


def make_sounds(folder: Path) -> TextTask:
    rows = []
    for number in range(4):
        samples = np.sin(np.arange(8000) * (number + 1) / 50) * 2**14
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, len(samples), "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        rows.append({"audio": f"{number}.wav", "question": "what is it?", "answer": str(number)})
    (folder / "sounds.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return TextTask(name="sounds", rows={"train": "sounds.jsonl"}, folder=str(folder))


def test_speech_is_added_with_its_encoder_and_connector(tmp_path: Path) -> None:
    small, large = (
        make_base(tmp_path / name, kinds)
        for name, kinds in (("small", (IMAGE,)), ("large", (IMAGE, AUDIO)))
    )
    old = coterie.train(
        recipes.shared_lora(rank=2, at=("text.mlp",)), base=small, tasks=tasks(),
        out=tmp_path / "old", steps=2, **OPTIONS,
    )  # fmt: skip
    new = coterie.add_tasks(
        old, tasks=make_sounds(tmp_path), out=tmp_path / "new", base=large, connectors=True,
        steps=2, learning_rate=1e-2, progress=False,
    )  # fmt: skip
    assert new.config.base == str(large)
    # Of the base model, the new connector alone is trained, and is in the adapter's file.
    more = {name for name in adapter(new) if ".coterie_" not in name}
    assert more and all(NEW in name for name in more)
    before, after = adapter(old), adapter(new)
    assert all(torch.equal(after[name], each) for name, each in before.items())
    # The other way round, the base model does not contain the old one.
    with pytest.raises(ValueError, match=rf"{small} has no model\.audio_tower.*would answer"):
        find_new_connectors(new, str(small))


def read(name: str, processor: Any, **weights: torch.Tensor) -> BaseContents:
    found = {key: digest(each) for key, each in weights.items()}
    return BaseContents(name=name, weights=found, processor=processor)


def test_a_weight_that_differs_is_named() -> None:
    same = omni_processor()
    one = read("old", same, a=torch.ones(2), b=torch.zeros(1))
    check_contains(read("old", same, a=torch.ones(2)), one)
    with pytest.raises(ValueError, match="the base model new has no b, and the run's"):
        check_contains(one, read("new", same, a=torch.ones(2)))
    near, last = torch.tensor([1.0, 1.0 + 2**-23]), torch.zeros(1)
    for other in (near, torch.ones(3), torch.ones(2, 1), torch.ones(2).double()):
        with pytest.raises(ValueError, match="has other values of a, and the run's"):
            check_contains(one, read("new", same, a=other, b=last))


def test_a_tokenizer_that_differs_is_refused() -> None:
    one, two = omni_processor(), omni_processor()
    check_contains(read("old", one), read("new", two))
    two.chat_template = "{{ messages[0].content[0].text }}"
    with pytest.raises(ValueError, match="new writes prompts otherwise: chat template"):
        check_contains(read("old", one), read("new", two))
    two.tokenizer.add_tokens(["<more>"])
    with pytest.raises(ValueError, match="old has no token, or another number, of '<more>', and"):
        check_contains(read("new", two), read("old", one))
