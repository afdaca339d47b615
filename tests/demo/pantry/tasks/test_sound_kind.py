"""Sound kind: recordings of what stamps show, each in one split."""

import numpy as np
import soundfile

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sources import TUXPAINT
from coterie_demo.pantry.tasks.sound_kind import BELOW, FOLDERS, SoundKind, split_recordings
from tests.demo.pantry.splits import apart


def test_recordings_are_in_one_split(tmp_path):
    rng = np.random.default_rng(0)
    for kind, folders in FOLDERS.items():
        folder = tmp_path / BELOW / folders[0]
        folder.mkdir(parents=True)
        for number in range(5):
            file = folder / f"{kind}{number}.ogg"
            soundfile.write(file, rng.normal(0, 0.1, 800), 16_000)
            file.with_suffix(".png").touch()
        # Silence; the name of a stamp in French; and a variant of a thing.
        soundfile.write(folder / "quiet.ogg", np.zeros(800), 16_000)
        (folder / "quiet.png").touch()
        soundfile.write(folder / f"{kind}0_desc_fr.ogg", rng.normal(0, 0.1, 800), 16_000)
        soundfile.write(folder / f"{kind}0_white.ogg", rng.normal(0, 0.1, 800), 16_000)
        (folder / f"{kind}0_white.png").touch()
    found = split_recordings(tmp_path / BELOW)
    names = {split: [name for _, name, _ in rows] for split, rows in found.items()}
    assert apart({split: [name.split("_")[0] for name in names[split]] for split in names})
    # Of five families, places 0, .2 are the test, .4 is validation, the rest training.
    every = [name for split in names.values() for name in split]
    assert len(every) == 3 * 6 and not [name for name in every if "desc" in name or "quiet" in name]
    (tmp_path / "made").mkdir()
    store = AssetStore(folder=tmp_path / "made", fetched={TUXPAINT: tmp_path})
    rows = list(SoundKind().generate_rows(store, "test"))
    assert {row["answer"] for row in rows} == set(FOLDERS) and len(rows) == len(found["test"])
