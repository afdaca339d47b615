"""Each expert's weight for a prompt, from router.json and router.safetensors beside this file.

It needs torch and safetensors alone. `PromptRouter(folder)(mean)` takes the mean of the embedded
prompt, [batch, width], and returns module -> adapter -> weights [batch].
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file


class PromptRouter:
    """The gates of a mixture that decides once for each prompt."""

    def __init__(self, folder):
        self.settings = json.loads((Path(folder) / "router.json").read_text(encoding="utf-8"))
        self.weights = load_file(Path(folder) / "router.safetensors")

    def embed(self, base_model, token_ids):
        """Return the mean embedding [1, width] of a prompt's tokens; of the table, it reads these.

        `base_model` is the folder with the base model's *.safetensors.
        """
        for file in sorted(Path(base_model).glob("*.safetensors")):
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():
                    if name.endswith(self.settings["embedding"]):
                        table = opened.get_slice(name)
                        rows = [table[int(token) : int(token) + 1] for token in token_ids]
                        mean = torch.cat(rows).float().mean(0, keepdim=True)
                        return mean * self.settings["embedding_scale"]
        raise FileNotFoundError(f"no *{self.settings['embedding']} in {base_model}")

    def __call__(self, mean):
        """Return module -> adapter -> the factor of the adapter's change for each prompt."""
        found = {}
        for number, group in enumerate(self.settings["groups"]):
            weights = self.decide(mean.float(), number, group)
            for module in group["modules"]:
                found[module] = dict(zip(group["adapters"], weights.unbind(-1), strict=True))
        return found

    def decide(self, mean, number, group):
        """Return one gate's weights, [batch, experts]."""
        if "weights" in group:  # the same for every prompt
            return torch.tensor(group["weights"]).expand(len(mean), -1)
        if self.settings["norm"]:
            mean = mean * torch.rsqrt(mean.square().mean(-1, keepdim=True) + 1e-6)
        logits = mean @ self.weights[f"{number}.weight"].T / group["temperature"]
        if f"{number}.bias" in self.weights:
            logits = logits + self.weights[f"{number}.bias"] / group["temperature"]
        best, chosen = logits.topk(group["k"], -1)
        best = logits.softmax(-1).gather(-1, chosen) if group["over_all"] else best.softmax(-1)
        routed = torch.zeros_like(logits).scatter(-1, chosen, best)
        shared = torch.ones_like(routed[:, :1])
        if group["shared"] == "complement":
            shared = 1 - routed.sum(-1, keepdim=True)
        routed = routed ** group["exponent"]
        return torch.cat([routed, shared], -1) if group["shared"] else routed
