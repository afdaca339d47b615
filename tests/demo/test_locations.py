"""Folders that `coterie fetch` fills: found once they are complete, else an error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coterie_demo.locations import CONNECTORS, find_omni_model, find_pantry, find_vision_model


@pytest.mark.parametrize(
    ("find", "file", "found", "part"),
    [
        (find_omni_model, "omni/config.json", "omni", "omni"),
        (find_vision_model, "weights/vision/model.safetensors", "weights/vision", "weights"),
        (find_pantry, "pantry/tasks.yaml", "pantry/tasks.yaml", "pantry"),
    ],
)
def test_found_once_it_is_complete(
    find: Callable[[], Path], file: str, found: str, part: str, own_home: Path
) -> None:
    (own_home / file).parent.mkdir(parents=True)
    with pytest.raises(ValueError, match=f"run `coterie fetch {part}`, or set COTERIE_HOME"):
        find()
    (own_home / file).touch()
    assert find() == own_home / found


def test_connectors_are_shipped() -> None:
    assert CONNECTORS.stat().st_size > 2**20  # three encoders into width 576, float16
