"""A task cut out of a run on pictures: what is measured, compared, written and scored."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.extract.expert_selection import compute_lost_choices
from coterie.extract.parameter_counts import ParameterCounts, count_model_parameters
from coterie.extract.plots import save
from coterie.extract.pruning import PruningOptions
from coterie.extract.pruning_curve import measure_score_curve
from coterie.extract.score_curve import CurvePoint, ScoreCurve
from coterie.extract.source import open_source
from coterie.routing.usage import select_task
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train import Run
from tests.evaluate.dense_runs import TASKS, RandomPictures, dense_run, recipe

UNUSED = PruningOptions(threshold=0.0)
PICTURES = RandomPictures(splits=("validation", "test"), count=5)
MIXTURE = Mixture(
    at="vision.mlp", experts=Copies(count=16), gate=TaskGate(init_std=1.0), router=TopK(k=2)
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    many = replace(recipe(), mixtures=(MIXTURE,))
    # Vectors as large as tokens, so that a task's tokens are alike and use few of the experts.
    alike = VisionConfig(embedding_std=1.0)
    folder = tmp_path_factory.mktemp("runs") / "squad"
    return dense_run(folder, PICTURES, made_by=many, vision=alike)


def report(folder: Path) -> dict:
    return json.loads((folder / "coterie_extract.json").read_text())


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


def test_an_evaluation_s_use_comes_first(run: Run, tmp_path: Path) -> None:
    coterie.evaluate(run, split="test")
    found = report(coterie.extract(run.folder, task="depth", to=tmp_path / "small"))
    (run.folder / "routing.json").unlink()
    assert found["use"] == {"seen": "routing.json", "split": "test"}
    found = report(coterie.extract(run, task="depth", to=tmp_path / "asked", use="validation"))
    assert found["use"] == {"seen": "measured", "split": "validation"}


def test_sizes_by_hand(run: Run, tmp_path: Path) -> None:
    use = {f"backbone.layers.{n}.mlp": {"chosen": [1.0, 1.0] + [0.0] * 14} for n in range(2)}
    found = report(coterie.extract(run, task="depth", to=tmp_path / "small", use=use))
    # An expert: 32 to 64 and back with biases, 4,192. A gate: 16 x 32 a task. Two layers.
    whole = count_model_parameters(open_source(run).model)
    assert whole.experts == 2 * (16 * 4192 + 3 * 16 * 32)
    assert found["expert_parameters"] == 2 * (2 * 4192 + 16 * 32)
    assert found["share_of_experts"] == found["expert_parameters"] / whole.experts
    # No block is shared, so the trunk is what stands before and after: patches of 7 x 7 x 3 to
    # 32 with biases, a position for each of 16 and the class token, that token, the last norm.
    assert whole.shared == (147 * 32 + 32) + 17 * 32 + 32 + 64 == found["trunk_parameters"]
    assert found["parameters_of_whole"] == whole.total
    rest = whole.other - heads(32) - 2 * 32
    assert found["parameters"] == whole.shared + found["expert_parameters"] + rest
    assert found["flops_per_picture"] <= found["flops_per_picture_of_whole"]


def heads(width: int) -> int:
    """Numbers in the heads of "classes", 3 for each of 7 x 7 pixels, and of "scene", 4."""
    linear = (width + 1) * 3 * 49
    return linear + (width + 1) * 4 + 2 * 2 * width


def test_a_model_alone_has_no_split(run: Run, tmp_path: Path) -> None:
    model = run.load().model
    with pytest.raises(ValueError, match="names a split, and a model alone has no images"):
        coterie.extract(model, task="depth", to=tmp_path / "x", format="pruned", use="test")
    with pytest.raises(ValueError, match="RandomPictures has no split 'train'"):
        coterie.extract(run, task="depth", to=tmp_path / "x", use="train")
    assert not any(tmp_path.iterdir())


def test_a_curve_is_scored_and_written(run: Run, tmp_path: Path) -> None:
    found = measure_score_curve(run, task="classes", thresholds=(0.0, 0.6, 1.0))
    assert (found.split, found.measured_on, found.samples) == ("test", "validation", 5)
    assert found.metric == "mean_iou(classes=3)" and found.unit == "%"
    # Two experts in each of two layers are the least.
    assert [point.experts for point in found.points][-1] == 4
    # The whole, asked for this task alone, scores what it does beside the others.
    scores = coterie.evaluate(run, split="test")
    (run.folder / "routing.json").unlink()
    assert found.full_score == pytest.approx(scores.tasks["classes"].score, abs=1e-3)
    first = found.to_rows()[0]
    assert first["choices_lost"] != 0 or first["points_worse"] == 0
    folder = found.save(tmp_path / "curve")
    assert json.loads((folder / "curve.json").read_text())["points"] == found.to_rows()
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    assert [float(row["score"]) for row in rows] == [point.score for point in found.points]
    assert save(found, folder / "curve.svg").read_text().startswith("<?xml")


def made(unit: str, *scores: float, better: bool = True) -> ScoreCurve:
    """Three points of a layer with four experts, of which 3, 2 and 1 stay."""
    points = tuple(
        CurvePoint(
            threshold=number / 10,
            parameters=ParameterCounts(shared=100, experts=10 * (3 - number), other=50),
            remaining_experts={"mlp": tuple(range(3 - number))},
            score=score,
        )
        for number, score in enumerate(scores)
    )
    return ScoreCurve(
        task="t", split="test", samples=2, measured_on="validation", metric="m", unit=unit,
        higher_is_better=better, full_score=50.0,
        full_parameters=ParameterCounts(shared=100, experts=40, other=60),
        usage={"mlp": {"chosen": [0.5, 0.3, 0.15, 0.05]}}, points=points,
    )  # fmt: skip


def test_which_is_the_smallest() -> None:
    curve = made("%", 50.1, 49.8, 49.0)
    # Percent points below 50: -.1, .2, 1.
    assert [curve.compute_points_below_full(point) for point in curve.points] == pytest.approx(
        [-0.1, 0.2, 1.0]
    )
    best = curve.find_smallest_within(within=0.21)
    assert best is not None and best.threshold == 0.1
    assert curve.find_smallest_within(within=-1.0) is None
    # An error of 50.1 is .2 percent of the whole's 50 worse.
    errors = made("deg", 50.1, 49.0, 60.0, better=False)
    assert [errors.compute_points_below_full(point) for point in errors.points] == pytest.approx(
        [0.2, -2.0, 20.0]
    )
    row = curve.to_rows()[1]
    # 100 + 20 + 50 of 200; without the trunk 70 of 100; 20 of 40. The last two experts' choices.
    assert (row["share"], row["share_above_trunk"], row["share_of_experts"]) == (0.85, 0.7, 0.5)
    assert row["choices_lost"] == pytest.approx(0.2)
    assert "| 0.1 | 2 | 0.00017 | 85.0% | 50.0% | 49.8 | 0.20 |" in curve.to_markdown()


def test_choices_that_are_lost() -> None:
    # Of 2 choices a token, .5 fell on the first and last expert.
    assert compute_lost_choices({"a": {"chosen": [0.2, 1.0, 0.5, 0.3]}}, {"a": (1, 2)}) == {
        "a": 0.25
    }


def test_a_curve_needs_pictures(run: Run) -> None:
    with pytest.raises(ValueError, match="task='dept'"):
        measure_score_curve(run, task="dept")
    assert list(TASKS) == list(run.task_names)
