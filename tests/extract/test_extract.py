"""`extract` itself: where it writes, and that a wrong result leaves nothing behind."""

from pathlib import Path

import jaxtyping
import pytest

from coterie.extract import adapter, extract, verify
from tests.extract.grafted import grafted


def test_refuses_a_folder_in_use(tmp_path: Path) -> None:
    model, _ = grafted()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for to in (tmp_path / "used", tmp_path / "used" / "file"):
        with pytest.raises(ValueError, match="is not an empty folder"):
            extract(model, task="ocr", to=to)
    (tmp_path / "empty").mkdir()
    folder = extract(model, task="ocr", to=str(tmp_path / "empty"))
    assert folder == tmp_path / "empty"
    assert extract(model, task="ocr", to=tmp_path / "new" / "below").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new", "used"]


def test_refuses_an_unknown_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As users have it: types are checked in tests only.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model, _ = grafted()
    with pytest.raises(ValueError, match="format='zip': allowed are 'adapter', 'adapters',"):
        extract(model, task="ocr", to=tmp_path / "x", format="zip")  # pyright: ignore[reportArgumentType]


def test_a_wrong_result_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tiny = grafted()
    monkeypatch.setattr(adapter, "verify", lambda host, shares, folder: 1e-3)
    with pytest.raises(RuntimeError, match=r"differ .* by 1\.0e-03 .* 1\.0e-06 is allowed"):
        extract(model, task="ocr", to=tmp_path / "x")
    monkeypatch.undo()
    monkeypatch.setattr(verify, "compute_largest_error", lambda *args: float("nan"))
    with pytest.raises(RuntimeError, match=r"the outputs for the probe differ .* by nan"):
        extract(model, task="ocr", to=tmp_path / "x", probe=tiny.batch)
    assert not any(tmp_path.iterdir())


def test_folders_of_the_user_beside_it_stay(tmp_path: Path) -> None:
    model, _ = grafted()
    (tmp_path / ".keep.partial").mkdir()
    (tmp_path / ".keep.partial" / "mine").write_text("mine")
    extract(model, task="ocr", to=tmp_path / "keep")
    assert (tmp_path / ".keep.partial" / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep.partial", "keep"]


def test_a_dtype_is_of_a_merged_model(tmp_path: Path) -> None:
    model, _ = grafted()
    with pytest.raises(
        ValueError, match=r"dtype='float16', format=None: allowed are .* 'gguf', 'merged', 'nat"
    ):
        extract(model, task="ocr", to=tmp_path / "x", dtype="float16")


def test_a_converter_is_for_gguf(tmp_path: Path) -> None:
    model, _ = grafted()
    with pytest.raises(ValueError, match="format='merged': it is for 'gguf' alone"):
        extract(model, task="ocr", to=tmp_path / "x", format="merged", llama_cpp=tmp_path)


def test_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    model, _ = grafted()
    assert extract(model, task="ocr", to="~/x") == tmp_path / "x"


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    model, _ = grafted()
    with pytest.raises(OSError, match=r"file/below cannot be written: "):
        extract(model, task="ocr", to=tmp_path / "file" / "below")
