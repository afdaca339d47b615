"""The packages that are fetched, as `data/packages.toml` pins them."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from coterie_demo.clients import APT, NPM, PIP
from coterie_demo.download import RegistryPackage

CLIENTS = {client.name: client for client in (APT, NPM, PIP)}


@cache
def read_pins() -> dict[str, dict[str, Any]]:
    """Return the tables of the file; most are named for their package."""
    file = Path(__file__).with_name("data") / "packages.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def get_package(pin: str) -> RegistryPackage:
    """Return the package of a table. Raises KeyError if there is none."""
    given = {"name": pin, **read_pins()[pin]}
    usual = f"{given['name'].removeprefix('@').replace('/', '-')}-{given['version']}.tgz"
    return RegistryPackage(**{"file": usual, **given, "client": CLIENTS[given["client"]]})
