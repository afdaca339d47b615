"""Remedies are of one size on any base model, and stand in a study for their common name."""

import pytest

from coterie.balancing.pcgrad import PCGrad
from coterie.balancing.upgrad import UPGrad
from coterie.recipe import Recipe
from coterie.recipes import shared_lora
from coterie.study.cost import graft_last_stage
from coterie.study.remedies import make_remedies
from coterie.study.systems import choose_systems
from coterie.tasks import TextTask, TextTasks
from coterie.tasks.dense.task_set import DenseTasks
from tests.evaluate.dense_runs import RandomPictures
from tests.tiny import TINY

NAMES = [
    "shared_lora_pcgrad", "shared_lora_upgrad", "soft_lora", "moelora", "hydra_lora", "rode",
    "dual_lora", "awaker",
]  # fmt: skip
TASKS = TextTasks(
    tasks=tuple(TextTask(name=name, rows={"train": "a.jsonl"}) for name in ("ocr", "naming", "box"))
)


def count(host: str, recipe: Recipe) -> int:
    """What a run of the recipe trains, counted on the grafted model."""
    _, parameters = graft_last_stage(TINY[host]().model, recipe, TASKS.names)
    return parameters


@pytest.mark.parametrize("host", ["llama", "qwen2_vl"])
def test_each_trains_as_many_parameters_as_the_shared_lora(host: str) -> None:
    size = count(host, shared_lora())
    remedies = make_remedies(TINY[host]().model, TASKS.names)
    found = {each.name: count(host, each) for each in remedies}
    assert list(found) == NAMES
    assert {name for name, each in found.items() if abs(each - size) > 0.02 * size} == set(), found
    assert found["shared_lora_pcgrad"] == found["shared_lora_upgrad"] == size


def test_ranks_are_those_that_the_gates_leave() -> None:
    # A block of the tiny Llama: 32 wide; q, o 32, k, v 16 high; an MLP 64 high. A rank is 64 + 48
    # + 48 + 64 = 224 parameters in its attention, and 3 * 96 = 288 in its MLP; 32 ranks are 7,168
    # and 9,216. Token gates of four experts are 4 * 4 * 32 = 512 in the attention, 2.3 ranks; in
    # the MLP 4 * (32 + 32 + 64) = 512, 1.8 ranks. 30 and 30 ranks with their gates are 16,384.
    remedies = {each.name: each for each in make_remedies(TINY["llama"]().model, TASKS.names)}
    assert [each.main.get_names() for each in remedies["soft_lora"].mixtures] == [
        ["rank 8", "rank 8", "rank 7", "rank 7"]
    ] * 2
    assert count("llama", remedies["soft_lora"]) == 2 * 16_384
    pcgrad, upgrad = (remedies[f"shared_lora_{name}"] for name in ("pcgrad", "upgrad"))
    assert (pcgrad.balancing, upgrad.balancing) == (PCGrad(), UPGrad())
    # Each expert of awaker is a copy of the first stage's: all have one rank.
    for mixture in remedies["awaker"].mixtures:
        assert len(set(mixture.main.get_names())) == 1
    peaks = {max(stage.learning_rate for stage in each.stages) for each in remedies.values()}
    assert peaks == {1e-4} and remedies["awaker"].stages[2].learning_rate == pytest.approx(5e-5)


def test_too_few_ranks() -> None:
    with pytest.raises(ValueError, match="where a LoRA of rank 2 has 2,048: no ranks come"):
        make_remedies(TINY["llama"]().model, TASKS.names, rank=2)


def test_they_stand_in_a_study_for_their_name() -> None:
    systems = choose_systems(["remedies"], TASKS, lambda: TINY["llama"]().model)
    assert list(systems) == ["shared_lora", "single_task", *NAMES]
    assert systems["shared_lora"] == shared_lora()
    with pytest.raises(ValueError, match="'remedies' are fitted to a base model: give one"):
        choose_systems(["remedies"], TASKS)
    with pytest.raises(ValueError, match="text"):
        choose_systems(["remedies"], DenseTasks(dataset=RandomPictures()))
