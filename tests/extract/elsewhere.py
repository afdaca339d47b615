"""Run as a script, in a process that never imports coterie: do the files answer as the model did?

Reads FOLDER/cases.json, writes FOLDER/errors.json: case -> largest difference of the logits.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from peft import PeftModel

warnings.simplefilter("error", UserWarning)  # PEFT's, for keys that it misses
torch.set_num_threads(1)
folder = Path(sys.argv[1])
errors = {}
for case in json.loads((folder / "cases.json").read_text()):
    kind = getattr(transformers, case["kind"])
    if case["form"] == "adapter":
        model = PeftModel.from_pretrained(kind.from_pretrained(case["base"]), case["to"])
    else:
        model = kind.from_pretrained(case["to"])
    known = torch.load(case["known"])
    with torch.no_grad():
        logits = model.eval()(**known["batch"]).logits
    errors[case["name"]] = (logits - known["logits"]).abs().max().item()
assert "coterie" not in sys.modules
(folder / "errors.json").write_text(json.dumps(errors))
