"""Two processes that work together on one CPU: forks, which need no imports, or a launcher's."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from torch import distributed

from tests.forks import forked, status

TWO = ("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0",
       "--mixed_precision", "no", "--dynamo_backend", "no")  # fmt: skip
LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
    "accelerate": ("accelerate.commands.launch", "--cpu", *TWO),
    "accelerate --use_fsdp": ("accelerate.commands.launch", "--use_fsdp", *TWO),
}
REPOSITORY = Path(__file__).parents[1]


def in_two(folder: Path, work: Callable[[int], object]) -> list[tuple[int, str]]:
    """Have two processes work, each with its rank; returns how each ended, and its traceback."""
    return in_several(2, folder, work)


def in_several(count: int, folder: Path, work: Callable[[int], object]) -> list[tuple[int, str]]:
    """`in_two` with any number of processes."""

    def run(rank: int) -> None:
        # A fork has what this process knows of being alone.
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count}
        places["LOCAL_WORLD_SIZE"] = count
        os.environ |= {name: str(number) for name, number in places.items()}
        meeting = f"file://{folder}-meeting"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
        try:
            work(rank)
        except BaseException:
            said[rank].write_text(traceback.format_exc())
        distributed.destroy_process_group()

    folder.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{folder}-meeting").unlink(missing_ok=True)
    said = [Path(f"{folder}-{rank}.txt") for rank in range(count)]
    for each in said:
        each.write_text("")
    children = [forked(lambda rank=rank: run(rank)) for rank in range(count)]
    ends = [status(child) for child in children]
    return [(end, each.read_text()) for end, each in zip(ends, said, strict=True)]


def launch(launcher: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in two processes, as a user would."""
    module = () if arguments[0].endswith(".py") else ("-m", "coterie")
    command = [sys.executable, "-m", *LAUNCHERS[launcher], *module, *arguments]
    places = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
    return subprocess.run(
        command, env=os.environ | places, capture_output=True, text=True, timeout=300
    )
