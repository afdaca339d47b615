"""The site builds without a warning and without a network, and has a page for each public name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import coterie

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("sphinx", reason="needs coterie[docs]")
    out = tmp_path_factory.mktemp("site")
    # A proxy that nothing listens at: whatever asks the network fails.
    closed = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
         "-d", str(out / "doctrees"), str(ROOT / "docs"), str(out / "html")],
        env=os.environ | closed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.mark.slow
def test_each_public_name_has_a_page(site: Path) -> None:
    names = [name for name in coterie.__all__ if name != "recipes"]
    pages = [site / "reference" / f"{name}.html" for name in names]
    pages += [site / "reference" / "recipes" / f"{name}.html" for name in coterie.recipes.__all__]
    for page in pages:
        assert page.is_file() and f'id="coterie.{page.stem}"' in page.read_text().replace(
            "coterie.recipes.", "coterie."
        ), page


@pytest.mark.slow
def test_no_page_loads_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert 'src="http' not in text and "@import" not in text, page
