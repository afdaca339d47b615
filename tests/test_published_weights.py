import pytest
import torch
from safetensors import safe_open

from coterie.published_weights import open_pickled_tensors, write_safetensors


def test_tensors_are_written_one_by_one(tmp_path) -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)}
    layout = {name: (each.dtype, tuple(each.shape)) for name, each in tensors.items()}
    write_safetensors(tmp_path / "x.safetensors", layout, iter(tensors.items()))
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        assert {name: file.get_tensor(name).tolist() for name in file.keys()} == {
            name: each.tolist() for name, each in tensors.items()
        }
    with pytest.raises(ValueError, match=r"b is torch.bfloat16 \(3,\), and a of torch.float32"):
        write_safetensors(tmp_path / "y", layout, iter(reversed(tensors.items())))


def test_a_pickle_of_tensors_alone_is_opened(tmp_path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "x.bin")
    assert open_pickled_tensors(tmp_path / "x.bin")["a"].tolist() == [1, 1]
    torch.save({"a": 1}, tmp_path / "y.bin")
    with pytest.raises(ValueError, match=r"y\.bin is no mapping of names to tensors"):
        open_pickled_tensors(tmp_path / "y.bin")
