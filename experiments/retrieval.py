"""Pictures and words, recordings and words: `python -m experiments.retrieval`, minutes on one core.

A mixture as the connector (Alt-MoE) against MLPs, of as many parameters and of as many as a token
uses of the mixture. Encoders and the words' embeddings, the language model's, are frozen; the
connector is trained by InfoNCE in both directions, as in the first step of `experiments.align`.
Test rows are drawings in a style, and words in voices, that are not in training; each is to find
its word among all words of the test, and the word it. Three seeds; the result is
benchmarks/results/retrieval-cpu.json.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.provenance import provenance
from coterie.data.sample import TextSample
from coterie.encoding.connector import Connector
from coterie.evaluate.estimates import RESAMPLES, Estimates
from coterie.evaluate.systems import System, TaskStatistics, bootstrap_systems
from coterie.metrics.recall_at_k import RankPrediction, RecallAtK
from coterie.models import MixtureConnector, MlpConnector
from coterie.models.loading import LoadedModel, load
from coterie.models.omni import FeatureCache
from coterie.models.omni.encoders.base import select_modality, unpack
from coterie.paths import get_cache_dir
from coterie.tasks.retrieval.ranks import rank_pairs
from experiments.align import CONTRAST_RATE, descended, embedded, encoded, info_nce, noisy
from experiments.align_sound import pool
from experiments.captions import captions

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "retrieval-cpu.json"
CONTENTS = {"drawings": ("naming image", "image"), "words said": ("spoken audio", "audio")}
"""What is looked for -> its captions, and the modality, of which the first encoder is taken."""
DIRECTIONS = ("to the word", "from the word")
LEVELS = (1, 5)
HIDDEN = 128
BATCH_SIZE = 64
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Pairs:
    """Frozen features and frozen embeddings of words, row by row."""

    texts: tuple[str, ...]
    features: tuple[Float[Tensor, "tokens width"], ...]
    words: Float[Tensor, "rows out"]

    @cached_property
    def labels(self) -> Tensor:
        """The same number for equal words, which are no negatives of each other."""
        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        return torch.tensor([numbers[text] for text in self.texts])


def read_pairs(loaded: LoadedModel, name: str, modality: str, split: str) -> Pairs:
    """Read the captions of a split, and encode them or take their features from the cache."""
    model: Any = loaded.model
    samples = captions(get_cache_dir() / "pantry", split)[name]
    words = [embedded(model, loaded.processor.tokenizer, each.answers[0]) for each in samples]
    center = model.get_input_embeddings().weight.detach().mean(0)
    return Pairs(
        texts=tuple(each.answers[0] for each in samples),
        features=tuple(encode(loaded, modality, each) for each in samples),
        words=torch.stack(words) - center,
    )


def encode(loaded: LoadedModel, modality: str, sample: TextSample) -> Float[Tensor, "tokens width"]:
    """Return what the modality's first encoder makes of a sample."""
    model: Any = loaded.model
    features = encoded(loaded.processor, modality, sample)
    # The one audio encoder gives a token for 16 mel frames.
    length = 16 * len(features) if modality == "audio" else 0
    encoders = select_modality(model.base_model.encoders, modality)
    _, part, _ = next(iter(unpack(features[None], torch.tensor([length]), encoders)))
    return part[0].clone()


def list_connectors(width: int, out: int) -> dict[str, tuple[Connector, int]]:
    """System -> its kind of connector and hidden width; the MLPs have the mixture's sizes."""
    mixture = MixtureConnector()
    total = count(mixture.build(width, HIDDEN, out))
    idle = (mixture.experts - mixture.chosen) * 2 * HIDDEN * (HIDDEN + 1)
    found: dict[str, tuple[Connector, int]] = {"mixture": (mixture, HIDDEN)}
    for name, size in (("MLP of its size", total), ("MLP of its active size", total - idle)):
        # A norm of the input, weights and biases of two maps.
        found[name] = (MlpConnector(), round((size - 2 * width - out) / (width + 1 + out)))
    return found


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def train(network: nn.Module, pairs: Pairs, steps: int) -> list[float]:
    """Train a connector's mean over tokens towards the words; return losses over training."""

    def losses() -> Iterator[Tensor]:
        for _ in range(steps):
            chosen = torch.randint(len(pairs.texts), (BATCH_SIZE,))
            same = pairs.labels[chosen][:, None] == pairs.labels[chosen]
            pooled = pool(network, *noisy([pairs.features[row] for row in chosen.tolist()]))
            yield info_nce(pooled, pairs.words[chosen], same)

    network.train()
    return descended(list(network.parameters()), losses(), steps, CONTRAST_RATE, weight_decay=0.1)


@torch.no_grad()
def rank(network: nn.Module, pairs: Pairs) -> list[RankPrediction]:
    network.eval()
    media = [pool(network, each[None], torch.tensor([len(each)]))[0] for each in pairs.features]
    return rank_pairs(torch.stack(media), pairs.words, pairs.texts)


def describe_ranks(name: str, found: Sequence[Sequence[RankPrediction]]) -> System:
    """Return each direction's R@k, as tasks of a system; `found` has the ranks of each seed."""
    tasks = {}
    for direction in DIRECTIONS:
        for level in LEVELS:
            metric = RecallAtK(k=level)
            tasks[f"R@{level} {direction}"] = TaskStatistics(
                metric=metric, name=f"R@{level}",
                samples=tuple(map(str, range(len(found[0])))),
                statistics=tuple(
                    np.stack([metric.statistics(select(each, direction)) for each in ranks])
                    for ranks in found
                ),
            )  # fmt: skip
    return System(name=name, seeds=SEEDS[: len(found)], tasks=tasks, costs=())


def select(ranks: RankPrediction, direction: str) -> RankPrediction:
    """Return ranks whose mean of both directions is that of one."""
    own = ranks.candidate if direction == DIRECTIONS[0] else ranks.query
    return RankPrediction(candidate=own, query=own)


def compare(systems: Sequence[System]) -> dict[str, Any]:
    """Return each system's scores, and their differences to the first one's, with intervals."""
    names = list(systems[0].tasks)
    found = Estimates(
        systems=bootstrap_systems(systems, resamples=RESAMPLES, seed=0),
        higher_is_better=[True] * len(names),
    )
    return {
        system.name: {
            "scores": {n: found.score(i, j)._asdict() for j, n in enumerate(names)},
            "minus_first": {
                n: found.difference(i, 0, j).interval._asdict() for j, n in enumerate(names)
            },
        }
        for i, system in enumerate(systems)
    }


def run_content(train_pairs: Pairs, test_pairs: Pairs, *, steps: int) -> dict[str, Any]:
    """Train and score all systems on one content."""
    width, out = train_pairs.features[0].shape[1], train_pairs.words.shape[1]
    sizes: dict[str, Mapping[str, Any]] = {}
    systems = []
    for name, (kind, hidden) in list_connectors(width, out).items():
        ranks, losses = [], []
        size = count(kind.build(width, hidden, out))
        for seed in SEEDS:
            torch.manual_seed(seed)
            network = kind.build(width, hidden, out)
            losses.append(train(network, train_pairs, steps)[-1])
            ranks.append(rank(network, test_pairs))
        sizes[name] = {"hidden": hidden, "parameters": size, "last_losses": losses}
        systems.append(describe_ranks(name, ranks))
    compared = compare(systems)
    return {
        "training_rows": len(train_pairs.texts), "test_rows": len(test_pairs.texts),
        "words": len(set(test_pairs.texts)),
        "systems": {name: {**sizes[name], **each} for name, each in compared.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    loaded = load(get_cache_dir() / "omni", dtype=torch.float32)
    for weight in loaded.model.parameters():
        weight.requires_grad_(False)
    loaded.processor.feature_cache = FeatureCache(loaded.model, get_cache_dir() / "features")
    pairs = {
        content: [read_pairs(loaded, name, modality, split) for split in ("train", "test")]
        for content, (name, modality) in CONTENTS.items()
    }
    found = {content: run_content(*both, steps=steps) for content, both in pairs.items()}
    facts = provenance(torch.device("cpu")) | {
        "seeds": SEEDS, "steps": steps, "batch_size": BATCH_SIZE, "learning_rate": CONTRAST_RATE,
        "contents": found,
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
