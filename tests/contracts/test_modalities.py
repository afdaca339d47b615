"""What every modality owes; and one more in a file, through data, graft and training."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from peft import PeftModel
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
import coterie.families
import coterie.modalities
from coterie import Lora, Mixture, ModalityGate, TaskGate, TopK
from coterie.data.chat_template import make_template
from coterie.data.sources.folder import get_media_kind
from coterie.metrics import ExactMatch
from coterie.modalities.base import (
    MediaModality,
    find_media_modalities,
    find_modalities,
    find_tower_modalities,
    get_media_modality,
)
from coterie.tasks import TextTask
from tests.tinies.base import TEXT

FAKES = Path(__file__).parent / "fakes"
POINTS = 7
"""The token that stands for a cloud of points."""


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    """coterie as it is with the fakes' files in its folders."""
    for package in (coterie.modalities, coterie.families):
        folder = FAKES / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])


class PointsConfig(LlamaConfig):
    model_type = "points_llama"
    points_token_id: int = POINTS


class Tower(nn.Module):
    """[clouds, points, 3] to one row of `width` numbers a cloud."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(3, 8), nn.Linear(8, width)

    def forward(self, clouds: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.fc1(clouds).tanh()).mean(1)


class PointsModel(LlamaForCausalLM):
    config_class = PointsConfig

    def __init__(self, config: PointsConfig) -> None:
        super().__init__(config)
        self.points_tower = Tower(config.hidden_size)

    def forward(self, input_ids: Any = None, point_values: Any = None, **kwargs: Any) -> Any:
        embedded = self.model.embed_tokens(input_ids)
        if point_values is not None:
            rows = self.points_tower(point_values).to(embedded.dtype)
            embedded = embedded.masked_scatter((input_ids == POINTS)[..., None], rows)
        return super().forward(inputs_embeds=embedded, **kwargs)


def model() -> PointsModel:
    torch.manual_seed(0)
    return PointsModel(PointsConfig(vocab_size=40, **TEXT))


def batch() -> dict[str, torch.Tensor]:
    """One cloud in the first sample and two in the second."""
    ids = torch.tensor([[POINTS, 9, 10, 11, 12], [POINTS, POINTS, 13, 14, 15]])
    clouds = torch.arange(36.0).view(3, 4, 3) / 36
    labels = ids.masked_fill(torch.arange(5) < 3, -100)
    return {"input_ids": ids, "point_values": clouds, "labels": labels}


def mixtures() -> tuple[Mixture, Mixture]:
    """The tokens of the decoder by modality, the rows of the encoder by the sample's task."""
    lora = Lora(ranks=(2, 2))
    gate = ModalityGate(modalities=("points", "text"))
    return (
        Mixture(at="text.mlp", experts=lora, gate=gate, router=TopK(k=1)),
        Mixture(at="points.mlp", experts=lora, gate=TaskGate(init_std=1.0)),
    )


@pytest.mark.parametrize("modality", find_modalities(), ids=lambda each: each.name)
def test_a_modality_has_a_name_and_names_of_its_own(modality: Any) -> None:
    others = [each for each in find_modalities() if each is not modality]
    assert modality.name.isidentifier()
    assert modality.name not in [each.name for each in others]
    assert not set(modality.inputs) & {name for each in others for name in each.inputs}


@pytest.mark.parametrize("modality", find_media_modalities().values(), ids=lambda each: each.name)
def test_a_media_modality_refuses_what_it_cannot_decode(modality: MediaModality) -> None:
    assert modality.suffixes == tuple(suffix.lower() for suffix in modality.suffixes)
    with pytest.raises(ValueError, match=r"^is "):
        modality.decode(b"\xff\xfe no such thing")


def test_the_modalities_and_their_order_are_those_of_the_files() -> None:
    assert [each.name for each in find_modalities()] == ["text", "image", "video", "audio", "sound"]
    assert list(find_media_modalities()) == ["image", "video", "audio", "sound"]
    assert find_tower_modalities() == {
        "vision": "image", "connector": "image", "audio": "audio", "audio_connector": "audio",
        "video": "video", "sound": "sound",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"'images' is no modality of files \(did you mean image"):
        get_media_modality("images")


def test_a_gate_of_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="'points' is none of text, image, video, audio, sound"):
        ModalityGate(modalities=("text", "points"))
    with pytest.raises(ValueError, match="give each modality once"):
        ModalityGate(modalities=("text", "text"))


@pytest.mark.usefixtures("points")
class TestPoints:
    rows: ClassVar = [
        {"points": "a.pts", "question": "What?", "answer": "a line"},
        {"question": "Is <points> flat?", "points": "a.pts", "answer": "yes"},
    ]

    def test_rows_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.pts").write_text("0 0 0\n1 2 3\n")
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in self.rows))
        task = TextTask(name="shape", rows={"train": "rows.jsonl"}, folder=str(tmp_path))
        samples = task.read_samples("train")
        first, second = (samples[i].to_chat_messages()[0]["content"] for i in range(2))
        assert [part["type"] for part in first] == ["points", "text"]
        assert first[0]["points"].tolist() == [[0, 0, 0], [1, 2, 3]]
        assert [part["type"] for part in second] == ["text", "points", "text"]
        assert get_media_kind("b.PTS", "row") == "points"
        assert "points_token | default('<points>')" in make_template()

    def test_a_column_of_another_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.pts").write_text("0 0 0")
        (tmp_path / "rows.jsonl").write_text(
            json.dumps({"cloud": "a.pts", "question": "?", "answer": "b"})
        )
        (tmp_path / "tasks.yaml").write_text(
            "tasks:\n- {name: t, points: cloud, rows: {train: rows.jsonl}}"
        )
        (task,) = coterie.read_tasks(tmp_path / "tasks.yaml").tasks
        assert task.media == {"points": "cloud"} and task.metric == ExactMatch()
        assert task.read_samples("train")[0].get_media()[0].kind == "points"

    def test_it_routes_and_trains(self, tmp_path: Path) -> None:
        grafted = coterie.graft(model(), mixtures(), tasks=("a", "b"))
        tasks = torch.tensor([0, 1])
        grafted.train()
        optimizer = torch.optim.AdamW([p for p in grafted.parameters() if p.requires_grad], 1e-2)
        losses = []
        for _ in range(5):
            loss = grafted(**batch(), task_ids=tasks).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
        grafted.eval()
        with coterie.observe(grafted) as tape, torch.no_grad():
            wanted = grafted(**batch(), task_ids=tasks).logits
        routing = tape["model.layers.0.mlp.up_proj"]
        names = [routing.modalities[index] for index in routing.modality.tolist()]
        assert names == ["points", *["text"] * 4, "points", "points", *["text"] * 3]
        # Of three clouds, the second sample owns two, and with them its task.
        assert tape["points_tower.fc2"].task.view(3, 4)[:, 0].tolist() == [0, 1, 1]
        grafted.save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "adapter_config.json").read_text())
        assert saved["mixtures"][0]["gate"]["modalities"] == ["points", "text"]
        again = PeftModel.from_pretrained(model(), tmp_path).eval()
        with torch.no_grad():
            assert torch.equal(again(**batch(), task_ids=tasks).logits, wanted)

    def test_a_gate_without_a_matrix_for_the_model_s_modality_says_so(self) -> None:
        grafted = coterie.graft(model(), Mixture(at="text.mlp", gate=ModalityGate()))
        with pytest.raises(ValueError, match=r"the model has points tokens.*add 'points'"):
            grafted(**batch())
