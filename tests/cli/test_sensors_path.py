"""A user's path through a data set with two sensors: every verb, with one of them missing."""

from pathlib import Path
from typing import Any

import pytest
import torch

import coterie
from coterie.datasets.nyuv2 import Nyuv2
from coterie.models.multitask_vision.fusions.u3m import U3MFusion
from coterie.serve.dense_engine import DenseEngine
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train import Run
from tests.cli.calls import Calls
from tests.datasets.written import nyuv2
from tests.train.gallery import base

TASKS = """
pictures: {set: nyuv2, folder: nyuv2, names: [segmentation, normal], inputs: [image, depth]%s}
vision: {size: [28, 28], fusion: {is: "coterie.models:U3MFusion"}, drop_sensors: 0.2}
"""
SMALL = ("--steps", "2", "--batch-size", "2", "--set", "mlp=3,2", "--set", "attention=null")
ON = ("--split", "validation")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder; commands run in it. One training sample lacks its depth."""
    nyuv2(tmp_path / "nyuv2", 4)
    (tmp_path / "nyuv2" / "train" / "depth" / "2.npy").unlink()
    (tmp_path / "rgbd.yaml").write_text(TASKS % ", optional: [depth]")
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_verb(there: Path, coterie: Calls) -> None:
    train = ("train", "mod_squad", "--base", base(), *SMALL, "--tasks", "rgbd.yaml")
    called = coterie(*train, "--out", "rgbd")
    assert called.code == 0, called
    run = Run.read("rgbd")
    assert isinstance(run.config.tasks, DenseTasks)
    assert run.config.tasks.vision.fusion == U3MFusion()
    assert coterie("evaluate", "rgbd", *ON).code == 0
    for sensor in ("depth", "image"):
        called = coterie("evaluate", "rgbd", *ON, "--without", sensor)
        assert called.code == 0, called
        assert (there / "rgbd" / f"scores.without-{sensor}.json").is_file()
    called = coterie("compare", "rgbd")
    assert called.code == 0 and "mod_squad, without depth" in called.out, called
    assert coterie("report", "rgbd", "--to", "report.html").code == 0
    page = (there / "report.html").read_text()
    assert "without depth" in page and "without image" in page

    model = run.load().model
    rows = run.config.tasks.load_evaluation_rows("validation")
    pixels = run.load().processor.normalize_inputs([rows[0]])
    with torch.no_grad():
        both = model(pixel_values=pixels).predictions["normal"]
        pixels[:, 3:] = torch.nan
        assert not torch.equal(model(pixel_values=pixels).predictions["normal"], both)
    assert coterie("extract", "rgbd", "--task", "normal", "--to", "normal").code == 0
    assert coterie("diagnose", "rgbd", "--batches", "2", "--batch-size", "1").code == 0
    # A picture has no depth, which this set may lack.
    [[sample, maps]] = DenseEngine.from_run(run, device="cpu").predict([_write_picture(there)])
    assert sample.size == (28, 28) and list(maps) == ["segmentation", "normal"]


def _write_picture(folder: Path):
    from PIL import Image

    from coterie.data.sample import MediaFile

    Image.new("RGB", (28, 28)).save(folder / "picture.png")
    return MediaFile(kind="image", path=folder / "picture.png")


def test_added_tasks_leave_the_sensors_of_the_old_ones_as_they_are(there: Path) -> None:
    def choose(*names: str, **more: Any) -> DenseTasks:
        fields = {"folder": there / "nyuv2", "inputs": ("image", "depth"), "optional": ("depth",)}
        vision = VisionConfig(size=(28, 28), fusion=U3MFusion())
        return DenseTasks(dataset=Nyuv2(names=names, **fields | more), vision=vision)

    options: Any = {"steps": 2, "batch_size": 2, "progress": False}
    recipe = coterie.recipes.mod_squad(mlp=(3, 2), attention=None)
    old = coterie.train(recipe, base=base(), tasks=choose("normal"), out=there / "old", **options)
    both = choose("normal", "segmentation")
    new = coterie.add_tasks(old, tasks=both, out=there / "new", **options)
    pixels = torch.randn(1, 4, 28, 28, generator=torch.Generator().manual_seed(0))
    found = [each.load().model(pixel_values=pixels, tasks=("normal",)) for each in (old, new)]
    assert torch.equal(*(each.predictions["normal"] for each in found))
    with pytest.raises(ValueError, match=r"the inputs image, and .*old has image, depth: give"):
        other = choose("normal", "segmentation", inputs=("image",), optional=())
        coterie.add_tasks(old, tasks=other, out=there / "other", **options)


def test_what_cannot_be(there: Path, coterie: Calls) -> None:
    (there / "strict.yaml").write_text(TASKS % "")
    (there / "plain.yaml").write_text(
        TASKS.replace('fusion: {is: "coterie.models:U3MFusion"}, ', "") % ""
    )
    (there / "wrong.yaml").write_text(TASKS.replace("[image, depth]", "[image, dept]") % "")
    train = ("train", "dense", "--base", base(), "--steps", "1", "--out", "run", "--tasks")
    for file, said in (
        ("strict.yaml", "train/depth/2.npy: depth: cannot be read"),
        ("plain.yaml", "inputs image and depth, and vision.fusion is None"),
        ("wrong.yaml", "wrong.yaml: pictures: Nyuv2(inputs=('image', 'dept')): give some of image"),
    ):
        called = coterie(*train, file)
        assert called.code == 2 and said in called.err, called
    assert coterie(*train, "strict.yaml", "--skip-bad-rows", "--batch-size", "2").code == 0
    for without, said in (
        (("dept",), "without=('dept',): give some of the inputs image, depth"),
        (("depth", "image"), "leaves no input"),
    ):
        flags = [part for each in without for part in ("--without", each)]
        called = coterie("evaluate", "run", *ON, *flags)
        assert called.code == 2 and said in called.err, called
    called = coterie("generate", "run", "--image", str(_write_picture(there).path), "--out", "maps")
    assert called.code == 2 and "its inputs are image, depth" in called.err, called
