"""Trained weights of the base model: whose the composed one has, and where runs disagree."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from coterie.compose.base_weights import choose_base_weights

HEAD, IMAGES, SPEECH = "lm_head.weight", "connectors.image.weight", "connectors.audio.weight"
ONE, TWO = torch.ones(1), 2 * torch.ones(1)


@dataclass
class FakeRun:
    folder: Any


@dataclass
class FakeSource:
    """What is read of a source here."""

    run: FakeRun
    modalities: tuple[str, ...]
    base_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.run.folder.name


class FakeHost:
    """A model with a connector for pictures and one for speech."""

    def get_tower(self, module: str) -> str:
        towers = {"connectors.image": "connector", "connectors.audio": "audio"}
        return towers.get(module, "text")


@pytest.fixture
def make(tmp_path: Any) -> Any:
    """Choose among the weights of a run on pictures and one on speech."""

    def choose(one: dict[str, Tensor], two: dict[str, Tensor], take: Any = None) -> Any:
        both = zip("ab", ("image", "audio"), (one, two), strict=True)
        sources: list[Any] = [
            FakeSource(FakeRun(tmp_path / name), (modality,), weights)
            for name, modality, weights in both
        ]
        host: Any = FakeHost()
        given = {name: tmp_path / run for name, run in (take or {}).items()}
        return choose_base_weights(sources, host, given)

    return choose


def test_a_connector_is_of_the_run_whose_modality_passes_it(make: Any) -> None:
    trained = {IMAGES: ONE, SPEECH: ONE}
    found = make({IMAGES: TWO, SPEECH: ONE}, {**trained, SPEECH: TWO})
    assert (found[IMAGES].runs, found[SPEECH].runs) == ((0,), (1,))
    assert found[IMAGES].values == found[SPEECH].values == 2


def test_equal_weights_are_of_both(make: Any) -> None:
    assert make({HEAD: ONE}, {HEAD: ONE.clone()})[HEAD].runs == (0, 1)


def test_disagreement_is_refused_by_name(make: Any) -> None:
    said = "lm_head.weight, which the tokens of all runs pass through, was trained by a and b diff"
    with pytest.raises(ValueError, match=said):
        make({HEAD: ONE}, {HEAD: TWO})
    with pytest.raises(ValueError, match="was trained by a, and b has the base model's"):
        make({HEAD: ONE}, {})
    with pytest.raises(ValueError, match="several runs' audio rows pass"):
        make({SPEECH: ONE}, {})


def test_one_is_taken_by_name(make: Any) -> None:
    assert make({HEAD: ONE}, {HEAD: TWO}, {"lm_head.*": "b"})[HEAD].values == 2
    with pytest.raises(ValueError, match=r"take: .*b did not train lm_head.weight; .*a did"):
        make({HEAD: ONE}, {}, {"lm_head.*": "b"})
    with pytest.raises(ValueError, match=r"matches no weight .* these are lm_head.weight"):
        make({HEAD: ONE}, {HEAD: ONE}, {"lm_haed.*": "b"})
    with pytest.raises(ValueError, match="the runs are a, b"):
        make({HEAD: ONE}, {HEAD: ONE}, {"lm_head.*": "c"})


def test_two_runs_for_one_weight_are_refused(make: Any) -> None:
    weights = ({HEAD: ONE, IMAGES: ONE}, {HEAD: TWO, IMAGES: TWO})
    with pytest.raises(ValueError, match=r"take=.*: .*b'} and a both have connectors.image.weight"):
        make(*weights, take={".*": "a", "connectors.*": "b"})
    host: Any = FakeHost()
    listed: Any = ["a"]
    with pytest.raises(ValueError, match=r"take=\['a'\]: give a mapping from names of weights to"):
        choose_base_weights([], host, listed)
    found = make(*weights, take={".*": "b", "connectors.*": "b"})
    assert (found[HEAD].runs, found[IMAGES].runs) == ((1,), (1,))
