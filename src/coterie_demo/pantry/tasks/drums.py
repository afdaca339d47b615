"""Drums: a recorded hit to the part of the drum kit; the test kits and their makers are unseen."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from coterie.data.file_digest import compute_sha256
from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sounds import COLUMN, read_recording
from coterie_demo.pantry.sources import DRUMKITS
from coterie_demo.pantry.tasks.base import PantryTask, Row

BELOW = "usr/share/hydrogen/data/drumkits"
SECONDS = 1.5
KITS_OF_SPLIT = {
    "train": (
        "BJA_Pacific", "ColomboAcousticDrumkit", "ElectricEmpireKit", "HardElectro1",
        "The Black Pearl 1.0", "VariBreaks",
    ),
    "validation": ("Audiophob", "rumpf_kit_z01_h2"),
    "test": ("ForzeeStereo", "Millo-Drums_v.1", "Millo_MultiLayered2", "Millo_MultiLayered3"),
}  # fmt: skip
"""All kits of a maker are in one split. Two kits have none of the parts."""
PARTS = {
    "kick": r"kick|bass ?drum",
    "snare": r"snare",
    "tom": r"\btom|tomhi",
    "closed hi-hat": r"(hat|hh)\b.*\bcl|closed hh",
    "open hi-hat": r"(hat|hh)\b.*\bop|open hh|side ohh",
    "crash": r"crash",
    "ride": r"ride",
}
"""Part -> the names of a kit's instruments that are of it; the first that fits one is taken."""
OTHER = r"stick|roll|click|choke|swish|bell|cup|semi|pedal"
"""In the names of instruments that are of no part, or of two."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A recording of one hit."""

    file: Path
    part: str
    kit: str


class Drums(PantryTask):
    """Recognise the part of a drum kit that is hit, of seven."""

    name = "drums"
    description = "a hit on a drum or cymbal; which of seven parts of the drum kit"
    modalities = (COLUMN,)
    sources = (DRUMKITS,)
    held_out = (
        f"kits that are not in training, of other makers: {', '.join(KITS_OF_SPLIT['test'])}; "
        "soft and hard hits of a part are rows of their own"
    )
    sizes: ClassVar = {"train": 300, "validation": 60, "test": 200}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        hits = list_hits(assets.fetched[DRUMKITS] / BELOW, KITS_OF_SPLIT[split])
        Random(f"drums/{split}").shuffle(hits)
        for hit in hits:
            yield {
                COLUMN: assets.store_sound(read_recording(hit.file, seconds=SECONDS)),
                "question": "Which part of the drum kit is it?",
                "answer": hit.part,
                "kit": hit.kit,
            }


def list_hits(below: Path, kits: tuple[str, ...]) -> list[Hit]:
    """The hits of the parts in the kits, by the names that `drumkit.xml` gives; each file once."""
    found: dict[str, Hit] = {}
    for kit in kits:
        root = ElementTree.parse(below / kit / "drumkit.xml").getroot()
        for instrument in root.iter():
            if instrument.tag.rpartition("}")[2] != "instrument":
                continue
            texts = {each.tag.rpartition("}")[2]: each.text or "" for each in instrument}
            part = find_part(texts.get("name", ""))
            files = [each.text for each in instrument.iter() if each.tag.endswith("filename")]
            for file in filter(None, files if part else []):
                path = below / kit / file
                found.setdefault(compute_sha256(path), Hit(file=path, part=part or "", kit=kit))
    return list(found.values())


def find_part(name: str) -> str | None:
    """The part that an instrument is of, by its name; None if it is of none, or of two."""
    name = name.lower().replace("hi-hat", "hat").replace("hi hat", "hat")
    fitting = [part for part, pattern in PARTS.items() if re.search(pattern, name)]
    return None if re.search(OTHER, name) or len(fitting) != 1 else fitting[0]
