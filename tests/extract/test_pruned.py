"""A task cut out of a run on pictures: what is compared and written."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

import coterie
from coterie.extract.expert_selection import PruningOptions, compute_lost_choices
from coterie.routing.usage import select_task
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from coterie.train import Run
from tests.evaluate.dense_runs import dense_run, recipe
from tests.extract.conftest import MIXTURE
from tests.extract.dense import PICTURES, report

UNUSED = PruningOptions(threshold=0.0)


def pixels(run: Run, split: str) -> torch.Tensor:
    return run.load().processor.normalize_images(
        [each.image for each in PICTURES.load_split(split)]
    )


@torch.no_grad()
def test_only_unused_experts_go(run: Run, tmp_path: Path) -> None:
    folder = coterie.extract(run, task="depth", to=tmp_path / "small", pruning=UNUSED)
    found = report(folder)
    assert found["use"] == {"seen": "measured", "split": "validation"}
    assert found["form"] == "pruned" and found["probe_pictures"] == 4
    assert found["bit_equal_to_whole"] and found["probe_error"] == 0
    assert set(found["choices_lost"].values()) == {0.0}
    # Something went, or the test would show nothing.
    assert found["share_of_experts"] < 1
    small, whole = AutoModel.from_pretrained(folder).eval(), run.load().model
    for split in ("validation", "test"):
        pictures = pixels(run, split)
        wanted = whole(pixel_values=pictures, tasks=("depth",)).predictions["depth"]
        use = select_task(measure_usage_by_task(whole, [pictures], tasks=("depth",)), "depth")
        gone = sum(compute_lost_choices(use, found["kept"]).values())
        # On pictures that were not measured, tokens may choose what went.
        assert torch.equal(small(pixel_values=pictures).predictions["depth"], wanted) == (gone == 0)
        assert split == "test" or gone == 0
    # What makes the model's inputs is in the folder, too.
    again, own = DenseCollator.from_pretrained(str(folder), ()), run.load().processor
    assert (again.mean, again.std) == (own.mean, own.std)


def test_a_model_alone_has_no_split(run: Run, tmp_path: Path) -> None:
    model = run.load().model
    with pytest.raises(ValueError, match="names a split, and a model alone has no images"):
        coterie.extract(model, task="depth", to=tmp_path / "x", format="pruned", use="test")
    with pytest.raises(ValueError, match="RandomPictures has no split 'train'"):
        coterie.extract(run, task="depth", to=tmp_path / "x", use="train")
    assert not any(tmp_path.iterdir())


def test_a_run_in_bfloat16_is_cut_in_float32(tmp_path: Path) -> None:
    """Its trained weights are float32, and its frozen ones convert exactly."""
    many = replace(recipe(), mixtures=(MIXTURE,))
    run = dense_run(tmp_path / "run", PICTURES, made_by=many, precision="bfloat16")
    assert len({each.dtype for each in run.load().model.parameters()}) == 2
    folder = coterie.extract(run, task="depth", to=tmp_path / "small", pruning=UNUSED)
    assert report(folder)["bit_equal_to_whole"]
    small = AutoModel.from_pretrained(folder)
    assert {each.dtype for each in small.parameters()} == {torch.float32}
