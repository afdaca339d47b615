"""`push_to_hub`: upload an extracted folder, with a card made of the run's own numbers."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from coterie.extract.card import FILE, is_hub_id, name_base
from coterie.extract.extract import REPORT_FILE
from coterie.io import read_text, write
from coterie.serialization import parse_json

BASE = "base_model_name_or_path"
CONFIGS = ("adapter_config.json", "*/adapter_config.json", REPORT_FILE)


def push_to_hub(
    folder: str | Path,
    repository: str,
    *,
    base_model: str | None = None,
    private: bool = True,
    api: Any = None,
) -> str:
    """Upload a folder that `coterie.extract` wrote, and return the address of the commit.

    Args:
        folder: with coterie_extract.json in it.
        repository: "organisation/name" on the hub; made if there is none.
        base_model: the base model's id on the hub, where the folder names one on this machine's
            disk. The uploaded files have this id; those in `folder` stay as they are.
        private: of a repository that is made.
        api: a huggingface_hub.HfApi; None for one with the login of this machine.

    Raises ValueError for a folder that was not extracted, or a base model that others do not have.
    """
    path = Path(folder).expanduser()
    if not (path / REPORT_FILE).is_file():
        raise ValueError(f"{folder} has no {REPORT_FILE}: push what coterie.extract wrote")
    report = parse_json(read_text(path / REPORT_FILE), name=str(path / REPORT_FILE))
    base = base_model or report.get(BASE) or ""
    if not is_hub_id(base):
        raise ValueError(
            f"the base model is {base!r}, which others do not have: give base_model=, its id on "
            "the hub"
        )
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made, "folder")
        shutil.copytree(path, copy)
        rename_base(copy, report, base)
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=str(copy),
            commit_message=f"Extracted by coterie from a mixture for {base}",
        )  # fmt: skip
    return str(done)


def rename_base(folder: Path, report: dict[str, Any], base: str) -> None:
    """Replace the base model's name in the copies of all files that have it."""
    for file in (each for pattern in CONFIGS for each in folder.glob(pattern)):
        settings = json.loads(read_text(file))
        write(file, json.dumps(settings | {BASE: base}, indent=2) + "\n")
    card = folder / FILE
    if card.is_file() and base != report.get(BASE):
        text = read_text(card).replace(f"`{name_base(report)}`", f"`{base}`")
        front = f"---\nbase_model: {json.dumps(base)}\n"
        write(card, text.replace("---\n", front, 1))
