"""`coterie fetch` of what is made here."""

import os
import sys
from pathlib import Path

import pytest

from tests.cli.calls import Calls


def test_scenes_are_rendered_if_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls
) -> None:
    pytest.importorskip("embreex")
    pytest.importorskip("trimesh")
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    monkeypatch.setattr(sys.modules["coterie_demo.fetch"], "SCENES", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # one worker is this process
    called = coterie("fetch", "scenes")
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines() == [
        "rendering what is missing of 10 scenes; nothing is fetched for them",
        f"all 10 scenes are in {tmp_path / 'scenes'}",
        f"all there: {tmp_path}",
    ]
    assert len([*tmp_path.glob("scenes/*/*.npz")]) == 10
    # Those of another version are rendered anew.
    manifest = tmp_path / "scenes" / "scenes.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 0'))
    (tmp_path / "scenes" / "train" / "old.npz").touch()
    called = coterie("fetch", "scenes")
    said = f"scenes: {tmp_path / 'scenes'} was made by another version of coterie_demo"
    assert (called.code, called.err) == (0, "") and called.out.startswith(said)
    assert len([*tmp_path.glob("scenes/*/*.npz")]) == 10 and '"version": 1' in manifest.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["scenes"]


def test_what_renders_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls
) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "embreex", None)  # as if it were not installed
    called = coterie("fetch", "scenes")
    assert called.code == 2
    assert "embreex, which is not installed" in called.err
    assert "pip install 'coterie[scenes]'" in called.err
