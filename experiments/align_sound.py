"""Train the connector of sounds, and add it to those that the package ships: minutes on one core.

`python -m experiments.align_sound`, after `experiments.align`, whose first step this is, without
the second: a sound's mean over the connector's tokens is trained towards the embeddings of its
caption and away from other captions'. Training rows alone are used. The language model itself is
not run, so a recipe has to train on sounds before their tokens mean anything to it.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, WhisperFeatureExtractor

from benchmarks.provenance import provenance
from coterie.data.sample import TextSample
from coterie.models.omni.assembly import init_connectors
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.modeling import get_connector
from coterie.models.omni.spectrograms import compute_spectrograms
from coterie.paths import get_cache_dir
from coterie_demo.locations import CONNECTORS, MODEL
from experiments.align import CONTRAST_RATE, CONTRAST_SIZE, descended, info_nce, noisy
from experiments.captions import captions

PREFIX = "sound."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--connectors", type=Path, default=CONNECTORS)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    home = get_cache_dir()
    texts = Texts(home / "weights" / "llm")
    encoder = SoundEncoder()
    network = get_connector(encoder).build(encoder.width, encoder.hidden, texts.embeddings.shape[1])
    first = init_connectors([encoder], texts.embeddings)
    network.load_state_dict({key.split(PREFIX, 1)[1]: value for key, value in first.items()})
    splits = {split: list_samples(home / "pantry", split) for split in ("train", "validation")}
    features = {split: encode(encoder, home / "weights" / "sound", found)
                for split, found in splits.items()}  # fmt: skip
    losses = contrast(network, features["train"], splits["train"], texts, arguments.steps)
    names = sorted({each.answers[0] for each in splits["train"]})
    known = [place for place, each in enumerate(splits["validation"]) if each.answers[0] in names]
    right = retrieve(network, [features["validation"][place] for place in known], names, texts)
    wanted = [splits["validation"][place].answers[0] for place in known]
    hits = sum(a == b for a, b in zip(right, wanted, strict=True))
    facts = provenance(torch.device("cpu")) | {
        "seed": arguments.seed, "steps": arguments.steps, "batch_size": CONTRAST_SIZE,
        "learning_rate": CONTRAST_RATE, "captions": len(splits["train"]), "loss": losses,
        "validation_retrieval": {"right": hits, "of": len(known), "among": len(names)},
    }  # fmt: skip
    print(facts["validation_retrieval"])
    add_connector(arguments.connectors, network, facts)


class Texts:
    """The language model's tokenizer and embeddings."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.embeddings = load_file(folder / MODEL)["model.embed_tokens.weight"].float()

    def embed(self, text: str) -> Float[Tensor, " width"]:
        """Return the mean embedding of a text's tokens."""
        tokens = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        return self.embeddings[tokens[0]].mean(0)


def list_samples(pantry: Path, split: str) -> list[TextSample]:
    found = captions(pantry, split)
    return [each for name, samples in found.items() if name.endswith(" sound") for each in samples]


@torch.no_grad()
def encode(
    encoder: SoundEncoder, weights: Path, samples: list[TextSample]
) -> list[Float[Tensor, "tokens width"]]:
    tower = encoder.build_tower()
    tower.load_state_dict({k: v.float() for k, v in encoder.load_weights(weights).items()})
    found = []
    for sample in samples:
        [medium] = sample.get_media()
        values, lengths = compute_spectrograms([medium.load()], WhisperFeatureExtractor())
        found.append(encoder.encode(tower.eval(), values, lengths)[0])
    return found


def contrast(
    network: nn.Module, features: list[Tensor], samples: list[TextSample], texts: Texts, steps: int
) -> list[float]:
    """Train the connector towards captions' embeddings; return losses over training."""
    words = torch.stack([texts.embed(each.answers[0]) for each in samples])
    names = {text: place for place, text in enumerate({each.answers[0]: None for each in samples})}
    labels = torch.tensor([names[each.answers[0]] for each in samples])
    center, spread = texts.embeddings.mean(0), (words - words.mean(0)).square().mean()

    def losses() -> Iterator[Tensor]:
        for _ in range(steps):
            chosen = torch.randint(len(samples), (CONTRAST_SIZE,))
            wanted, same = words[chosen], labels[chosen][:, None] == labels[chosen]
            pooled = pool(network, *noisy([features[place] for place in chosen.tolist()]))
            near = info_nce(pooled - center, wanted - center, same)
            yield near + (pooled - wanted).square().mean() / spread

    learned = list(network.parameters())
    return descended(learned, losses(), steps, CONTRAST_RATE, weight_decay=0.1)


def pool(
    network: nn.Module, batch: Float[Tensor, "rows seq width"], tokens: Tensor
) -> Float[Tensor, "rows out"]:
    own = (torch.arange(batch.shape[1]) < tokens[:, None])[..., None]
    return (network(batch) * own).sum(1) / own.sum(1)


@torch.no_grad()
def retrieve(
    network: nn.Module, features: list[Tensor], names: list[str], texts: Texts
) -> list[str]:
    """Return the nearest caption of each sound, by cosine."""
    center = texts.embeddings.mean(0)
    words = nn.functional.normalize(torch.stack([texts.embed(name) for name in names]) - center)
    pooled = [pool(network, each[None], torch.tensor([len(each)]))[0] - center for each in features]
    return [names[int((words @ each).argmax())] for each in pooled]


def add_connector(file: Path, network: nn.Module, facts: dict[str, Any]) -> None:
    """Add the connector, and what it was made with, to a file of the others."""
    with safe_open(file, "pt") as opened:
        made = json.loads(opened.metadata()["provenance"])
    state = {key: value for key, value in load_file(file).items() if not key.startswith(PREFIX)}
    state |= {f"{PREFIX}{key}": value.detach().half().contiguous()
              for key, value in network.state_dict().items()}  # fmt: skip
    save_file(state, file, metadata={"provenance": json.dumps(made | {"sound": facts})})


if __name__ == "__main__":
    main()
