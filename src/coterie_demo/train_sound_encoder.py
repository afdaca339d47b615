"""Trains the sound encoder that the package ships: `python -m coterie_demo.train_sound_encoder`.

It learns from labelled recordings of training splits alone: the hits of the drum kits that `drums`
trains on, the kits and the instruments of the sound font that `instrument` trains on (notes of
every program of General MIDI, by their family), and the recordings that `sound_kind` trains on. A
head for each kind of label is trained with it and thrown away. Spectra are varied: shifted in time,
coloured, mixed with a second recording and with noise. Minutes on one core; the same seed gives the
same file.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from coterie.models.omni.encoders.sound import SoundEncoder
from coterie_demo.download import unpack
from coterie_demo.locations import SOUND_ENCODER
from coterie_demo.pantry.soundfont import PLAYED_HZ, SoundFont
from coterie_demo.pantry.sounds import SAMPLE_RATE_HZ, Samples, read_recording, resample, trim
from coterie_demo.pantry.sources import DRUMKITS, FLUID, TUXPAINT, list_fetchers
from coterie_demo.pantry.tasks.drums import BELOW, KITS_OF_SPLIT, PARTS, list_hits
from coterie_demo.pantry.tasks.notes import FILES
from coterie_demo.pantry.tasks.sound_kind import BELOW as STAMPS
from coterie_demo.pantry.tasks.sound_kind import FOLDERS, split_recordings

FRAMES = 96
"""Of 10 ms: what the network is trained on at once."""
SECONDS = FRAMES / 100
WINDOW, HOP = 400, 160
PROGRAMS, FAMILY = 120, 8
"""Programs of General MIDI, and of a family of them; the last eight are no instruments."""
KEYS = range(36, 90, 6)
DRUM_BANK = 128
DRUM_PROGRAMS = (0, 8, 16, 24, 25, 32, 40)
DRUM_KEYS = {
    "kick": (35, 36), "snare": (38, 40), "tom": (41, 43, 45, 47, 48, 50), "closed hi-hat": (42,),
    "open hi-hat": (46,), "crash": (49, 57), "ride": (51, 59),
}  # fmt: skip
"""The keys of a drum kit, as General MIDI has them."""
SPEEDS = (0.84, 0.92, 1.09, 1.19)
"""At which drums and recordings are played, too."""
BATCH_SIZE = 36
LEARNING_RATE = 2e-3


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Power spectra of one kind of label, whose examples are drawn equally often by label."""

    spectra: Float[Tensor, "rows bands frames"]
    labels: Int[Tensor, " rows"]
    names: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=SOUND_ENCODER)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    with TemporaryDirectory() as scratch:
        packages = list_fetchers()
        folders = {source: unpack(packages[source], Path(scratch) / str(place))
                   for place, source in enumerate((DRUMKITS, FLUID, TUXPAINT))}  # fmt: skip
        font = SoundFont(folders[FLUID] / FILES[FLUID])
        kinds = {
            "drums": label_drums(folders[DRUMKITS] / BELOW, font),
            "families": label_families(font),
            "kinds": label_recordings(folders[TUXPAINT] / STAMPS),
        }
    tower = train(kinds, arguments.steps)
    facts = {
        "seed": arguments.seed,
        "steps": arguments.steps,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "kits": list(KITS_OF_SPLIT["train"]),
        "examples": {name: len(kind.labels) for name, kind in kinds.items()},
        "sources": [{"name": s.name, "licence": s.licence} for s in folders],
    }
    weights = {name: value.half().contiguous() for name, value in tower.state_dict().items()}
    save_file(weights, arguments.out, metadata={"provenance": json.dumps(facts)})


def label_drums(kits: Path, font: SoundFont) -> Labelled:
    """The training hits, and those of the sound font's kits."""
    names = tuple(PARTS)
    found = [(names.index(hit.part), read_recording(hit.file, seconds=SECONDS))
             for hit in list_hits(kits, KITS_OF_SPLIT["train"])]  # fmt: skip
    for program in DRUM_PROGRAMS:
        for part, keys in DRUM_KEYS.items():
            for key in keys:
                found.append((names.index(part), play(font, program, key, DRUM_BANK)))
    return label(vary_speed(found), names)


def label_families(font: SoundFont) -> Labelled:
    """Notes of every program, by the family that General MIDI counts it to."""
    found = [
        (program // FAMILY, play(font, program, key)) for program in range(PROGRAMS) for key in KEYS
    ]
    return label(found, tuple(map(str, range(PROGRAMS // FAMILY))))


def label_recordings(below: Path) -> Labelled:
    """The recordings of animals and things, cut to pieces that the network is trained on."""
    names, found = tuple(FOLDERS), []
    for kind, _, samples in split_recordings(below)["train"]:
        step = round(SECONDS * SAMPLE_RATE_HZ)
        pieces = [samples[start : start + step] for start in range(0, len(samples), step)]
        found += [(names.index(kind), piece) for piece in pieces if len(piece) > step // 4]
    return label(vary_speed(found), names)


def play(font: SoundFont, program: int, key: int, bank: int = 0) -> Samples:
    note = font.play(program, key, seconds=SECONDS, bank=bank)
    return trim(resample(note, PLAYED_HZ), seconds=SECONDS)


def vary_speed(found: list[tuple[int, Samples]]) -> list[tuple[int, Samples]]:
    """The sounds, and each of them slower and faster."""
    varied = list(found)
    for kind, samples in found:
        for speed in SPEEDS:
            places = np.arange(0, len(samples) - 1, speed)
            heard = np.interp(places, np.arange(len(samples)), samples)
            varied.append((kind, heard.astype(np.float32)))
    return varied


def label(found: list[tuple[int, Samples]], names: tuple[str, ...]) -> Labelled:
    heard = [(kind, samples) for kind, samples in found if len(samples)]
    spectra = torch.stack([compute_spectrum(torch.from_numpy(samples)) for _, samples in heard])
    return Labelled(spectra=spectra, labels=torch.tensor([kind for kind, _ in heard]), names=names)


def compute_spectrum(samples: Float[Tensor, " time"]) -> Float[Tensor, "bands frames"]:
    """The mel power of Whisper's extractor, before its logarithm."""
    wanted = FRAMES * HOP
    padded = nn.functional.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    window = torch.hann_window(WINDOW)
    power = torch.stft(padded, WINDOW, HOP, window=window, return_complex=True)[:, :-1].abs() ** 2
    return torch.from_numpy(MEL.T).float() @ power


MEL = mel_filter_bank(
    num_frequency_bins=1 + WINDOW // 2, num_mel_filters=80, min_frequency=0.0, max_frequency=8000.0,
    sampling_rate=SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney",
)  # fmt: skip


def take_logarithm(power: Float[Tensor, "rows bands frames"]) -> Float[Tensor, "rows bands frames"]:
    """What Whisper's extractor makes of the mel power."""
    mel = power.clamp(min=1e-10).log10()
    return (mel.maximum(mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


def draw_batch(
    kind: Labelled, count: int
) -> tuple[Float[Tensor, "rows bands frames"], Float[Tensor, "rows out"]]:
    """Varied spectra, and the share of each label in them."""
    sizes = torch.bincount(kind.labels, minlength=len(kind.names)).clamp(min=1)
    chances = sizes.float()[kind.labels].rsqrt()
    chosen = torch.multinomial(chances, 2 * count, replacement=True)
    power = vary(kind.spectra[chosen])
    wanted = nn.functional.one_hot(kind.labels[chosen], len(kind.names)).float()
    share = torch.rand(count).sqrt().clamp(min=0.5)  # of the louder of two
    share = share.where(torch.rand(count) < 0.3, 1.0)[:, None]
    mixed = power[:count] * share[..., None] + power[count:] * (1 - share[..., None])
    return take_logarithm(mixed), wanted[:count] * share + wanted[count:] * (1 - share)


def vary(power: Float[Tensor, "rows bands frames"]) -> Float[Tensor, "rows bands frames"]:
    """Spectra of one loudness, each shifted in time, coloured, and with a floor of noise."""
    rows, bands, frames = power.shape
    power = power / power.amax((1, 2), keepdim=True)
    shift = torch.randint(0, frames // 4, (rows, 1, 1))
    places = torch.arange(frames) - shift
    power = power.gather(2, places.clamp(min=0).expand(-1, bands, -1)).where(places >= 0, 0)
    # Gains in decibels at five frequencies, and straight lines between them.
    colour = nn.functional.interpolate(4 * torch.randn(rows, 1, 5), bands, mode="linear")
    floor = 10 ** (-2 - 6 * torch.rand(rows, 1, 1))
    noise = floor * torch.empty_like(power).exponential_()
    return power * 10 ** (colour.transpose(1, 2) / 10) + noise


def train(kinds: Mapping[str, Labelled], steps: int) -> nn.Module:
    """Train the tower with a head for each kind of label, all equally often."""
    encoder = SoundEncoder()
    tower = encoder.build_tower()
    heads = nn.ModuleDict({name: nn.Linear(encoder.width, len(kind.names))
                           for name, kind in kinds.items()})  # fmt: skip
    learned = [*tower.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learned, LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    lengths = torch.full((BATCH_SIZE,), FRAMES)
    for step in range(steps):
        losses = []
        parts = {name: draw_batch(kind, BATCH_SIZE // len(kinds)) for name, kind in kinds.items()}
        values = torch.cat([spectra for spectra, _ in parts.values()])
        states = encoder.encode(tower, values, lengths[: len(values)]).mean(1)
        for (name, (_, wanted)), own in zip(
            parts.items(), states.split(BATCH_SIZE // len(kinds)), strict=True
        ):
            losses.append(nn.functional.cross_entropy(heads[name](own), wanted))
        loss = torch.stack(losses).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step + 1 == steps:
            print(f"step {step + 1}: {[round(each.item(), 3) for each in losses]}", flush=True)
    return tower


if __name__ == "__main__":
    main()
