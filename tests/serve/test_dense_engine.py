"""Maps of pictures: in their order, as one picture at a time has them, and as files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from coterie.data.sample import MediaFile
from coterie.serve.dense_engine import DenseEngine, save_maps
from tests.evaluate.dense_runs import RandomPictures, dense_run
from tests.serve.engines import two_tasks


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DenseEngine:
    made = dense_run(tmp_path_factory.mktemp("dense") / "squad", RandomPictures())
    return DenseEngine.from_run(made.folder, device="cpu", batch_size=2)


def draw(folder: Path, *sizes: int) -> list[MediaFile]:
    found = []
    for number, size in enumerate(sizes):
        pixels = np.random.RandomState(number).randint(0, 255, (size, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append(MediaFile(kind="image", path=folder / f"{number}.png"))
    return found


def test_pictures_in_their_order(engine: DenseEngine, tmp_path: Path) -> None:
    pictures = draw(tmp_path, 28, 28, 28, 56, 28)  # batches of 2, 1, 1 and 1
    found = list(engine.predict(pictures))
    assert [sample.source for sample, _ in found] == [each.name for each in pictures]
    for picture, (_, outputs) in zip(pictures, found, strict=True):
        [(_, alone)] = engine.predict([picture])
        assert outputs.keys() == alone.keys() == {"depth", "classes", "scene"}
        for name, values in outputs.items():
            torch.testing.assert_close(values, alone[name], atol=1e-5, rtol=1e-5)
    assert found[0][1]["classes"].shape == (3, 28, 28)
    assert found[3][1]["depth"].shape == (1, 56, 28)


def test_files_of_one_task(engine: DenseEngine, tmp_path: Path) -> None:
    [picture], tasks = draw(tmp_path, 28), engine.select_tasks("classes")
    [(_, outputs)] = engine.predict([picture], tasks)
    numbers, shown = save_maps(tasks, outputs, tmp_path / "maps", "0")
    assert (numbers.name, shown.name) == ("0-classes.npy", "0-classes.png")
    assert np.array_equal(np.load(numbers), outputs["classes"].numpy())
    with Image.open(shown) as picture_of_it:
        assert picture_of_it.size == (28, 28)
    with pytest.raises(ValueError, match="there is no task 'deep': give one of depth, classes"):
        engine.select_tasks("deep")


def test_text_has_no_maps(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its tasks are answered in text: ask questions"):
        DenseEngine.from_run(two_tasks(tmp_path).folder)
