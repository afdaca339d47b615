"""How well frozen features tell the pantry's sounds apart: `python -m experiments.sounds`, minutes.

A linear classifier on the mean and the deviation over an item's tokens is trained on the training
rows of each task and scored on the test rows, whose recordings no encoder was trained on: for the
sound encoder of coterie-demo, for Whisper's, and for the log-mel itself. The classifier's penalty
is chosen on the validation rows. The result is benchmarks/results/sounds-cpu.json.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from transformers import WhisperFeatureExtractor

from benchmarks.provenance import provenance
from coterie.modalities.audio import Audio
from coterie.models.omni.encoders.base import Encoder
from coterie.models.omni.encoders.sound import SoundEncoder
from coterie.models.omni.encoders.whisper import WhisperEncoder
from coterie.models.omni.spectrograms import compute_spectrograms
from coterie.paths import get_cache_dir
from coterie_demo.assemble_omni import WHISPER
from coterie_demo.pantry.sounds import COLUMN

TASKS = ("drums", "instrument", "sound_kind")
SPLITS = ("train", "validation", "test")
PENALTIES = (0.001, 0.01, 0.1, 1.0)
RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "sounds-cpu.json"
Describe = Callable[[Float[Tensor, "bands frames"]], Float[Tensor, "frames width"]]


def main() -> None:
    torch.manual_seed(0)
    pantry, scores = get_cache_dir() / "pantry", {}
    for task in TASKS:
        rows = {split: read_rows(pantry / task / f"{split}.jsonl") for split in SPLITS}
        answers = {split: [row["answer"] for row in found] for split, found in rows.items()}
        mels = {split: [compute_mel(pantry / task / row[COLUMN]) for row in found]
                for split, found in rows.items()}  # fmt: skip
        scores[task] = {
            "rows": {split: len(found) for split, found in rows.items()},
            "majority": score_majority(answers),
        } | {name: probe(mels, answers, describe) for name, describe in make_describers().items()}
        print(task, scores[task], flush=True)
    facts = provenance(torch.device("cpu")) | {"accuracy": scores}
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def compute_mel(file: Path) -> Float[Tensor, "bands frames"]:
    samples = Audio().decode(file.resolve().read_bytes())
    return compute_spectrograms([samples], WhisperFeatureExtractor())[0][0]


def make_describers() -> Mapping[str, Describe]:
    """Name -> the features of one item, a row a token."""
    weights = get_cache_dir() / "weights"
    fields = json.loads((weights / "audio" / "config.json").read_text(encoding="utf-8"))
    whisper = WhisperEncoder(config={key: fields[key] for key in fields if key in WHISPER})
    return {
        "log-mel": lambda mel: mel.T,
        "whisper": make_describer(whisper, weights / "audio"),
        "sound encoder": make_describer(SoundEncoder(), weights / "sound"),
    }


def make_describer(encoder: Encoder, weights: Path) -> Describe:
    tower = encoder.build_tower()
    state = encoder.load_weights(weights)
    tower.load_state_dict({name: value.float() for name, value in state.items()})
    tower.eval()

    @torch.no_grad()
    def describe(mel: Float[Tensor, "bands frames"]) -> Float[Tensor, "frames width"]:
        return encoder.encode(tower, mel[None], torch.tensor([mel.shape[1]]))[0]

    return describe


def probe(
    mels: Mapping[str, list[Tensor]], answers: Mapping[str, list[str]], describe: Describe
) -> float:
    """The test accuracy of a linear classifier of an item's mean and deviation."""
    pooled = {split: np.stack([pool(describe(mel)) for mel in found])
              for split, found in mels.items()}  # fmt: skip
    scale = StandardScaler().fit(pooled["train"])
    x = {split: scale.transform(values) for split, values in pooled.items()}
    fitted = [LogisticRegression(C=penalty, max_iter=2000).fit(x["train"], answers["train"])
              for penalty in PENALTIES]  # fmt: skip
    best = max(fitted, key=lambda each: each.score(x["validation"], answers["validation"]))
    return round(float(best.score(x["test"], answers["test"])), 3)


def pool(tokens: Float[Tensor, "frames width"]) -> np.ndarray:
    return torch.cat([tokens.mean(0), tokens.std(0, correction=0)]).numpy()


def score_majority(answers: Mapping[str, list[str]]) -> float:
    [(most, _)] = Counter(answers["train"]).most_common(1)
    return round(answers["test"].count(most) / len(answers["test"]), 3)


if __name__ == "__main__":
    main()
