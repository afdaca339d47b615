"""The `pictures` and `vision` of tasks.yaml files, and a one-line error for each mistake."""

import re
from pathlib import Path

import pytest

from coterie.datasets.taskonomy import Taskonomy
from coterie.task_file import read_tasks
from coterie.tasks import DenseTasks
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.task_file import construct_from_yaml
from coterie.tasks.dense.vision_config import VisionConfig
from coterie_demo.scenes.dataset import Scenes


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


def test_a_dense_data_set(file: Path, unchecked: None) -> None:
    file.write_text(WHOLE)
    dataset = Taskonomy(folder=file.parent / "data", names=("depth_zbuffer", "normal"), size=28)
    vision = VisionConfig(shared_layers=2, augment=Augment(crop=(14, 28), flip=0.0))
    assert read_tasks(file) == DenseTasks(dataset=dataset, vision=vision)
    assert read_tasks(f"{file}:normal").names == ("normal",)
    file.write_text("pictures: {set: scenes}\nvision: {augment: null}")
    assert read_tasks(file) == DenseTasks(dataset=Scenes(), vision=VisionConfig(augment=None))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "pictures: 3",
            "pictures = 3: give `set`, one of nyuv2, pascal_context, scenes, taskonomy,",
        ),
        ("pictures: {folder: data}", "pictures = {'folder': 'data'}: give `set`"),
        ("pictures: {set: [1]}", "pictures.set = [1]: give one of nyuv2"),
        ("pictures: {set: nyuv}", "pictures.set = 'nyuv' (did you mean nyuv2?): give one of"),
        ("pictures: {set: nyuv2}", "pictures.folder is missing: Nyuv2 needs it"),
        ("pictures: {set: nyuv2, folder: daat}", "pictures.folder = 'daat': there is no folder /"),
        (f"pictures: {{set: nyuv2, folder: {'x' * 300}}}", "there is no folder /"),
        ("pictures: {set: nyuv2, folder: 3}", "pictures.folder = 3: give a folder, relative to"),
        ("pictures: {set: scenes, names: [dept]}", "segmentation, depth, norm"),
        ("pictures: {set: scenes, names: [dept]}", "(did you mean depth?)"),
        ("pictures: {set: scenes, nmes: [depth]}", "no field 'nmes' (did you mean names?)"),
        ("pictures: {set: scenes, 3: 3}", "Scenes has no field '3'"),
        (
            "pictures: {set: scenes}\nvison: {}",
            "vison: a file of a dense data set has `pictures` and, optionally, `vision`",
        ),
        ("pictures: {set: scenes}\nvison: {}", "(did you mean vision?)"),
        ("pictures: {set: scenes}\ntasks: []", "tasks: a file of a dense data set has `pictures`"),
        ("pictures: {set: scenes}\nvision: 3", "vision = 3: give fields of Vision"),
        ("pictures: {set: scenes}\nvision: {hed: 3}", "no field 'hed' (did you mean head?)"),
        ("pictures: {set: scenes}\nvision: {head: lin}", "vision.head takes typing.Literal["),
        (
            "pictures: {set: scenes}\nvision: {augment: 3}",
            "vision.augment takes coterie.tasks.dense",
        ),
        ("pictures: {set: scenes}\nvision: {augment: {crop: [8]}}", "augment.crop takes tuple[int"),
        ("pictures: {set: scenes}\nvision: {augment: {flip: 3}}", "give a probability, 0 to 1"),
        ("vision: {}", "its keys are vision: give `pictures` (DenseTasks) or "),
        ("vision: {}\ntasks: []", "vision: a file of text tasks has one key, `tasks`"),
        ("tasks: []", "tasks = []: give a list of at least one task"),
        ("pictures: [", "is not YAML"),
    ],
)
def test_mistakes_in_dense_files_are_one_line(
    text: str, said: str, file: Path, unchecked: None
) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_tasks(file)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(file))


def test_fields_of_a_dataclass() -> None:
    found = construct_from_yaml(VisionConfig, {"size": [14, 28], "embedding_std": 1}, "f: vision")
    assert found == VisionConfig(size=(14, 28), embedding_std=1.0)
    assert isinstance(found.embedding_std, float)
    for items, message in (
        (3, "f: vision = 3: give fields of VisionConfig"),
        ({"head": 3}, "f: vision.head takes typing.Literal["),
        ({"hed": "linear"}, "has no field 'hed' (did you mean head?)"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            construct_from_yaml(VisionConfig, items, "f: vision")
