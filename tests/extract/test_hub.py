"""An upload to the hub, by a stand-in for huggingface_hub's HfApi; nothing leaves this machine."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from coterie.extract import extract
from coterie.extract.hub import push_to_hub
from tests.extract.grafted import grafted


class StandIn:
    """What was asked of the hub, and the files as they were uploaded."""

    def __init__(self) -> None:
        self.repository: tuple[str, bool] | None = None
        self.files: dict[str, bytes] = {}

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.repository = (repository, private)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> str:
        folder = Path(folder_path)
        files = [each for each in folder.rglob("*") if each.is_file()]
        self.files = {str(each.relative_to(folder)): each.read_bytes() for each in files}
        return f"the hub/{repo_id}: {commit_message}"

    def read(self, name: str) -> Any:
        return json.loads(self.files[name])


def test_the_stand_in_is_called_as_the_real_one() -> None:
    signature = inspect.signature(HfApi().create_repo)
    signature.bind("me/experts", private=True, exist_ok=True)
    signature = inspect.signature(HfApi().upload_folder)
    signature.bind(repo_id="me/experts", folder_path="x", commit_message="y")


def test_upload(tmp_path: Path) -> None:
    folder, hub = extract(grafted()[0], to=tmp_path / "x", format="adapters"), StandIn()
    before = (folder / "README.md").read_text()
    found = push_to_hub(folder, "me/experts", base_model="org/llama", api=hub)
    assert found == "the hub/me/experts: Extracted by coterie from a mixture for org/llama"
    assert hub.repository == ("me/experts", True)
    here = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    assert set(hub.files) == here and "expert-1/adapter_model.safetensors" in here
    for name in (
        "expert-1/adapter_config.json",
        "shared/adapter_config.json",
        "coterie_extract.json",
    ):
        assert hub.read(name)["base_model_name_or_path"] == "org/llama"
    card = hub.files["README.md"].decode()
    assert card.startswith('---\nbase_model: "org/llama"\n') and "`org/llama`." in card
    assert (folder / "README.md").read_text() == before


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no coterie_extract\.json"):
        push_to_hub(tmp_path, "me/x", api=StandIn())
    folder, hub = extract(grafted()[0], task="ocr", to=tmp_path / "x"), StandIn()
    with pytest.raises(ValueError, match="which others do not have: give base_model="):
        push_to_hub(folder, "me/x", api=hub)
    assert hub.repository is None
