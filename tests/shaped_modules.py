"""Which modules have tensor annotations, whose calls are checked in tests."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
ALIAS = re.compile(r"^([A-Z]\w+) = .*\b(?:Bool|Float|Int|Shaped)\[", re.MULTILINE)


def find_shaped_modules() -> list[str]:
    """The modules of coterie that write shapes, or use another module's name for one.

    The check of a call costs 0.1 ms: of all functions, those of plain Python too, it would be half
    the time of the tests.
    """
    texts = {path: path.read_text() for path in SOURCE.glob("coterie/**/*.py")}
    names = {name for text in texts.values() for name in ALIAS.findall(text)}
    imported = rf"^from .* import .*\b({'|'.join(names)})\b|^    ({'|'.join(names)}),$"
    shaped = re.compile(f"^from jaxtyping import|{imported}", re.MULTILINE)
    return [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path, text in texts.items()
        if shaped.search(text)
    ]
