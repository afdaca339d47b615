"""Adapters that a hand edited, or that hold what is no weight: one line that names the file."""

import json
import pickle
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from coterie import Lora, Mixture, TaskGate, graft
from coterie.train import adapter_weights
from coterie.tuner.config import CoterieConfig
from tests.hostile.mutations import mutate
from tests.tinies.text import llama

FILE = "adapter_config.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter with a task gate."""
    folder = tmp_path_factory.mktemp("adapter")
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 3)), gate=TaskGate())
    graft(llama().model, mixture, tasks=("a", "b")).save_pretrained(str(folder))
    return folder


def read(folder: Path, text: str) -> CoterieConfig | None:
    """Read the edited configuration; None if it is refused, which must be in one line."""
    (folder / FILE).write_text(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT's, on keys that it does not know
            return CoterieConfig.from_pretrained(str(folder))
    except ValueError as error:
        line = str(error)
    assert line.startswith(str(folder / FILE)) and "\n" not in line and len(line) < 800
    return None


def test_hand_edited_configurations_are_one_line(saved: Path, tmp_path: Path) -> None:
    data = json.loads((saved / FILE).read_text())
    some = (text for number, (_, text) in enumerate(mutate(data)) if number % 40 == 0)
    found = Counter(read(tmp_path, text) is None for text in some)
    assert found[True] > 20 and found[False] > 0


@pytest.mark.slow
def test_all_hand_edited_adapters_are_one_line(saved: Path, tmp_path: Path) -> None:
    """Those that are read are also loaded onto a model, with their weights."""
    weights = load_file(saved / "adapter_model.safetensors")
    save_file(weights, tmp_path / "adapter_model.safetensors", metadata={"format": "pt"})
    found: Counter[str] = Counter()
    for _, text in mutate(json.loads((saved / FILE).read_text())):
        config = read(tmp_path, text)
        if config is None:
            found["refused when read"] += 1
            continue
        try:
            with warnings.catch_warnings(), adapter_weights.explain_misfit(tmp_path):
                warnings.simplefilter("ignore")
                model = PeftModel.from_pretrained(llama().model, str(tmp_path), config=config)
            adapter_weights.check_names(model, tmp_path)
            found["loaded"] += 1
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 1500, str(error)
            found["refused when loaded"] += 1
    assert min(found.values()) > 10 and len(found) == 3, found


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


def test_pickles_are_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text((saved / FILE).read_text())
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))
    for load in (CoterieConfig.from_pretrained, adapter_weights.check_tensors):
        with pytest.raises(ValueError, match=r"adapter_model\.bin is a pickle, which can run code"):
            load(tmp_path)
    with pytest.raises(ValueError, match=r"adapter_model\.bin is a pickle"):
        PeftModel.from_pretrained(llama().model, str(tmp_path))


def test_adapters_of_other_methods_are_refused(saved: Path, tmp_path: Path) -> None:
    data = json.loads((saved / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(data | {"peft_type": "LORA"}))
    with pytest.raises(ValueError, match="has peft_type 'LORA', not 'COTERIE'"):
        CoterieConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.to(torch.int32), "is of torch.int32: weights are floating-point"),
        (lambda x: x.fill_(float("nan")), "has values that are not finite"),
        (lambda x: x.fill_(float("inf")), "has values that are not finite"),
    ],
)
def test_weights_that_are_no_numbers_are_named(
    saved: Path, tmp_path: Path, change: Any, message: str
) -> None:
    weights = load_file(saved / "adapter_model.safetensors")
    name = sorted(weights)[1]
    weights[name] = change(weights[name].clone())
    save_file(weights, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=message) as caught:
        adapter_weights.check_tensors(tmp_path)
    assert f"adapter_model.safetensors: {name} " in str(caught.value)


HEADERS = {
    "too long a header": (2**60).to_bytes(8, "little"),
    "a header without end": (90 * 2**20).to_bytes(8, "little") + b"[" * 1000,
    "no JSON": (4).to_bytes(8, "little") + b"nope",
    "nested": (4000).to_bytes(8, "little") + b"[" * 4000,
    "offsets outside": (66).to_bytes(8, "little")
    + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,99999999999999]}}',
    "empty": b"",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=list(HEADERS))
def test_files_that_are_none_are_one_line(saved: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_text((saved / FILE).read_text())
    (tmp_path / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors is damaged \(") as caught:
        adapter_weights.check_tensors(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_or_too_many_are_named(saved: Path, tmp_path: Path) -> None:
    weights = load_file(saved / "adapter_model.safetensors")
    name = sorted(weights)[0]
    (tmp_path / FILE).write_text((saved / FILE).read_text())
    model = PeftModel.from_pretrained(llama().model, str(saved))
    for changed in (
        {key: each for key, each in weights.items() if key != name},
        weights | {"another.weight": torch.zeros(1)},
    ):
        save_file(changed, tmp_path / "adapter_model.safetensors")
        odd = name if name not in changed else "another.weight"
        with pytest.raises(ValueError, match=f"does not fit the model: {odd} is in only one"):
            adapter_weights.check_names(model, tmp_path)
