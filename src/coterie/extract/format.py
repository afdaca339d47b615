"""`Format`: what `extract` must know of a format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.extract.source import ExtractRequest


@dataclass(frozen=True)
class Format:
    """A format that `extract` writes.

    Attributes:
        write: writes the files into a folder, verifies them and returns the report.
        needs_task: False if the files are of all tasks.
        has_processor: the folder is a model, with tokenizer or processor beside it.
        has_chat_template: the folder is for a base model, and has the chat template of training.
        has_dtype: the weights' dtype can be chosen.
        reads_all_mixtures: it is not of the one mixture at each module that serves the task, so
            mixtures of different tasks at one module, as `coterie.add_tasks` makes, are refused.
    """

    write: Callable[[ExtractRequest, Path], dict[str, Any]]
    needs_task: bool = True
    has_processor: bool = False
    has_chat_template: bool = False
    has_dtype: bool = False
    reads_all_mixtures: bool = True
