"""The middle of a photo, as a square."""

from pathlib import Path

from PIL import Image

from coterie_demo.pantry.tasks.photos import crop_square


def test_the_middle_is_cut_out(tmp_path: Path):
    # 8 x 4, of which columns 2 to 5 are white: the square is white throughout.
    picture = Image.new("RGB", (8, 4), "black")
    picture.paste("white", (2, 0, 6, 4))
    picture.save(tmp_path / "photo.png")
    square = crop_square(str(tmp_path / "photo.png"))
    assert square.size == (224, 224) and square.getcolors() == [(224 * 224, (255, 255, 255))]
