"""Train the embedded omni model's connectors, which the package ships: `make align`.

Encoders and language model are frozen, as in LLaVA's first stage (Liu et al. 2023,
arXiv:2304.08485, section 4.2), and the connectors learn the content of images and audio, in two
steps. First, without the language model: a connector's output for an image, averaged over its
tokens, is trained towards the embeddings of its caption and away from other captions' (InfoNCE
both ways, as in CLIP: Radford et al. 2021, arXiv:2103.00020, figure 3). Then the language model is
trained to generate the caption. Only training splits are used, so no held-out style, food or voice
is seen.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.provenance import provenance
from coterie.data.sample import TextSample
from coterie.data.task_sampling import TaskSampling
from coterie.models.loading import LoadedModel, load
from coterie.models.omni import FeatureCache
from coterie.models.omni.assembly import init_connectors
from coterie.models.omni.encoders.base import select_modality, unpack
from coterie.paths import get_cache_dir
from coterie.tasks.text.batches import TextCollator
from coterie_demo.locations import CONNECTORS
from experiments.captions import captions

TEMPERATURE = 0.07
NOISE = 0.1
"""Standard deviations of noise on the features: there are few images of each object."""
CONTRAST_SIZE = 128
CONTRAST_RATE = 1e-3
REPORTS = 20
"""Mean losses that are recorded of each of the two training steps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contrast-steps", type=int, default=800, help="of each modality")
    parser.add_argument("--steps", type=int, default=500, help="through the language model")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=CONNECTORS)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    pretrained = load(get_cache_dir() / "omni", dtype=torch.float32)
    model, processor = pretrained.model, pretrained.processor
    # Not continued from the shipped ones: the same command gives the same connectors.
    embeddings = model.get_input_embeddings().weight.detach()
    model.load_state_dict(init_connectors(model.base_model.encoders, embeddings), strict=False)
    for name, weight in model.named_parameters():
        weight.requires_grad = "connectors." in name
    processor.feature_cache = FeatureCache(model, get_cache_dir() / "features")
    train = captions(get_cache_dir() / "pantry", "train")
    validation = [each for samples in captions(get_cache_dir() / "pantry", "validation").values()
                  for each in samples]  # fmt: skip
    collate = TextCollator(processor, list(train))
    contrasted = {
        modality: contrast(pretrained, modality, train, arguments.contrast_steps)
        for modality in ("image", "audio")
    }
    before = held_out(model, collate, validation)
    losses = say(model, collate, train, arguments)
    facts = provenance(torch.device("cpu")) | {
        "seed": arguments.seed,
        "captions": {name: len(samples) for name, samples in train.items()},
        "contrast": {"steps": arguments.contrast_steps, "batch_size": CONTRAST_SIZE,
                     "learning_rate": CONTRAST_RATE, "loss": contrasted},
        "say": {"steps": arguments.steps, "batch_size": arguments.batch_size,
                "learning_rate": arguments.learning_rate, "loss": losses},
        "validation_loss": {"contrast": before, "say": held_out(model, collate, validation)},
    }  # fmt: skip
    print(facts["validation_loss"])
    weights = {
        name.split("connectors.")[1]: weight.detach().half().contiguous()
        for name, weight in model.named_parameters()
        if "connectors." in name
    }
    save_file(weights, arguments.out, metadata={"provenance": json.dumps(facts)})


def contrast(
    pretrained: LoadedModel, modality: str, train: dict[str, list[TextSample]], steps: int
) -> list[float]:
    """Train a modality's connectors towards captions' embeddings; return losses over training."""
    model, processor = pretrained.model, pretrained.processor
    samples = [each for name, every in train.items() if name.endswith(modality) for each in every]
    features = [encoded(processor, modality, sample) for sample in samples]
    words = torch.stack([embedded(model, processor.tokenizer, each.answers[0]) for each in samples])
    names = {text: place for place, text in enumerate({each.answers[0] for each in samples})}
    labels = torch.tensor([names[each.answers[0]] for each in samples])
    center = model.get_input_embeddings().weight.detach().mean(0)
    spread = (words - words.mean(0)).square().mean()
    encoders = select_modality(model.base_model.encoders, modality)
    parameters = [weight for encoder in encoders
              for weight in model.base_model.connectors[encoder.name].parameters()]  # fmt: skip

    def losses() -> Iterator[Tensor]:
        for _ in range(steps):
            chosen = torch.randint(len(samples), (CONTRAST_SIZE,))
            wanted, same = words[chosen], labels[chosen][:, None] == labels[chosen]
            batch = noisy([features[place] for place in chosen.tolist()])
            yield torch.stack([
                info_nce(pooled - center, wanted - center, same)
                # InfoNCE depends on directions alone; the language model needs the right norm, too.
                + (pooled - wanted).square().mean() / spread
                for pooled in connected(model, modality, *batch)
            ]).sum()  # fmt: skip

    return descended(parameters, losses(), steps, CONTRAST_RATE, weight_decay=0.1)


def encoded(processor, modality: str, sample: TextSample) -> Float[Tensor, "tokens width"]:
    """Return the encoders' features of a sample's image or audio."""
    [medium] = sample.get_media()
    features, _ = processor.feature_cache.get_features(modality, [medium.load()], processor)
    return features[0].float()


def embedded(model, tokenizer, text: str) -> Float[Tensor, " width"]:
    """Return the mean embedding of a text's tokens."""
    tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return model.get_input_embeddings()(tokens)[0].mean(0).detach()


def noisy(
    features: Sequence[Float[Tensor, "tokens width"]],
) -> tuple[Float[Tensor, "rows seq width"], Int[Tensor, " rows"]]:
    """Return a padded batch with added noise, and the number of tokens of each row."""
    lengths = torch.tensor([len(each) for each in features])
    batch = nn.utils.rnn.pad_sequence(list(features), batch_first=True)
    return batch + NOISE * batch.std() * torch.randn_like(batch), lengths


def connected(
    model, modality: str, batch: Float[Tensor, "rows seq width"], tokens: Int[Tensor, " rows"]
) -> Iterator[Float[Tensor, "rows out"]]:
    """Yield each connector's output, the mean over the tokens of an image or audio."""
    encoders = select_modality(model.base_model.encoders, modality)
    # The one audio encoder gives a token for 16 mel frames.
    lengths = tokens * 16 if modality == "audio" else torch.zeros_like(tokens)
    for encoder, part, own in unpack(batch, lengths, encoders):
        said = model.base_model.connectors[encoder.name](part) * own[..., None]
        yield said.sum(1) / own.sum(1)[:, None]


def info_nce(
    said: Float[Tensor, "rows width"], words: Float[Tensor, "rows width"], same: Tensor
) -> Float[Tensor, ""]:
    """Return InfoNCE in both directions; all captions with the same text count as correct."""
    near = nn.functional.normalize(said) @ nn.functional.normalize(words).T / TEMPERATURE
    right = same / same.sum(1, keepdim=True)
    ways = (near.log_softmax(1) * right).sum(1) + (near.log_softmax(0) * right.T).sum(0)
    return -ways.mean() / 2


def say(model, collate: TextCollator, train: dict[str, list[TextSample]], arguments) -> list[float]:
    """Train the connectors with the captions' language model loss; return losses over training."""
    rows = list(train.values())
    batches = TaskSampling().sample_batches(
        [len(each) for each in rows],
        batch_size=arguments.batch_size, steps=arguments.steps, seed=arguments.seed,
    )  # fmt: skip

    def losses() -> Iterator[Tensor]:
        for batch in batches:
            inputs = collate([rows[int(task)][int(row)] for task, row in batch])
            inputs.pop("task_ids")
            yield model(**inputs).loss

    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    model.train()
    return descended(parameters, losses(), arguments.steps, arguments.learning_rate)


def descended(
    learns: list[nn.Parameter],
    losses: Iterator[Tensor],
    steps: int,
    learning_rate: float,
    weight_decay: float = 0.0,
) -> list[float]:
    """Take a step of AdamW on each loss; return means over a twentieth of the steps each."""
    optimizer = torch.optim.AdamW(learns, lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=max(steps, 2), pct_start=0.05
    )
    started, recent, means = time.perf_counter(), [], []
    for step, loss in enumerate(losses):
        loss.backward()
        nn.utils.clip_grad_norm_(learns, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append(loss.item())
        if len(recent) == max(steps // REPORTS, 1) or step + 1 == steps:
            means.append(round(sum(recent) / len(recent), 4))
            elapsed_s = time.perf_counter() - started
            print(f"step {step + 1}: loss {means[-1]:.3f}, {elapsed_s:.0f} s", flush=True)
            recent = []
    return means


@torch.no_grad()
def held_out(model, collate: TextCollator, samples: list[TextSample]) -> float:
    """Return the mean loss per answer token on validation captions."""
    model.eval()
    total = count = 0
    for start in range(0, len(samples), 32):
        inputs = collate(samples[start : start + 32])
        inputs.pop("task_ids")
        tokens = int((inputs["labels"] != -100).sum())
        total, count = total + model(**inputs).loss.item() * tokens, count + tokens
    return round(total / count, 4)


if __name__ == "__main__":
    main()
