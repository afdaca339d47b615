"""Entry points: found by group and name, with one clear error for an extra that is missing."""

from importlib.metadata import EntryPoint

import pytest

from coterie import plugins
from coterie.plugins import (
    COMMANDS,
    MODELS,
    OPTIONAL_NAMES,
    TASKS,
    find_plugin,
    import_task_module,
    list_plugins,
)

GROUP = "coterie.test"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three entry points of one group, two of which have one name."""
    entries = [
        EntryPoint(name="second", value="json:loads", group=GROUP),
        EntryPoint(name="first", value="math:floor", group=GROUP),
        EntryPoint(name="first", value="math:ceil", group=GROUP),
    ]
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: [each for each in entries if each.group == group]
    )


def test_names_are_sorted_and_the_first_of_a_name_counts(installed: None) -> None:
    assert [each.name for each in list_plugins(GROUP)] == ["first", "second"]
    plugin = find_plugin(GROUP, "first")
    assert plugin is not None and plugin.load()(1.5) == 1


def test_unknown_names_are_none(installed: None) -> None:
    assert find_plugin(GROUP, "third") is None
    assert find_plugin(MODELS, "gpt2") is None  # a hub id


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in OPTIONAL_NAMES for name in OPTIONAL_NAMES[group]]
)
def test_what_an_extra_brings_says_what_to_install(group: str, name: str, installed: None) -> None:
    extra = OPTIONAL_NAMES[group][name]
    assert extra in ("demo", "scenes")  # of pyproject.toml
    with pytest.raises(ValueError, match=rf"'{name}' is not installed.*'coterie\[{extra}\]'"):
        find_plugin(group, name)


def test_coterie_demo_provides_the_optional_names() -> None:
    for group, names in OPTIONAL_NAMES.items():
        entries = {each.name: each for each in list_plugins(group)}
        assert set(names) <= set(entries)
        assert all(callable(entries[name].load()) for name in names)
    assert [each.name for each in list_plugins(COMMANDS)] == ["demo", "fetch"]
    assert [each.name for each in list_plugins(TASKS)] == ["pantry", "scenes"]


def test_only_modules_that_provide_tasks_are_imported() -> None:
    module = import_task_module("coterie_demo.scenes.dataset")
    assert module is not None and module.__name__ == "coterie_demo.scenes.dataset"
    assert import_task_module("coterie_demo.pantry.__main__") is None
    assert import_task_module("this") is None
