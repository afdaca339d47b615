"""Clips: eight frames in which drawings of one thing move, and others of it and of two more do not.

Three tasks ask about the same clips, so that no question can be answered without the motion.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import ClassVar, Literal

from PIL import Image

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, Concept, get_drawing, read_concepts
from coterie_demo.pantry.sources import EMOJI
from coterie_demo.pantry.tasks.base import PantryTask, Row
from coterie_demo.pantry.tasks.counting import PALE

COLUMN: Literal["video"] = "video"
"""The column and the modality of clips."""
FRAMES = 8
SIDE = 128
"""Width and height of a frame, in pixels."""
CELLS = 4
"""Cells of a frame in width and in height; what moves crosses two of them, in a lane of its own."""
STEP = SIDE // CELLS
CROSSED = 2
MARGIN = 2
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
MAX_MOVING = 4
STILL = 4
"""Drawings that do not move: one of either other thing, and two of any of the three things."""
UNSEEN = 80
"""Things that only the test has."""
Cell = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What happens in a clip: the first of the concepts moves, the others do not."""

    concepts: tuple[Concept, ...]
    style: str
    direction: str
    moving: int
    seed: str


class ClipTask(PantryTask):
    """A task about clips."""

    modalities = (COLUMN,)
    sources = EMOJI
    held_out = (
        "things that no clip of training has, in the unseen drawing style (Noto); `moving`, "
        "`direction` and `how_many_move` have the same clips"
    )
    sizes: ClassVar = {"train": 600, "validation": 60, "test": 120}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        for clip in plan_clips(split):
            yield {
                COLUMN: [assets.store_image(frame) for frame in draw_frames(clip)],
                **self.ask(clip),
                "concept": clip.concepts[0].name,
                "style": clip.style,
            }

    @abstractmethod
    def ask(self, clip: Clip) -> Row:
        """The columns "question" and "answer", and "choices" if the question has some."""


def plan_clips(split: str) -> Iterator[Clip]:
    """Clips without end; every direction with every number of moving things equally often."""
    for number in count():
        seed = f"clips/{split}/{number}"
        pairs = [(way, many) for way in DIRECTIONS for many in range(1, MAX_MOVING + 1)]
        turn, place = divmod(number, len(pairs))
        Random(f"clips/{split}/turn {turn}").shuffle(pairs)
        direction, moving = pairs[place]
        concepts, style = choose_concepts(split, Random(seed))
        yield Clip(concepts=concepts, style=style, direction=direction, moving=moving, seed=seed)


def choose_concepts(split: str, random: Random) -> tuple[tuple[Concept, ...], str]:
    """Three concepts that one style has, and the style."""
    order = list(read_concepts())
    Random("clips").shuffle(order)
    style = UNSEEN_STYLE if split == "test" else random.choice(STYLES)
    among = order[:UNSEEN] if split == "test" else order[UNSEEN:]
    found = [concept for concept in among if get_drawing(concept, style) is not None]
    return tuple(random.sample(found, 3)), style


def draw_frames(clip: Clip) -> list[Image.Image]:
    """The frames, on one pale background; the motion is even."""
    random = Random(clip.seed)
    starts, still = choose_cells(clip, random)
    across, down = DIRECTIONS[clip.direction]
    page = Image.new("RGB", (SIDE, SIDE), random.choice(PALE))
    mover, first, second = (scale_drawing(concept, clip.style) for concept in clip.concepts)
    others = [first, second, *random.choices((mover, first, second), k=STILL - 2)]
    for (column, row), drawing in zip(still, others, strict=True):
        page.paste(drawing, (column * STEP + MARGIN, row * STEP + MARGIN), drawing)
    frames = []
    for number in range(FRAMES):
        frame, way = page.copy(), round(CROSSED * STEP * number / (FRAMES - 1))
        for column, row in starts:
            left = column * STEP + MARGIN + across * way
            top = row * STEP + MARGIN + down * way
            frame.paste(mover, (left, top), mover)
        frames.append(frame)
    return frames


def choose_cells(clip: Clip, random: Random) -> tuple[list[Cell], list[Cell]]:
    """Column and row where each moving thing starts, and of those that stay, which nothing meets.

    A lane is a row of cells for motion to the left or right, and a column otherwise.
    """
    across, down = DIRECTIONS[clip.direction]
    starts, free = [], {(column, row) for column in range(CELLS) for row in range(CELLS)}
    for lane in random.sample(range(CELLS), clip.moving):
        first = random.randrange(CELLS - CROSSED)
        path = range(first, first + CROSSED + 1)
        cells = [(place, lane) if across else (lane, place) for place in path]
        starts.append(cells[0] if across + down > 0 else cells[-1])
        free -= set(cells)
    return starts, random.sample(sorted(free), STILL)


def scale_drawing(concept: Concept, style: str) -> Image.Image:
    drawn = get_drawing(concept, style)
    assert drawn is not None, (concept, style)
    side = STEP - 2 * MARGIN
    return drawn.resize((side, side), Image.Resampling.BICUBIC)
