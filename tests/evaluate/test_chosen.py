"""The samples that are scored."""

from coterie.data.media import Media
from coterie.data.sample import Sample, Turn
from coterie.evaluate.chosen import Chosen
from tests.evaluate.runs import sample


def test_a_limit_takes_the_same_samples_each_time_from_all_over() -> None:
    rows = [sample("a", number) for number in range(100)]
    chosen = Chosen(rows, limit=10, blind=False)
    sources = [each.source for each in chosen]
    assert sources == [each.source for each in Chosen(rows, limit=10, blind=False)]
    assert len(set(sources)) == 10
    numbers = [int(source.partition(":")[2]) for source in sources]
    assert numbers == sorted(numbers) and numbers[-1] > 50
    assert len(Chosen(rows, limit=None, blind=False)) == len(Chosen(rows, limit=500, blind=False))


def test_blind_samples_have_no_pictures() -> None:
    turn = Turn(role="user", parts=(Media(kind="image", content=b"x"), "what is it?"))
    rows = [Sample(task="a", turns=(turn,), answers=("tea",), source="rows.jsonl:1")]
    assert len(Chosen(rows, limit=None, blind=False)[0].media()) == 1
    assert not Chosen(rows, limit=None, blind=True)[0].media()
