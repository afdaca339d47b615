"""What is fetched for the pantry, and its licences."""

from coterie_demo.pantry import list_packages


def test_packages_are_pinned():
    assert {package.licence for package in list_packages()} >= {"AGPL-3.0", "GPL-2.0-or-later"}
    assert all(len(package.sha256) == 64 and package.size_bytes > 0 for package in list_packages())
