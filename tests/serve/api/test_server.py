"""Addresses and keys that cannot be, and what a server says when it begins."""

import pytest

from coterie.serve.api.server import check_key, describe, listen


def test_an_address_that_is_taken_or_none() -> None:
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        said = rf"^127\.0\.0\.1:{port} cannot be listened at: Address already in use"
        with pytest.raises(ValueError, match=said):
            listen("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"^no host:80 cannot be listened at"):
        listen("no host", 80)
    with pytest.raises(ValueError, match="port=65536: give 0 to 65535"):
        listen("127.0.0.1", 65536)


@pytest.mark.parametrize("key", ["", "a\nb", "\u00e9"])
def test_a_key_that_no_header_has(key: str) -> None:
    with pytest.raises(ValueError, match="the API key is empty or has characters"):
        check_key(key)
    check_key(None)
    check_key("a key")


def test_what_it_says() -> None:
    assert describe("127.0.0.1", 80, ("a", "b"), has_key=False) == (
        "serving a, b at http://127.0.0.1:80/v1, and a page at http://127.0.0.1:80/; Ctrl-C ends"
    )
    said = describe("::", 80, ("a",), has_key=False)
    assert said.startswith("serving a at http://[::]:80/v1") and "whoever reaches [::]" in said
    assert "\n" not in describe("0.0.0.0", 80, ("a",), has_key=True)
