"""That no split of the pantry has what another must not: style, thing, word, font, food, voice."""

from collections import Counter
from itertools import combinations, islice

import pytest

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import (
    FONTS,
    STYLES,
    UNSEEN_FONTS,
    UNSEEN_STYLE,
    get_drawing,
    get_foods,
    read_concepts,
    read_foods,
    read_recordings,
)
from coterie_demo.pantry.sources import SPEECH
from coterie_demo.pantry.speech import UNSEEN_VOICES, VALIDATION_VOICES, VOICES
from coterie_demo.pantry.tasks import counting, facts, food_group, group, naming, nutrition, ocr
from coterie_demo.pantry.tasks.chart import BARS, Chart
from coterie_demo.pantry.tasks.spoken import WORDS, Spoken, build_vocabulary
from coterie_demo.pantry.tasks.spoken_initial import SpokenInitial
from coterie_demo.pantry.tasks.spoken_question import SpokenQuestion

SPLITS = ("train", "validation", "test")


def apart(parts: dict) -> bool:
    return all(not set(a) & set(b) for a, b in combinations(parts.values(), 2))


def test_the_unseen_are_no_others():
    assert UNSEEN_STYLE not in STYLES
    assert not set(UNSEEN_FONTS) & set(FONTS)
    assert apart({"train": VOICES, "validation": VALIDATION_VOICES, "test": UNSEEN_VOICES})


def test_every_thing_is_drawn_in_the_unseen_style_and_twice_in_training():
    assert len(read_concepts()) >= 350
    assert len({concept.name for concept in read_concepts()}) == len(read_concepts())
    for concept in read_concepts():
        styles = [s for s in (*STYLES, UNSEEN_STYLE) if get_drawing(concept, s) is not None]
        assert {"fluent-3d", "fluent-flat", UNSEEN_STYLE} <= set(styles), concept


def test_naming_trains_on_every_thing_but_not_on_the_style():
    pairs = {split: naming.shuffle_concepts(split) for split in SPLITS}
    assert apart(pairs)
    assert {style for _, style in pairs["test"]} == {UNSEEN_STYLE}
    assert {style for _, style in pairs["train"]} == set(STYLES)
    assert {concept for concept, _ in pairs["train"]} == set(read_concepts())


def test_group_has_a_thing_in_one_split():
    parts = group.split_concepts()
    assert apart(parts)
    kinds = {split: {group.AS.get(c.kind, c.kind) for c in part} for split, part in parts.items()}
    assert kinds["train"] == kinds["test"] and len(kinds["train"]) == 17
    counts = Counter(group.AS.get(c.kind, c.kind) for c in parts["test"])
    assert max(counts.values()) <= 2 * min(counts.values())


def test_counting_is_balanced_and_its_things_are_apart(tmp_path):
    larder = AssetStore(folder=tmp_path, fetched={})
    rows = {
        s: list(islice(counting.Counting().generate_rows(larder, s), 50)) for s in ("train", "test")
    }
    # 25 pictures have all pairs of 1..5 once, so 50 rows have each answer 10 times.
    for found in rows.values():
        assert Counter(row["answer"] for row in found) == dict.fromkeys("12345", 10)
    assert apart({split: [row["concept"] for row in found] for split, found in rows.items()})
    assert {row["style"] for row in rows["test"]} == {UNSEEN_STYLE}


def test_ocr_has_a_word_in_one_split():
    parts = ocr.split_words()
    assert apart(parts)
    assert all(3 <= len(word) <= 5 and word.isalpha() for part in parts.values() for word in part)


def test_foods_of_a_family_are_in_one_split():
    assert apart({split: [food.family for food in get_foods(split)] for split in SPLITS})
    assert sum(len(get_foods(split)) for split in SPLITS) == len(read_foods()) == 542
    brinjals = {food.family for food in read_foods() if food.name.startswith("Brinjal")}
    assert brinjals == {"brinjal"}


def test_chart_asks_three_things_of_what_is_shown(tmp_path):
    larder = AssetStore(folder=tmp_path, fetched={})
    for row in islice(Chart().generate_rows(larder, "test"), 2 * BARS):
        values = {
            colour: food.nutrients[row["nutrient"]]
            for colour, name in row["foods"].items()
            for food in get_foods("test")
            if food.name == name
        }
        if "highest" in row["question"]:
            assert values[row["answer"]] == max(values.values())
        elif "lowest" in row["question"]:
            assert values[row["answer"]] == min(values.values())
        else:
            colour = row["question"].removeprefix("How high is ").split(",")[0]
            assert abs(values[colour] - int(row["answer"])) <= 5


def test_facts_offer_the_answer_first_as_often_as_second(tmp_path):
    larder = AssetStore(folder=tmp_path, fetched={})
    rows = list(islice(facts.Facts().generate_rows(larder, "test"), 40))
    assert sum(row["choices"][0] == row["answer"] for row in rows) == 20
    assert all(row["answer"] in row["choices"] for row in rows)


def test_levels_are_thirds_of_training():
    for nutrient in nutrition.NUTRIENTS:
        counts = Counter(nutrition.get_level(food, nutrient) for food in get_foods("train"))
        assert all(0.28 < count / len(get_foods("train")) < 0.39 for count in counts.values())
    assert set(food_group.GROUPS) <= {food.group for food in read_foods()}


@pytest.mark.parametrize("task", [Spoken(), SpokenQuestion()])
def test_voices_of_a_split(task, tmp_path):
    larder = AssetStore(folder=tmp_path, fetched={SPEECH: tmp_path})
    found = {
        split: {row["voice"] for row in islice(task.generate_rows(larder, split), 60)}
        for split in SPLITS
    }
    assert found["train"] == set(VOICES)
    assert found["validation"] == set(VALIDATION_VOICES)
    assert found["test"] == set(UNSEEN_VOICES)
    assert len(larder.clips) > 0


def test_every_recorded_word_is_trained_on(tmp_path):
    assert len(build_vocabulary()) == len(set(build_vocabulary())) == WORDS
    assert {row["word"] for row in read_recordings()} <= set(build_vocabulary())
    assert Spoken().list_splits(AssetStore(folder=tmp_path, fetched={})) == SPLITS


def test_spoken_initial_has_the_same_words_in_other_voices(tmp_path):
    larder = AssetStore(folder=tmp_path, fetched={SPEECH: tmp_path})
    rows = {s: list(islice(SpokenInitial().generate_rows(larder, s), 2000)) for s in SPLITS}
    # 140 words in 8 voices to learn from, in 1 and 3 others to look at and to test.
    assert [len(rows[split]) for split in SPLITS] == [1120, 140, 420]
    assert apart({split: [row["voice"] for row in found] for split, found in rows.items()})
    words = {split: {row["word"]: row["answer"] for row in found} for split, found in rows.items()}
    assert words["train"] == words["test"] == {word: word[0] for word in build_vocabulary()}
