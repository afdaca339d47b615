"""A task has the splits that it has sizes of."""

from coterie.data.splits import check_split_name
from coterie.serialization import find_kinds
from coterie_demo.pantry import tasks
from coterie_demo.pantry.sources import KTUBERLING, PHOTOS, SPEECH, TUXPAINT
from coterie_demo.pantry.tasks.base import PantryTask
from coterie_demo.pantry.tasks.energy import Energy
from coterie_demo.pantry.tasks.naming import Naming
from coterie_demo.pantry.tasks.ocr import Ocr
from coterie_demo.pantry.tasks.spoken import Spoken


def test_splits_are_those_of_the_sources_that_are_there():
    three = ("train", "validation", "test")
    assert Ocr().list_splits(()) == Naming().list_splits(()) == three
    assert Naming().list_splits([TUXPAINT]) == (*three, "test_photo")
    assert Energy().list_splits([TUXPAINT]) == () and Energy().list_splits([PHOTOS]) == three
    # Recordings of one of two packages are enough.
    assert Spoken().list_splits([SPEECH]) == three and Spoken().list_splits([TUXPAINT]) == ()
    assert Spoken().list_splits([SPEECH, KTUBERLING]) == (*three, "test_recorded")


def test_sources_of_a_split():
    assert Ocr().list_sources("train") == ()  # fonts come with the package
    assert Naming().list_sources("test_photo") == (TUXPAINT,)
    assert Spoken().list_sources("test") == (SPEECH,)
    assert Spoken().list_sources("test_recorded") == (SPEECH, KTUBERLING, TUXPAINT)


def test_every_split_has_a_name_that_tasks_yaml_takes() -> None:
    # Those of downloaded pictures, too, which no other test builds.
    kinds = find_kinds(tasks, PantryTask)
    names = {split for kind in kinds for split in kind.sizes}
    assert {check_split_name(name) for name in names} == names >= {"train", "test_recorded"}
