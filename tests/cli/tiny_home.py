"""A home in which all that `coterie fetch` makes is there, with a tiny model and few rows."""

from pathlib import Path

from coterie.data.file_digest import compute_sha256
from coterie_demo import pantry
from coterie_demo.fetch import WEIGHTS
from coterie_demo.locations import CONNECTORS, MODEL
from coterie_demo.weights import PROVENANCE, write_json
from tests.tinies.omni import omni_model, omni_processor

FETCHED = ("energy", "food_group", "spoken", "spoken_initial", "spoken_question")
"""Tasks of the demo that are made of what is fetched, and so not in this home."""


def fill(home: Path) -> None:
    """What `coterie fetch` leaves: notes of real weights, and a tiny model in their place."""
    for weights in WEIGHTS:
        folder = home / "weights" / weights.folder
        folder.mkdir(parents=True)
        (folder / MODEL).touch()
        write_json(folder / PROVENANCE, weights.describe_provenance())
    processor = omni_processor()
    # The demo adapts layers 20 to 29, and asks that a gate is small beside its experts.
    text = {"num_hidden_layers": 21, "intermediate_size": 256}
    omni_model(processor, text=text).save_pretrained(home / "omni")
    processor.save_pretrained(home / "omni")
    provenance = {
        "made_by": "coterie_demo.assemble_omni",
        "weights": {each.folder: each.sha256 for each in WEIGHTS},
        "connectors": compute_sha256(CONNECTORS),
    }
    write_json(home / "omni" / PROVENANCE, provenance)
    pantry.build(home / "pantry", log=lambda _: None, vendored_only=True, limit=4)
