"""Moving: the three things of a clip are offered, of which one moves."""

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.tasks.clips import COLUMN, FRAMES, plan_clips
from coterie_demo.pantry.tasks.moving import Moving


def test_the_things_of_a_clip_are_offered(tmp_path):
    store = AssetStore(folder=tmp_path, fetched={})
    row, clip = next(Moving().generate_rows(store, "test")), next(plan_clips("test"))
    assert len(row[COLUMN]) == FRAMES == len([*(tmp_path / "media").iterdir()])
    assert row["answer"] == clip.concepts[0].name
    assert sorted(row["choices"]) == sorted(concept.name for concept in clip.concepts)
    assert all(name in row["question"] for name in row["choices"])
