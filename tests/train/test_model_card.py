"""The README.md of a trained adapter has the run's own facts, and no form to fill in."""

from dataclasses import replace
from pathlib import Path

import yaml

from coterie.train.model_card import FILE, escape_markdown, write_model_card
from tests.train.small import adapter, plain, trained


def test_it_has_the_run_s_own_facts(tmp_path: Path) -> None:
    run = trained(tmp_path, plain(steps=2, learning_rate=1e-3))
    card = (run.folder / "adapter" / FILE).read_text()
    assert "More Information Needed" not in card
    _, front, text = card.split("---\n", 2)
    found = yaml.safe_load(front)
    assert found["library_name"] == "peft" and "base_model" not in found  # a folder here
    size = sum(each.numel() for each in adapter(run).values())
    assert "# plain on caption, ocr" in text and f"It has {size:,} trained parameters." in text
    assert "| stage `train` | 2 steps of 4 samples, learning rate 0.001 |" in text
    assert "| task `ocr` | train, validation; " in text and "| precision | float32 |" in text
    assert "count in this order: caption, ocr" in text


def test_a_base_model_of_the_hub_is_named_for_the_hub(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", plain(steps=1))
    config = replace(run.config, base="organisation/model")
    write_model_card(run.folder / "adapter", config, config.resolve_stages((1, 1)))
    assert 'base_model: "organisation/model"' in (run.folder / "adapter" / FILE).read_text()


def test_text_from_anyone_is_shown_as_it_is() -> None:
    given = "<script>a</script> | [x](javascript:1) *b* `c`\n# d_e"
    shown = "&lt;script&gt;a&lt;/script&gt; \\| \\[x\\](javascript:1) \\*b\\* 'c' \\# d_e"
    assert escape_markdown(given) == shown
