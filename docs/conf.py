"""The documentation site: `make docs` builds it into docs/_build/html, without a network."""

import importlib.metadata
import sys
import warnings
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
warnings.filterwarnings("ignore", category=DeprecationWarning)

import generate_reference  # noqa: E402  it lies beside this file, which is on the path only now

project = "coterie"
author = "The coterie developers"
copyright = "The coterie developers, Apache-2.0"
release = version = importlib.metadata.version("coterie")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "py:obj"  # `names` in docstrings become links where there is such a name

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True  # fields of a dataclass are listed once, under Attributes
napoleon_use_rtype = False
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"coterie {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Sphinx) -> None:
    generate_reference.write_reference(HERE / "reference")
