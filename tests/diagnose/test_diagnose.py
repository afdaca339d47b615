"""Tasks that agree, tasks that contradict, in a tiny model and in a tiny run."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import coterie
from coterie.diagnose import diagnose
from coterie.models.loading import LoadedModel, load
from coterie.tasks.text.task import TextTask
from tests.evaluate.runs import base, run, says, task
from tests.tinies.omni import omni_model, omni_processor

AT = ("text.mlp",)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    """The tiny model, taught to answer "yes" or "no" and nothing else, so that they compete."""
    found = load(base())
    head = found.model.get_output_embeddings()
    words = [found.processor(w, add_special_tokens=False)["input_ids"] for w in ("yes", "no")]
    with torch.no_grad():
        head.weight[[word[0] for word in words]] *= 30
    return found


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[TextTask, ...]:
    """Two that contradict each other, and one that is the first again."""
    return tuple(
        task(tmp_path, name, says(word), count=16)
        for name, word in (("yes", "yes"), ("no", "no"), ("again", "yes"))
    )


def test_equal_tasks_agree_and_contradicting_ones_pull_apart(
    loaded: LoadedModel, tasks: tuple[TextTask, ...]
) -> None:
    found = diagnose(loaded, tasks, batches=4, batch_size=4, at=AT)
    assert found.space == "probe" and found.shared is None
    assert found.overall[0][2] == pytest.approx(1, abs=1e-4)
    assert found.overall[0][1] < -0.1 and found.high[0][1] < 0
    # yes and no, no and again: two of three.
    assert found.negative_share == pytest.approx(2 / 3)
    assert found.summary.startswith("2 of 3 pairs of tasks pull against each other, ")
    assert found.transfer[0][0] < 0 < found.transfer[0][1]
    assert found.groups == ("layer 0", "layer 1") and len(found.cosine) == 2
    again = diagnose(loaded, tasks, batches=4, batch_size=4, at=AT)
    assert again.overall == found.overall and again.transfer == found.transfer
    other = diagnose(loaded, tasks, batches=4, batch_size=4, at=AT, seed=1)
    assert other.overall != found.overall


def test_the_model_is_left_as_it_was_bit_for_bit(
    loaded: LoadedModel, tasks: tuple[TextTask, ...]
) -> None:
    before = {name: each.clone() for name, each in loaded.model.state_dict().items()}
    flags = [each.requires_grad for each in loaded.model.parameters()]
    diagnose(loaded, tasks[:2], batches=2, batch_size=2, at=AT)
    after = loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(each, after[name]) for name, each in before.items())
    assert [each.requires_grad for each in loaded.model.parameters()] == flags
    assert all(each.grad is None for each in loaded.model.parameters())


def test_of_a_run_the_experts_and_the_shared_place_are_measured(
    tmp_path: Path, tasks: tuple[TextTask, ...]
) -> None:
    made = run(tmp_path / "r", tasks)
    found = diagnose(made.folder, batches=2, batch_size=4, at=AT)
    assert found.tasks == ("yes", "no", "again") and found.space == "adapter"
    assert found.shared is not None and found.shared.space == "probe"
    assert not found.shared.transfer and len(found.transfer) == 3
    assert found.overall[0][2] == pytest.approx(1, abs=1e-4)


def test_tasks_of_different_experts_do_not_meet(
    tmp_path: Path, tasks: tuple[TextTask, ...]
) -> None:
    gate = coterie.TaskGate(per_token=False)
    mixture = coterie.Mixture(
        at="text.mlp", experts=coterie.Lora(ranks=(2, 2, 2)), gate=gate, router=coterie.TopK(k=1)
    )
    made = run(tmp_path / "r", tasks, recipe=coterie.Recipe(mixtures=(mixture,)))
    loaded = made.load()
    with torch.no_grad():
        for name, each in loaded.model.named_parameters():
            if ".coterie_gate." in name:
                each.copy_(9 * torch.eye(3))  # each task to its own expert
            if name.endswith(".up"):
                each.zero_()  # so that the tasks still read the same hidden states
    found = diagnose(loaded, tasks, batches=2, batch_size=4, at=AT)
    assert abs(found.overall[0][1]) < 0.01 and abs(found.overall[0][2]) < 0.01
    # The host's own place is still shared.
    assert found.shared is not None and found.shared.overall[0][2] > 0.5
    assert list(loaded.model.peft_config) == ["default"]


def test_replaced_blocks_have_no_shared_place(tmp_path: Path, tasks: tuple[TextTask, ...]) -> None:
    mixture = coterie.Mixture(at="text.mlp", experts=coterie.Copies(count=2))
    made = run(tmp_path / "r", tasks, recipe=coterie.Recipe(mixtures=(mixture,)))
    found = diagnose(made, batches=2, batch_size=2, at=AT)
    assert found.shared is None and found.space == "adapter"


def test_what_cannot_be_measured_is_told(loaded: LoadedModel, tasks: tuple[TextTask, ...]) -> None:
    with pytest.raises(ValueError, match="diagnose compares tasks, and was given 1"):
        diagnose(loaded, tasks[:1])
    with pytest.raises(ValueError, match="batches=1, batch_size=8: give at least 2 batches"):
        diagnose(loaded, tasks, batches=1)
    with pytest.raises(ValueError, match="task 'yes' has 16 rows in its 'train' split: 17 batches"):
        diagnose(loaded, tasks, batches=17)
    with pytest.raises(ValueError, match="give the tasks whose conflict is to be measured"):
        diagnose(loaded)


def test_pictures_are_encoded_once_and_the_processor_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    tasks = []
    for name, word in (("yes", "yes"), ("no", "no")):
        lines = []
        for number in range(4):
            Image.new("RGB", (28, 28), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
            lines.append({"image": f"{number}.png", "question": "what is it?", "answer": word})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
        tasks.append(TextTask(name=name, rows={"train": f"{name}.jsonl"}, folder=str(tmp_path)))
    processor = omni_processor()
    loaded = LoadedModel(omni_model(processor), processor, "tiny")
    own = dict(vars(processor))
    found = diagnose(loaded, tasks, batches=2, batch_size=2)
    assert vars(processor) == own and found.groups == ("layer 0", "layer 1")
    assert len(list((tmp_path / "home").rglob("*.safetensors"))) == 4
    assert set(diagnose(loaded, tasks, batches=2, batch_size=2, at=("vision.mlp",)).groups) == {
        "vision layer 0",
        "vision layer 1",
    }
