"""Metrics from the text of tasks.yaml."""

import pytest

from coterie.metrics import parse_metric
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.error_rate import WordErrorRate
from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.macro_f1 import MacroF1
from coterie.metrics.text.numeric_match import NumericMatch
from coterie.metrics.text.rouge_l import RougeL


@pytest.mark.parametrize(
    "given, expected",
    [
        ("exact", ExactMatch()),
        ("exact_match(strict=True)", ExactMatch(strict=True)),
        ("numeric_match", NumericMatch()),
        ("numeric(tolerance=0.1)", NumericMatch(tolerance=0.1)),
        ({"name": "numeric", "tolerance": 0.1}, NumericMatch(tolerance=0.1)),
        ({"name": "macro_f1", "labels": ["a", "b"]}, MacroF1(labels=("a", "b"))),
        ("wer", WordErrorRate()),
        ("WordErrorRate", WordErrorRate()),
        ("rougeL", RougeL()),
        ("rouge-l(stem=True)", RougeL(stem=True)),
    ],
)
def test_of(given, expected) -> None:
    if "-" in given:  # a name with a dash is no name in Python; as a key it is
        given = {"name": "rouge-l", "stem": True}
    assert parse_metric(given) == expected


def test_published_names_are_written() -> None:
    # As in tasks.yaml and scores.json files from before the classes were renamed.
    assert str(ExactMatch()) == "exact"
    assert str(NumericMatch(tolerance=0.1)) == "numeric(tolerance=0.1)"
    assert str(ContainsAnswer()) == "contains"


@pytest.mark.parametrize(
    "given, message",
    [
        ("accuraccy", r"is no metric \(did you mean accuracy or "),  # another name of exact
        ("exakt", r"'exakt' is no metric \(did you mean exact\?\): there are .*word_error_rate"),
        ("exact(", r"'exact\(' is no metric"),
        ("exact(strict=" + "[" * 5000, r"^'exact.{1,120} is no metric: "),
        ("numeric(0.1)", r"'numeric\(0.1\)' is no metric"),
        ({"tolerance": 1}, r"None is no metric"),
        (
            "numeric(tolerence=1)",
            r"NumericMatch has no field 'tolerence' \(did you mean tolerance\?\); its fields are",
        ),
        ("contains(x=1)", r"ContainsAnswer has no field 'x'; its fields are none"),
        ("numeric(tolerance=-1)", r"NumericMatch\(tolerance=-1\): give a number"),
        ("numeric(tolerance=exit())", r"is no metric"),
    ],
)
def test_what_is_refused(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        parse_metric(given)


@pytest.mark.parametrize(
    "name, metric",
    [
        ("accuracy", "exact"),
        ("exact_match", "exact"),
        ("em", "exact"),
        ("vqa", "vqa_accuracy"),
        ("CIDEr-D", "cider"),
        ("ANLS", "anls"),
    ],
)
def test_names_that_users_type(name: str, metric: str) -> None:
    assert parse_metric(name) == parse_metric(metric)


def test_a_name_of_several_metrics_is_told() -> None:
    with pytest.raises(ValueError, match=r"'f1' is no metric here: take macro_f1 or token_f1"):
        parse_metric("f1")
    with pytest.raises(ValueError, match=r"'METEOR' is no metric here: take chrf or cider or"):
        parse_metric("METEOR")
