"""Every call that loads a model, a processor or a configuration refuses code that comes with it."""

import ast
from pathlib import Path

import pytest

import coterie

SOURCE = Path(coterie.__file__).parent
LOADERS = ("from_pretrained", "from_config")
PLAIN = {
    "Dinov2Model": "a class of transformers, for files of `coterie fetch` with a known digest",
    "CLIPVisionModel": "a class of transformers, which runs no code of a folder",
    "ASTModel": "a class of transformers, which runs no code of a folder",
    "SiglipVisionModel": "a class of transformers, which runs no code of a folder",
    "PeftModel": "an adapter, whose configuration was checked",
    "CoterieConfig": "coterie's own",
    "PeftConfig": "adapter_config.json of a LoRA, without the module that it may name for megatron",
    "LoraConfig": "of a folder that coterie has just written",
    "DenseCollator": "coterie's own, which loads through others of this list",
    "super()": "in a `from_pretrained` of coterie's, with the caller's arguments",
    "kind": "a class of transformers, for a folder that coterie has just written",
}
"""What is loaded from -> why no code can come with it."""


def list_calls() -> list[tuple[str, str, bool]]:
    """List file and line, what is loaded from, and whether its code is refused."""
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in LOADERS:
                    refused = any(
                        each.arg == "trust_remote_code" and ast.unparse(each.value) == "False"
                        for each in node.keywords
                    )
                    place = f"{file.relative_to(SOURCE)}:{node.lineno}"
                    found.append((place, ast.unparse(node.func.value), refused))
    return found


def test_calls_refuse_code_or_cannot_meet_it() -> None:
    calls = list_calls()
    assert sum(refused for *_, refused in calls) >= 5
    assert [each for each in calls if not each[2] and each[1] not in PLAIN] == []


@pytest.mark.parametrize("name", ["trust_remote_code=True", "allow_pickle=True", "torch.load("])
def test_no_source_allows_code(name: str) -> None:
    # The published Awaker2.5-VL is a pickled file that the user names, of which tensors are read.
    safe = 'torch.load(path, map_location="cpu", weights_only=True, mmap=True)'
    texts = [file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py")]
    assert not any(name in text.replace(safe, "") for text in texts)
