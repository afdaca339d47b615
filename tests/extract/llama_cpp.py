"""A stand-in for llama.cpp's converter, run as a script: a GGUF file of a checkpoint's matrices.

As the real one it renames them, permutes rows and stacks those of experts.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

STACKED = ".block_sparse_moe.experts."


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def main(folder: Path, outfile: Path, outtype: str) -> None:
    assert json.loads((folder / "config.json").read_text())["architectures"]
    assert (folder / "tokenizer.json").is_file() and outtype == "f32"
    weights = load_file(folder / "model.safetensors")
    stacks: dict[str, list[np.ndarray]] = {}
    tensors = {}
    for name, weight in weights.items():
        if STACKED in name:
            block, _, rest = name.partition(STACKED)
            stacks.setdefault(f"{block}.{rest.partition('.')[2]}", []).append(weight)
        else:
            tensors[name.replace("model.layers.", "blk.")] = weight
    tensors |= {name: np.stack(each) for name, each in stacks.items()}
    head, body = b"", b""
    for name, weight in tensors.items():
        if name.endswith("q_proj.weight"):
            weight = weight[::-1]
        head += text(name) + struct.pack("<I", weight.ndim)
        head += struct.pack(f"<{weight.ndim}Q", *weight.shape[::-1])
        head += struct.pack("<IQ", 0, len(body))
        body += weight.astype(np.float32).tobytes()
        body += bytes(-len(body) % 32)
    values = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    values += text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 2) + values + head
    outfile.write_bytes(start + bytes(-len(start) % 32) + body)


if __name__ == "__main__":
    given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    main(Path(sys.argv[1]), Path(given["--outfile"]), given["--outtype"])
