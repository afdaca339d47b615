"""A user's path through dense tasks: a set in a file, every verb, and damaged labels."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel

from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train import Run
from tests.cli.calls import Calls
from tests.datasets.damage import cut_png
from tests.datasets.written import SIZE, npy, png, taskonomy
from tests.train.gallery import base

PICTURES = "pictures: {set: taskonomy, folder: taskonomy, names: [%s], size: 35}\n"
NAMES = "depth_zbuffer, normal, class_object"
SMALL = ("--steps", "2", "--batch-size", "2", "--set", "mlp=3,2", "--set", "attention=3,2")
SQUAD = (
    "train", "mod_squad", "--base", "embedded", "--tasks", "data/dense.yaml", *SMALL,
    "--set", "vision.augment.crop=(28,28)",
)  # fmt: skip


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with a few pictures of Taskonomy; commands run in it."""
    taskonomy(tmp_path / "data" / "taskonomy", 6)
    (tmp_path / "data" / "dense.yaml").write_text(PICTURES % NAMES)
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(there: Path) -> None:
    """What `coterie fetch weights` leaves of the vision model, but tiny."""
    shutil.copytree(base(), there / "home" / "weights" / "vision")


def test_every_verb(there: Path, coterie: Calls) -> None:
    train = (*SQUAD, "--out", "runs/squad")
    called = coterie(*train)
    assert called.code == 2 and "run `coterie fetch weights`" in called.err
    weights(there)
    assert coterie(*train).code == 0
    assert "already has a run" in coterie(*train).err
    assert coterie(*train, "--resume").code == 0
    assert coterie("train", "runs/squad", "--out", "runs/again").code == 0
    plan = Run.read("runs/squad").config
    assert isinstance(plan.tasks, DenseTasks) and plan.tasks.vision.augment is not None
    assert plan.tasks.vision.augment.crop == (28, 28)
    assert plan.base == "embedded" and Run.read("runs/again").config == plan

    for run in ("runs/squad", "runs/again"):
        called = coterie("evaluate", run)
        assert called.code == 0 and "| class_object |" in called.out, called
    assert coterie("evaluate", "runs/squad", "--blind").code == 2
    called = coterie("compare", "runs/squad", "--baseline", "runs/again")
    assert called.code == 0 and "delta_m" in called.out, called
    assert coterie("report", "runs/squad", "--to", "report.html").code == 0
    assert coterie("extract", "runs/squad", "--task", "normal", "--to", "normal").code == 0
    assert AutoModel.from_pretrained("normal").task == "normal"
    mean = Run.read("runs/squad").load().processor.mean
    assert DenseCollator.from_pretrained("normal", ()).mean == mean

    picture = next(there.glob("data/**/*.png"))
    called = coterie("generate", "runs/squad", "--image", str(picture), "--out", "maps")
    assert called.code == 0 and f"maps/{picture.stem}-normal.png" in called.out, called
    assert len(list((there / "maps").iterdir())) == 6

    for arguments, said in (
        (("generate", "runs/squad", "what?"), "tasks of a DenseTasks have no answers in text"),
        (("evaluate", "runs/squad", "--split", "tset"), "tset"),
    ):
        called = coterie(*arguments)
        assert called.code == 2 and said in called.err, called
        assert called.err.splitlines()[-1].startswith("coterie: ") and "Traceback" not in called.err
    small = ("--batches", "2", "--batch-size", "1")
    for arguments in (("runs/squad",), ("embedded", "--tasks", "data/dense.yaml")):
        called = coterie("diagnose", *arguments, *small)
        assert called.code == 0 and "tasks" in called.out, called
    assert "taskonomy " in coterie("list", "sets").out
    assert "mod_squad on depth_zbuffer, normal, class_object" in coterie("list", "runs").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["moelora", "--tasks", "scenes"],
            "recipe 'moelora' puts experts at 'text.attn', and a model",
        ),
        (["dense", "--tasks", "scenes:dept"], "(did you mean depth?)"),
        (["dense", "--tasks", "scenes"], "render scenes with `coterie fetch scenes`"),
        (["dense", "--tasks", "data/dense.yaml", "--set", "vision.augment=3"], "not 3"),
        (["dense", "--tasks", "data/dense.yaml", "--set", "vision.hed=3"], "did you mean head?"),
        (["dense", "--tasks", "data/dense.yaml", "--set", "vision.size=30,30"], "30 x 30"),
        (["dense", "--tasks", "data/none.yaml"], "data/none.yaml cannot be read"),
    ],
)
def test_mistakes(arguments: list[str], said: str, there: Path, coterie: Calls) -> None:
    weights(there)
    called = coterie("train", *arguments, "--base", "embedded", "--out", "runs/x")
    assert called.code == 2 and said in called.err, called
    assert called.err.splitlines()[-1].startswith("coterie: ") and "Traceback" not in called.err


def damaged(folder: Path) -> dict[str, str]:
    """Four labels of training are damaged; the file -> what is said of it."""
    tall, grey = np.zeros((SIZE[0] + 1, SIZE[1]), np.uint16), np.zeros(SIZE, np.uint8)
    nan = np.full(1000, np.nan, np.float32)
    changes = {
        "depth_zbuffer.png": (lambda content: cut_png(content), "is a damaged picture"),
        "depth_euclidean.png": (lambda _: png(tall), "is 5 x 6, its picture 4 x 6"),
        "normal.png": (lambda _: png(grey), "mode L: RGB of 8 bits is allowed"),
        "class_object.npy": (lambda _: npy(nan), "is not finite"),
    }
    expected = {}
    for view, (ending, (change, said)) in enumerate(changes.items()):
        part = ending.partition(".")[0]
        name = f"{part}/taskonomy/adairsville/point_{view}_view_0_domain_{ending}"
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        expected[name] = said
    return expected


def test_damaged_labels(there: Path, coterie: Calls) -> None:
    weights(there)
    (there / "data" / "dense.yaml").write_text(PICTURES % f"{NAMES}, depth_euclidean")
    train = (*SQUAD, "--out", "runs/squad")
    clean = (*SQUAD[:-4], "--set", "mlp=3,2", "--set", "attention=null", *SQUAD[-2:])
    assert coterie(*clean, "--out", "runs/clean").code == 0
    expected = damaged(there / "data" / "taskonomy")
    called = coterie(*train)
    assert called.code == 2 and "4 bad samples of" in called.err
    assert "(--skip-bad-rows)" in called.err.splitlines()[0]
    for file, said in expected.items():
        [line] = [line for line in called.err.splitlines() if file in line]
        assert said in line
    called = coterie(*train, "--skip-bad-rows")
    assert called.code == 0, called
    assert "left out 4 bad rows, named in runs/squad/bad_rows.jsonl" in called.out
    assert [row.source for row in Run.read("runs/squad").read_bad_rows()] == list(expected)

    called = coterie("evaluate", "runs/squad", "--split", "train")
    assert "bad rows left out: 4, in bad_rows.train.jsonl" in called.out
    names = (there / "runs" / "squad" / "bad_rows.train.jsonl").read_text()
    assert names.count("\n") == 4 and all(file in names for file in expected)
    called = coterie("evaluate", "runs/clean", "--split", "train")
    assert called.code == 2 and "(--skip-bad-rows)" in called.err
    called = coterie("evaluate", "runs/clean", "--split", "train", "--skip-bad-rows")
    assert called.code == 0 and "bad rows left out: 4" in called.out
