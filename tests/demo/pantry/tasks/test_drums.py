"""Drums: parts by the names that kits give them; kits of one split only."""

import numpy as np
import pytest
import soundfile

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sounds import COLUMN
from coterie_demo.pantry.sources import DRUMKITS
from coterie_demo.pantry.tasks.drums import BELOW, KITS_OF_SPLIT, Drums, find_part, list_hits
from tests.demo.pantry.splits import apart

KIT = """<?xml version="1.0"?><drumkit_info xmlns="http://www.hydrogen-music.org/drumkit">
<instrumentList>
<instrument><name>Kick (22")</name><layer><filename>a.wav</filename></layer>
<layer><filename>b.wav</filename></layer></instrument>
<instrument><name>Hand Clap</name><layer><filename>c.wav</filename></layer></instrument>
<instrument><name>Closed HH</name><filename>c.wav</filename></instrument>
<instrument><name>Closed HH 2</name><filename>c.wav</filename></instrument>
</instrumentList></drumkit_info>"""


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("BassDrum", "kick"), ("c3 - bass drum 1", "kick"), ("Snare Jazz", "snare"),
        ("Floor Tom", "tom"), ("Pearl Tom 2", "tom"), ("Hi Hat Closed", "closed hi-hat"),
        ("VariBreaks Hat 1 Cl", "closed hi-hat"), ("f#3 - hi-hat closed", "closed hi-hat"),
        ("Hat Op Dirty", "open hi-hat"), ("Open HH", "open hi-hat"), ("Side OHH", "open hi-hat"),
        ("Crash (Paiste Rude Thin 18)", "crash"), ("Ride Bow (Custom)", "ride"),
        ("Crash/Ride 18", None), ("Ride Bell", None), ("Snare Roll", None), ("Pedal HH", None),
        ("Sabian Hat Semi-Open", None), ("Cowbell", None), ("17", None),
    ],
)  # fmt: skip
def test_parts_by_name(name, part):
    assert find_part(name) == part


def test_each_recording_of_a_part_is_one_row(tmp_path):
    kit = tmp_path / BELOW / KITS_OF_SPLIT["validation"][0]
    kit.mkdir(parents=True)
    (kit / "drumkit.xml").write_text(KIT)
    for place, name in enumerate("abc"):
        soundfile.write(kit / f"{name}.wav", np.full(160, 0.1 * (place + 1)), 16_000)
    hits = list_hits(tmp_path / BELOW, (kit.name,))
    assert [(hit.file.name, hit.part) for hit in hits] == [
        ("a.wav", "kick"), ("b.wav", "kick"), ("c.wav", "closed hi-hat")
    ]  # fmt: skip
    assert apart(KITS_OF_SPLIT)
    other = tmp_path / BELOW / KITS_OF_SPLIT["validation"][1]
    other.mkdir()
    (other / "drumkit.xml").write_text("<drumkit_info/>")
    store = AssetStore(folder=tmp_path / "made", fetched={DRUMKITS: tmp_path})
    (tmp_path / "made").mkdir()
    rows = list(Drums().generate_rows(store, "validation"))
    assert sorted(row["answer"] for row in rows) == ["closed hi-hat", "kick", "kick"]
    assert all((tmp_path / "made" / "drums" / row[COLUMN]).resolve().is_file() for row in rows)
