"""Files of tensors: read again, None where damaged; digests and bytes that tell inputs apart."""

from pathlib import Path

import torch

from coterie.models.omni import files
from coterie.models.omni.files import compute_digest, serialize_tensor


def test_written_tensors_are_read_again(tmp_path: Path) -> None:
    assert files.read(tmp_path, "abc") is None
    files.write(tmp_path, "abc", {"x": torch.arange(3)})
    assert (tmp_path / "ab" / "abc.safetensors").is_file()
    found = files.read(tmp_path, "abc")
    assert found is not None and found["x"].tolist() == [0, 1, 2]
    (tmp_path / "ab" / "abc.safetensors").write_bytes(b"cut")
    assert files.read(tmp_path, "abc") is None


def test_bytes_of_a_tensor_have_its_shape_and_dtype() -> None:
    # 0.0 is four zero bytes in float32 and int32 alike.
    assert serialize_tensor(torch.zeros(1)) == b"(1,) torch.float32" + bytes(4)
    whole = torch.zeros(1, 1, dtype=torch.int32)
    assert serialize_tensor(whole) == b"(1, 1) torch.int32" + bytes(4)


def test_parts_of_a_digest_do_not_run_together() -> None:
    assert compute_digest(b"ab", b"c") != compute_digest(b"a", b"bc")
