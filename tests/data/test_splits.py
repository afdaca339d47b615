"""Names of splits."""

import pytest

from coterie.data.splits import check_split_name, find_split, get_split_name


@pytest.mark.parametrize(
    "name, split",
    [("val", "validation"), ("dev", "validation"), ("Valid", "validation"), ("training", "train"),
     ("eval", "test"), ("all", "all"), ("test_hard", "test_hard"), ("train", "train")],
)  # fmt: skip
def test_names_of_one_split(name: str, split: str) -> None:
    assert check_split_name(name) == get_split_name(name) == split


@pytest.mark.parametrize("name", ["odd", "trian", "tset", "validaton", "", "train2"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no split: give train, validation \(val, valid or"):
        check_split_name(name)


def test_the_name_in_a_data_set() -> None:
    assert find_split("validation", ["train", "dev"]) == "dev"
    assert find_split("test", ["train"]) is None
    with pytest.raises(ValueError, match="dev and val are all names of the split validation"):
        find_split("validation", ["dev", "val"])
    assert find_split("validation", ["dev", "validation"]) == "validation"
