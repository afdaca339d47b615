"""`CoterieConfig`: the adapter configuration that `adapter_config.json` holds."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from peft import PeftConfig, TaskType
from peft.utils import CONFIG_NAME, WEIGHTS_NAME, PeftType
from peft.utils.constants import DUMMY_TARGET_MODULES
from safetensors import SafetensorError, safe_open

from coterie.annotations import abbreviate
from coterie.io import read_text
from coterie.mixture import Mixture
from coterie.serialization import dump, load, parse_json

FORMAT_VERSION = 1
PEFT_TYPE_NAME = "COTERIE"
PREFIX = "coterie_"
WEIGHTS = "adapter_model.safetensors"


SAVED_TYPE_NAME, SAVED_TYPE = "COTERIE_SAVED", "COTERIE, which `import coterie` adds to PEFT"
"""The type in adapter_config.json: in a process without coterie, PEFT's KeyError is this text."""


def add_peft_type(name: str, value: str) -> None:
    """Add a member to PEFT's enum of methods, unless it is there.

    PEFT has no plug-ins: `register_peft_method` refuses names that are not in this enum, and plain
    strings in its mappings break transformers' `load_adapter`.
    """
    if name in PeftType.__members__:
        return
    member = str.__new__(PeftType, value)
    member._name_, member._value_ = name, value
    vars(member)["_sort_order_"] = len(PeftType._member_names_)
    # Python 3.12 and later look members up as class attributes.
    type.__setattr__(PeftType, name, member)
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[value] = member


add_peft_type(PEFT_TYPE_NAME, PEFT_TYPE_NAME)
add_peft_type(SAVED_TYPE_NAME, SAVED_TYPE)


@dataclass
class CoterieConfig(PeftConfig):
    """The adapter configuration that PEFT saves and loads; `coterie.graft` builds it.

    Attributes:
        mixtures: the mixtures, as `coterie.serialization.dump` converts them.
        tasks: names of the tasks, in the order of task ids.
        modules_to_save: names of base modules trained and saved in full, e.g. a task's head.
        format_version: version of the saved format; a newer one than this coterie reads is refused.
        target_modules: the modules found for `mixtures`, or PEFT's constant for none; saved for
            information, found again on load.
    """

    mixtures: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    modules_to_save: list[str] | None = None
    format_version: int = FORMAT_VERSION
    library: str = "coterie (import coterie, then peft.PeftModel.from_pretrained)"
    target_modules: list[str] | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PeftType[PEFT_TYPE_NAME]
        check_format(self.format_version, "this adapter")
        self.tasks = list(self.tasks)
        check_targets(self.parse_mixtures(), self.target_modules)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as adapter_config.json holds them."""
        return super().to_dict() | {"peft_type": SAVED_TYPE}

    def parse_mixtures(self) -> tuple[Mixture, ...]:
        """Return the mixtures as objects. Raises ValueError that names an invalid field."""
        return load(self.mixtures, tuple[Mixture, ...], name="mixtures")

    @classmethod
    def from_mixtures(cls, mixtures: tuple[Mixture, ...], tasks: tuple[str, ...], **kwargs: Any):
        """Return the configuration of these mixtures."""
        return cls(mixtures=[dump(each) for each in mixtures], tasks=list(tasks), **kwargs)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        subfolder: str | None = None,
        **kwargs: Any,
    ):
        """Load as PEFT does, after checks of local files, as PEFT's errors are unclear.

        Raises ValueError, in one line that names the file, for a field of a wrong type, another
        kind of adapter, and weights that are damaged or a pickle.
        """
        name = os.fspath(pretrained_model_name_or_path)
        folder = Path(name, subfolder or "")
        if (folder / CONFIG_NAME).is_file():
            cls.check_file(folder / CONFIG_NAME)
            check_weights(folder)
        return super().from_pretrained(name, subfolder, **kwargs)

    @classmethod
    def check_file(cls, file: Path) -> None:
        """Raise ValueError, in one line, unless a JSON file has the fields of this class."""
        data = parse_json(read_text(file), name=str(file))
        if not isinstance(data, dict) or data.get("peft_type") not in (PEFT_TYPE_NAME, SAVED_TYPE):
            kind = abbreviate(data.get("peft_type")) if isinstance(data, dict) else "no object"
            raise ValueError(
                f"{file} has peft_type {kind}, not {PEFT_TYPE_NAME!r}: it is no adapter of "
                "coterie; load it with peft alone"
            )
        hints = get_type_hints(cls) | {"mixtures": tuple[Mixture, ...], "tasks": tuple[str, ...]}
        for key, value in data.items():
            load(value, hints.get(key, Any), name=f"{file}: {key}")
        check_format(data.get("format_version", FORMAT_VERSION), f"{file}: the adapter")
        check_targets(data.get("mixtures"), data.get("target_modules"), f"{file}: ")
        tasks, kinds = data.get("tasks", []), [None, *(each.value for each in TaskType)]
        if len(set(tasks)) < len(tasks) or "" in tasks:
            raise ValueError(f"{file}: tasks = {abbreviate(tasks)}: give each a name of its own")
        if data.get("task_type") not in kinds:
            given = f"{file}: task_type = {abbreviate(data['task_type'])}"
            raise ValueError(f"{given}: allowed are {', '.join(map(str, kinds))}")


def check_targets(
    mixtures: Sequence[Any] | None, target_modules: Sequence[str] | None, where: str = ""
) -> None:
    """Raise ValueError for target modules without a mixture, which would get no experts."""
    if not mixtures and target_modules not in (None, DUMMY_TARGET_MODULES):
        raise ValueError(
            f"{where}target_modules={abbreviate(target_modules)} and no mixtures: a mixture says "
            "where its experts are, as in coterie.graft(model, Mixture(at='text.mlp')), which "
            "makes this configuration; or CoterieConfig.from_mixtures((Mixture(...),), tasks)"
        )


def check_format(version: int, subject: str) -> None:
    """Raise ValueError for a format newer than this coterie reads."""
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{subject} was saved in format {version}; this coterie reads up to {FORMAT_VERSION}: "
            "upgrade coterie to load it"
        )


def check_weights(folder: Path) -> None:
    """Raise ValueError if an adapter's weights are damaged, or a pickle, which may run code."""
    path, pickled = folder / WEIGHTS, folder / WEIGHTS_NAME
    if not path.exists() and pickled.exists():
        raise ValueError(
            f"{pickled} is a pickle, which can run code when it is read, and is not loaded: save "
            f"the adapter again as {WEIGHTS}"
        )
    try:
        if path.is_file():
            with safe_open(path, framework="pt") as file:
                file.keys()
    except (SafetensorError, ValueError) as error:
        problem = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} is damaged ({problem}): copy or download it again, or restore it from the run"
        ) from error
