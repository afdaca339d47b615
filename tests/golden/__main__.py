"""Records all entries anew: `python -m tests.golden --reason "why numbers or words changed"`.

Entries whose content is as it was stay as they are, with their reasons.
"""

import argparse
import json
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub, as conftest.py does

import torch

from tests.golden import file, runs


def main() -> None:
    """Computes every entry, and writes those that differ with the reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--reason", required=True, help="why the recorded entries change")
    reason = parser.parse_args().reason
    torch.set_num_threads(1)
    old = file.load() if file.FILE.is_file() else {"entries": {}}
    entries = {}
    for name, compute in runs.ENTRIES.items():
        torch.manual_seed(0)
        # As the file holds it: tuples are lists there.
        recorded = json.loads(json.dumps(compute()))
        before = old["entries"].get(name, {"reasons": [], "recorded": None})
        changed = json.dumps(recorded) != json.dumps(before["recorded"])
        print(f"{'recorded' if changed else 'as it was'}: {name}", flush=True)
        entries[name] = {
            "reasons": [*before["reasons"], *([reason] if changed else [])],
            "recorded": recorded,
        }
    runs.clear()
    file.save({"machine": runs.machine(), "entries": entries})


if __name__ == "__main__":
    main()
