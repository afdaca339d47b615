import pytest

from coterie.tasks.dense.label_files import LabelFile, LabelFileError


def test_the_message_names_file_field_and_reason_in_one_line(tmp_path) -> None:
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "x.png").write_bytes(b"12")
    file = LabelFile(folder=tmp_path, name="depth/x.png", field="depth")
    assert file.read(len) == 2

    def refuse(content: bytes) -> int:
        raise ValueError(f"holds\n{content.decode()}")

    with pytest.raises(LabelFileError) as error:
        file.read(refuse)
    assert str(error.value) == "depth/x.png: depth: holds 12"
    assert error.value.bad_row.source == "depth/x.png" and error.value.bad_row.field == "depth"
