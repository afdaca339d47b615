"""How a package of the pantry is pinned."""

from coterie_demo.clients import PackageClient
from coterie_demo.download import RegistryPackage


def make_pinned_package(
    client: PackageClient, name: str, version: str, size_bytes: int, sha256: str, *words: str
) -> RegistryPackage:
    """A package pinned to its bytes.

    Args:
        words: its licence, what it is, and the name that the client gives its file, which may be
            missing for npm.
    """
    licence, what, *file = words
    usual = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    return RegistryPackage(
        client=client,
        name=name,
        version=version,
        file=file[0] if file else usual,
        sha256=sha256,
        size_bytes=size_bytes,
        licence=licence,
        description=what,
    )
