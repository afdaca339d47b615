"""The requests that both servers get, and what is read of a process."""

import os
from pathlib import Path

from experiments.serve_beside_transformers import (
    ROWS,
    SUBJECTS,
    TASKS,
    make_bodies,
    make_tasks,
    read_peak_bytes,
)


def test_requests_are_the_tasks_rows(tmp_path: Path) -> None:
    tasks = make_tasks(tmp_path)
    bodies = make_bodies([f"merged-{name}" for name in SUBJECTS])
    assert len(tasks.tasks) == TASKS and len(bodies) == TASKS * ROWS
    assert [body["model"] for body in bodies[:2]] == ["merged-river", "merged-mountain"]
    # The tenth request is of the second row of the second task.
    [asked] = bodies[TASKS + 1]["messages"]
    [message] = tasks.tasks[1].read_samples("test")[1].messages
    assert asked["content"] == "".join(message.parts) == "Write a sentence about mountain number 1."


def test_peak_memory_is_of_the_process() -> None:
    size = 2**27
    block = bytearray(size)
    block[::4096] = b"1" * len(block[::4096])  # so that the pages are there
    assert read_peak_bytes(os.getpid()) > size
