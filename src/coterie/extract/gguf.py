"""The "gguf" format: a merged or native checkpoint, converted by llama.cpp's own program."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from coterie.extract import merged, native
from coterie.extract.fixed_task import get_adapter_config
from coterie.extract.gguf_file import read_tensors
from coterie.extract.processor_files import save_processor
from coterie.extract.source import ExtractRequest
from coterie.tuner.constant_mixture import require_constant

CONVERTER = "convert_hf_to_gguf.py"
FILE = "model.gguf"
DTYPES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
MAX_LINES = 3
"""Of what the converter said, in an error."""


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write the checkpoint, convert it and compare the weights, and return the report.

    Raises ValueError if the converter is not there, or refuses the model.
    """
    converter = find_converter(request.llama_cpp)
    if request.processor is None or request.run is None:
        raise ValueError("format='gguf' needs the tokenizer: give a run of coterie.train")
    dtype = request.get_dtype()
    if dtype not in DTYPES:
        raise ValueError(f"format='gguf' writes float32, bfloat16 or float16, not {dtype}")
    kind = merged if is_constant(request) else native
    with tempfile.TemporaryDirectory(dir=folder) as made:
        checkpoint = Path(made)
        report = kind.write(replace(request, dtype=dtype), checkpoint)
        save_processor(request.processor, request.run.config.base, checkpoint)
        convert(converter, checkpoint, folder / FILE, DTYPES[dtype])
        report |= compare(folder / FILE, checkpoint)
    return report | {"checkpoint": kind.__name__.rpartition(".")[2]}


def is_constant(request: ExtractRequest) -> bool:
    """Return whether the task alone routes, so that a merged checkpoint is exact."""
    config = get_adapter_config(request.model, request.adapter)
    try:
        for mixture in config.parse_mixtures():
            require_constant(mixture, "a mixture")
    except ValueError:
        return False
    return True


def find_converter(llama_cpp: Path | None) -> Path:
    """Return llama.cpp's converter, in its folder or on PATH. ValueError if it is missing."""
    if llama_cpp is not None:
        file = llama_cpp.expanduser() / CONVERTER
        if not file.is_file():
            raise ValueError(f"{llama_cpp} has no {CONVERTER}: give the folder of llama.cpp")
        return file
    found = shutil.which(CONVERTER) or next(
        (str(place) for each in os.get_exec_path() if (place := Path(each, CONVERTER)).is_file()),
        None,
    )
    if found is None:
        raise ValueError(
            f"format='gguf' needs llama.cpp's {CONVERTER}, which is not on PATH: git clone "
            "https://github.com/ggml-org/llama.cpp, and give its folder with --llama-cpp "
            "(llama_cpp=)"
        )
    return Path(found)


def convert(converter: Path, checkpoint: Path, to: Path, dtype: str) -> None:
    """Run the converter with this Python. Raises ValueError with its last lines if it fails."""
    command = [sys.executable, str(converter), str(checkpoint), "--outfile", str(to)]
    done = subprocess.run(
        [*command, "--outtype", dtype], capture_output=True, text=True, check=False
    )
    if done.returncode or not to.is_file():
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ValueError(
            f"{converter} ended with {done.returncode}: {' | '.join(said[-MAX_LINES:])}"
        )


def compare(file: Path, checkpoint: Path) -> dict[str, Any]:
    """Compare the matrices of the file with the checkpoint's, and return the report.

    The converter renames weights, stacks those of experts and permutes rows of attention, so that
    a matrix is found again by its shape and the sum of its squares. Raises RuntimeError if not one
    is found; those that are not found are counted, as converters may change some families' weights.
    """
    known = collect_energies(checkpoint)
    matched, unmatched, worst = 0, [], 0.0
    for name, tensor in read_tensors(file):
        if tensor is None or tensor.ndim < 2:
            continue
        for matrix in tensor.reshape(-1, *tensor.shape[-2:]):
            energy = measure_energy(matrix)
            near = [abs(energy - each) / (each or 1.0) for each in known[tuple(matrix.shape)]]
            error = min(near, default=1.0)
            if error <= 1e-3:  # bfloat16 has 8 bits, and its errors are as often up as down
                matched, worst = matched + 1, max(worst, error)
            else:
                unmatched.append(name)
    if not matched:
        raise RuntimeError(f"{file} has none of the checkpoint's weights")
    return {"matrices": matched, "matrices_not_found": unmatched, "energy_error": worst}


def collect_energies(checkpoint: Path) -> Mapping[tuple[int, ...], list[float]]:
    """Return shape -> the sums of squares of the checkpoint's matrices."""
    found: dict[tuple[int, ...], list[float]] = defaultdict(list)
    for file in checkpoint.glob("*.safetensors"):
        for tensor in load_file(str(file)).values():
            if tensor.ndim >= 2:
                for matrix in tensor.reshape(-1, *tensor.shape[-2:]):
                    found[tuple(matrix.shape)].append(measure_energy(matrix))
    return found


def measure_energy(matrix: Tensor) -> float:
    """Return the sum of squares, which a permutation of rows does not change."""
    return matrix.double().square().sum().item()
