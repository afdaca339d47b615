import pytest

from coterie.datasets.taskonomy_splits import BROKEN_BUILDINGS, list_buildings

TEXT = "id,train,val,test\nallensville,1,0,0\nbeechwood,0,1,0\ncauthron,1,0,0\ncorozal,0,0,1\n"


@pytest.fixture
def file(tmp_path):
    (tmp_path / "split.csv").write_text(TEXT)
    return tmp_path / "split.csv"


def test_the_released_code_trains_on_validation_and_leaves_28_buildings_out(file) -> None:
    assert list_buildings(file, "train", broken=BROKEN_BUILDINGS, train_on_val=True) == (
        "allensville",
        "beechwood",
    )
    assert list_buildings(file, "test", broken=BROKEN_BUILDINGS, train_on_val=True) == ("corozal",)
    assert len(set(BROKEN_BUILDINGS)) == 28


def test_each_split_may_be_kept_apart(file) -> None:
    assert list_buildings(file, "train", broken=(), train_on_val=False) == (
        "allensville",
        "cauthron",
    )
    assert list_buildings(file, "validation", broken=(), train_on_val=False) == ("beechwood",)


def test_there_is_no_validation_if_it_is_trained_on(file) -> None:
    with pytest.raises(ValueError, match=r"no split 'validation'.*give train_on_val=False"):
        list_buildings(file, "validation", broken=(), train_on_val=True)


def test_a_split_whose_buildings_are_all_left_out_says_so(file) -> None:
    with pytest.raises(ValueError, match=r"no building for test; 1 are left out by `broken`"):
        list_buildings(file, "test", broken=("corozal",), train_on_val=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column test, train, val, but nothing"),
        ("id,train,val\na,1,0\n", "has no column test, but id, train, val"),
        ("id,train,val,test\na,1,0\n", r"has a row \['a', '1', '0'\]"),
        ("id,train,val,test\n", "names no building for train: give"),
    ],
)
def test_a_wrong_csv_is_refused(file, text, message) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        list_buildings(file, "train", broken=(), train_on_val=True)
    assert str(file) in str(error.value)


def test_a_missing_csv_says_where_it_comes_from(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"none.csv cannot be read.*splits_taskonomy.zip"):
        list_buildings(tmp_path / "none.csv", "train", broken=(), train_on_val=True)
