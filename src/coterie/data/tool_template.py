"""Functions that a chat offers and calls, as chat templates take them."""

from collections.abc import Sequence
from typing import Any

Chat = list[dict[str, Any]]


def take_tools(chats: Sequence[Chat]) -> tuple[list[Chat], list[list[Any]]]:
    """Return the chats without the functions that they offer, and those of each."""
    tools = [list(chat[0].get("tools", ())) for chat in chats]
    plain = [[{key: value for key, value in message.items() if key != "tools"} for message in chat]
             for chat in chats]  # fmt: skip
    return plain, tools


def check_tools(template: object, chats: Sequence[Chat], tools: Sequence[list[Any]]) -> None:
    """Raise ValueError if a template has no place for what the chats have of tools.

    Templates pass over what they do not know, and the model would learn from the rest.
    """
    text = str(template)
    needs = {
        "tools": any(tools),
        "tool_calls": any("tool_calls" in message for chat in chats for message in chat),
        "tool": any(message["role"] == "tool" for chat in chats for message in chat),
    }
    for name, is_needed in needs.items():
        if is_needed and name not in text:
            raise ValueError(
                f"a sample has {name!r}, of which the base's chat template knows nothing: take a "
                "base that was trained to call tools, or write the calls as text"
            )


def get_common_tools(tools: Sequence[list[Any]]) -> list[Any] | None:
    """Return the functions that all chats of a batch offer; None for none.

    Raises ValueError if they differ, as processors with media take one list for all.
    """
    if any(each != tools[0] for each in tools):
        raise ValueError(
            "samples of a batch offer different tools, and processors of images take one list for "
            "all: give batch_size=1"
        )
    return tools[0] or None
