"""The samples that are scored."""

from coterie.data.media import MediaFile
from coterie.data.sample import Message, TextSample
from coterie.data.subset import Subset
from tests.evaluate.runs import sample


def test_a_limit_takes_the_same_samples_each_time_from_all_over() -> None:
    rows = [sample("a", number) for number in range(100)]
    chosen = Subset(rows, limit=10, blind=False)
    sources = [each.source for each in chosen]
    assert sources == [each.source for each in Subset(rows, limit=10, blind=False)]
    assert len(set(sources)) == 10
    numbers = [int(source.partition(":")[2]) for source in sources]
    assert numbers == sorted(numbers) and numbers[-1] > 50
    assert len(Subset(rows, limit=None, blind=False)) == len(Subset(rows, limit=500, blind=False))


def test_blind_samples_have_no_pictures() -> None:
    turn = Message(role="user", parts=(MediaFile(kind="image", content=b"x"), "what is it?"))
    rows = [TextSample(task="a", messages=(turn,), answers=("tea",), source="rows.jsonl:1")]
    assert len(Subset(rows, limit=None, blind=False)[0].get_media()) == 1
    assert not Subset(rows, limit=None, blind=True)[0].get_media()
