"""The blocks of the guide for operators that tests run as they stand there."""
import re

import machine

GUIDE = machine.ROOT / "packaging" / "docs" / "operations.md"


def blocks():
    """Name and text of each block that has a line <!-- run: NAME --> before it."""
    found = re.findall(r"^<!-- run: (\w+) -->\n```\w+\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), names
    return dict(found)


def block(name, **values):
    """One of them, with what stands in capitals put in; each must be there."""
    text = blocks()[name]
    for placeholder, value in values.items():
        assert placeholder in text, f"{placeholder} is not in block {name}"
        text = text.replace(placeholder, value)
    return text
