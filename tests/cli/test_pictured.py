"""A tasks.yaml of a dense data set, whole and with mistakes, and the other forms of `--tasks`."""

import re
from pathlib import Path

import pytest

from coterie.cli.chosen import load_task_set, load_text_tasks
from coterie.cli.overrides import Override
from coterie.cli.pictured import find_dataset_kinds
from coterie.cli.train_config import build_config
from coterie.datasets.scenes import Scenes
from coterie.datasets.taskonomy import Taskonomy
from coterie.task_file import read_tasks
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.vision_config import VisionConfig
from tests.cli.folders import text_tasks


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "dense.yaml"


WHOLE = """
pictures:
  set: taskonomy
  folder: data
  names: [depth_zbuffer, normal]
  size: 28
vision:
  shared_layers: 2
  augment: {crop: [14, 28], flip: 0}
"""


def test_all_of_it(file: Path, unchecked: None) -> None:
    file.write_text(WHOLE)
    pictures = Taskonomy(folder=file.parent / "data", names=("depth_zbuffer", "normal"), size=28)
    vision = VisionConfig(shared_layers=2, augment=Augment(crop=(14, 28), flip=0.0))
    assert load_task_set(str(file)) == {"tasks": (), "pictures": pictures, "vision": vision}
    assert load_task_set(f"{file}:normal")["pictures"].names == ("normal",)
    file.write_text("pictures: {set: scenes}\nvision: {augment: null}")
    assert load_task_set(str(file)) == {
        "tasks": (), "pictures": Scenes(), "vision": VisionConfig(augment=None)
    }  # fmt: skip


def test_the_embedded_set_and_words(tmp_path: Path, unchecked: None) -> None:
    assert load_task_set("scenes") == {"tasks": (), "pictures": Scenes()}
    assert load_task_set("scenes:depth,edges")["pictures"] == Scenes(names=("depth", "edges"))
    tasks = text_tasks(tmp_path / "data")
    assert load_task_set(f"{tasks}:second") == {
        "tasks": read_tasks(tasks)[1:], "pictures": None, "vision": VisionConfig()
    }  # fmt: skip


def test_every_set_has_a_name_and_tasks_to_choose() -> None:
    assert list(find_dataset_kinds()) == ["nyuv2", "pascal_mt", "scenes", "taskonomy"]
    assert all("names" in kind.__dataclass_fields__ for kind in find_dataset_kinds().values())  # pyright: ignore


def test_settings_reach_into_it(file: Path, unchecked: None) -> None:
    file.write_text(WHOLE)
    texts = ("vision.shared_layers=9", "vision.augment.crop=(112,112)", "mlp=4,2")
    given = {"base": "model"} | load_task_set(str(file))
    plan = build_config("mod_squad", [Override.parse(text) for text in texts], given)
    assert plan.vision == VisionConfig(shared_layers=9, augment=Augment(crop=(112, 112), flip=0.0))
    assert plan.recipe.mixtures[1].router.k == 2  # pyright: ignore
    # Words in the place of pictures take what was said of pictures away, too.
    with pytest.raises(ValueError, match="give at least one task"):
        build_config("mod_squad", [], given | {"pictures": None, "vision": VisionConfig()})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pictures: 3", "pictures = 3: give `set`, one of nyuv2, pascal_mt, scenes, taskonomy,"),
        ("pictures: {folder: data}", "pictures = {'folder': 'data'}: give `set`"),
        ("pictures: {set: [1]}", "pictures.set = [1]: give one of nyuv2"),
        ("pictures: {set: nyuv}", "pictures.set = 'nyuv' (did you mean nyuv2?): give one of"),
        ("pictures: {set: nyuv2}", "pictures.folder is missing: Nyuv2 needs it"),
        ("pictures: {set: nyuv2, folder: daat}", "pictures.folder = 'daat': there is no folder /"),
        ("pictures: {set: nyuv2, folder: 3}", "pictures.folder = 3: give a folder, relative to"),
        ("pictures: {set: scenes, names: [dept]}", "segmentation, depth, norm"),
        ("pictures: {set: scenes, names: [dept]}", "(did you mean depth?)"),
        ("pictures: {set: scenes, names: depth}", "names takes tuple[str, ...], not 'depth'"),
        ("pictures: {set: scenes, nmes: [depth]}", "no field 'nmes' (did you mean names?)"),
        ("pictures: {set: scenes, 3: 3}", "Scenes has no field '3'"),
        ("pictures: {set: scenes}\nvison: {}", "vison: beside `pictures` there may be `vision`"),
        ("pictures: {set: scenes}\nvison: {}", "(did you mean vision?)"),
        ("pictures: {set: scenes}\ntasks: []", "a run learns words or pictures: make two files"),
        ("pictures: {set: scenes}\nvision: 3", "vision = 3: give fields of Vision"),
        ("pictures: {set: scenes}\nvision: {hed: 3}", "no field 'hed' (did you mean head?)"),
        ("pictures: {set: scenes}\nvision: {head: lin}", "vision.head takes typing.Literal["),
        ("pictures: {set: scenes}\nvision: {augment: 3}", "vision.augment takes coterie.dense"),
        ("pictures: {set: scenes}\nvision: {augment: {crop: [8]}}", "augment.crop takes tuple[int"),
        ("pictures: {set: scenes}\nvision: {augment: {flip: 3}}", "give a probability, 0 to 1"),
        ("vision: {}", "give one key, `tasks`, with a list of tasks under it; `pictures` and `vi"),
        ("vision: {}\ntasks: []", "are of a dense data set, with no `tasks`"),
        ("tasks: []", "tasks = []: give a list of at least one task"),
        ("pictures: [", "is not YAML"),
    ],
)
def test_mistakes_are_one_line(text: str, said: str, file: Path, unchecked: None) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        load_task_set(str(file))
    assert "\n" not in str(error.value) and str(error.value).startswith(str(file))


def test_words_alone_are_taken_elsewhere(file: Path, unchecked: None) -> None:
    file.write_text("pictures: {set: scenes}")
    with pytest.raises(ValueError, match=r"give one key, `tasks`, .* are of a dense data set"):
        load_text_tasks(str(file))
    for text in ("scenes", "scenes:depth"):
        with pytest.raises(ValueError, match="answered in words, no dense data set"):
            load_text_tasks(text)
    with pytest.raises(ValueError, match=re.escape("(did you mean depth?)")):
        load_task_set("scenes:dept")
