"""Every class that is saved has a public name, and every name that is mentioned exists."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie import plugins, saved_classes, serialization
from coterie.public_names import NAMESPACES, find_export, get_public_name, list_exports

ROOT = Path(__file__).parents[1]
EXPORTS = [(name, each) for name in ("coterie", *NAMESPACES) for each in list_exports(name)]
SAVED = {
    value
    for namespace, name in EXPORTS
    if saved_classes.is_frozen_dataclass(value := getattr(import_module(namespace), name))
    if value.__module__.startswith("coterie")
}


def test_every_kind_that_a_walk_finds_is_exported() -> None:
    for folder, interface in (
        ("coterie.balancing", "coterie.balancing.base:Balancing"),
        ("coterie.datasets", "coterie.tasks.dense.dataset:DenseDataset"),
        ("coterie.experts", "coterie.experts.base:Experts"),
        ("coterie.losses", "coterie.losses.base:RoutingLoss"),
        ("coterie.metrics", "coterie.metrics.base:Metric"),
        ("coterie.models.omni.connectors", "coterie.encoding.connector:Connector"),
        ("coterie.models.omni.encoders", "coterie.encoding.encoder:Encoder"),
        ("coterie.routing.gates", "coterie.routing.gates.base:Gate"),
        ("coterie.routing.routers", "coterie.routing.routers.base:Router"),
        ("coterie.tasks.dense.kinds", "coterie.tasks.dense.task:DenseTask"),
    ):
        module, _, name = interface.partition(":")
        kinds = serialization.find_kinds(
            import_module(folder), getattr(import_module(module), name)
        )
        assert kinds and set(kinds) <= SAVED, folder


@pytest.mark.parametrize("kind", sorted(SAVED, key=lambda kind: kind.__qualname__), ids=str)
def test_a_saved_name_names_no_file_and_is_found_again(kind: type) -> None:
    namespace, _, name = get_public_name(kind).partition(":")
    assert namespace == "coterie" or namespace in NAMESPACES
    assert (namespace == "coterie") == (name in coterie.__all__)
    assert saved_classes.find_class(f"{namespace}:{name}", "value") is kind
    try:
        value = kind()
    except (TypeError, ValueError):  # has fields without a default
        return
    assert serialization.loads(serialization.dumps(value), type(value)) == value


def test_recipes_hold_public_names_only() -> None:
    for name in coterie.recipes.__all__:
        recipe = getattr(coterie.recipes, name)()
        recipes = recipe if isinstance(recipe, tuple) else (recipe,)
        for each in recipes:
            saved = set(find_saved_names(serialization.dump(each)))
            assert "coterie:Recipe" in saved and "coterie:Stage" in saved
            assert {name.partition(":")[0] for name in saved} == {"coterie"}


def find_saved_names(data: Any) -> Iterator[str]:
    """Every "is" in dumped data."""
    match data:
        case dict():
            yield from [data["is"]] if "is" in data else []
            for item in data.values():
                yield from find_saved_names(item)
        case list():
            for item in data:
                yield from find_saved_names(item)


def test_the_first_export_wins() -> None:
    assert get_public_name(coterie.TopK) == "coterie:TopK"
    assert saved_classes.find_class("coterie.routing:TopK", "value") is coterie.TopK
    assert find_export("coterie.metrics", "ExactMatch").__qualname__ == "ExactMatch"
    assert find_export("coterie.metrics", "Exactly") is None
    assert find_export("coterie.train", "RunConfig") is None  # a package, but no namespace
    assert find_export("coterie", "register") is None  # not in __all__


def test_a_class_that_is_exported_nowhere_has_no_public_name() -> None:
    from coterie.tuner.layer import FixedOutput

    with pytest.raises(ValueError, match=r"FixedOutput of coterie.tuner.layer has no public name"):
        get_public_name(FixedOutput)


def test_the_names_of_a_namespace_are_listed_and_no_other_is_there() -> None:
    import coterie.losses

    assert {"Importance", "LoadBalance", "RoutingLoss", "ZLoss"} <= set(dir(coterie.losses))
    assert not [name for name in list_exports("coterie.losses") if name.startswith("_")]
    with pytest.raises(AttributeError, match="no attribute 'Zero'"):
        _ = coterie.losses.Zero


DOTTED = re.compile(r"(?<![\w./:-])coterie(?:_demo)?(?:\.[A-Za-z_]\w*)+(?!\w*[/:-])")
FILE_ENDINGS = (".py", ".js", ".html", ".json", ".svg", ".yaml", ".yml", ".md", ".gz", ".toml")


def find_mentioned_names() -> Iterator[tuple[str, Path]]:
    """`coterie.x.y` in the strings of the sources (docstrings, messages) and in the pages."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from ((name, file) for name in DOTTED.findall(node.value))
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for name in DOTTED.findall(file.read_text(encoding="utf-8")):
            yield name, file


def test_every_name_that_a_message_or_a_page_mentions_exists() -> None:
    mentioned: dict[str, Path] = {}
    for name, file in find_mentioned_names():
        if not name.endswith(FILE_ENDINGS):
            mentioned.setdefault(name, file)
    assert len(mentioned) > 20
    for group in (plugins.COMMANDS, plugins.MODELS, plugins.VISION_MODELS, plugins.CHECKS):
        mentioned.pop(group, None)  # of entry points, no Python name
    missing = {f"{name} in {file.name}" for name, file in mentioned.items() if not exists(name)}
    assert not missing


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or what getattr finds from the longest module of it."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                fields = getattr(value, "__annotations__", {})
                return part in fields and part == parts[-1]
            value = getattr(value, part)
        return True
    return False
