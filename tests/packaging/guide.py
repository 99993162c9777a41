"""The blocks of documents that tests run as they stand there."""
import re

import machine

GUIDE = machine.ROOT / "packaging" / "docs" / "operations.md"
README = machine.ROOT / "README.md"


def blocks(document=GUIDE):
    """Name and text of each block that has a line <!-- run: NAME --> before it, in order."""
    found = re.findall(r"^<!-- run: (\w+) -->\n```\w+\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), names
    return dict(found)


def block(name, **values):
    """One of the guide for operators, with what stands in capitals put in; each must be there."""
    text = blocks()[name]
    for placeholder, value in values.items():
        assert placeholder in text, f"{placeholder} is not in block {name}"
        text = text.replace(placeholder, value)
    return text
