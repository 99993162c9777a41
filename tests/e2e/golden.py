"""Golden files, in golden/: what blobctl said when somebody last looked at it and found it right.

    BLOBD_GOLDEN=write python3 tests/run_unittests.py --report /dev/null -k Golden -k Commands tests/e2e

writes them anew, and git shows what has changed. Documents of JSON are kept as shapes, since their values are others in
each run: {"size": "string", "failures": [{...}]}. A key that ends with ? may be missing; so does what some elements of a
list had and others had not when the file was written. A mark that was set by hand stays.
"""
import json
import os
from pathlib import Path

PLACE = Path(__file__).resolve().parent / "golden"


def is_writing():
    return os.environ.get("BLOBD_GOLDEN") == "write"


def check(test, name, text):
    """`text` is what the file of this name has."""
    path = PLACE / name
    if is_writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    test.assertTrue(path.exists(), f"there is no golden/{name}: tests/e2e/golden.py says how to write it")
    test.assertEqual(text, path.read_text(encoding="utf-8"),
                     f"golden/{name}; if that is meant, tests/e2e/golden.py says how to write it anew")


def check_shape(test, name, documents):
    """The shape of every document is that of the file of this name."""
    path = PLACE / name
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if is_writing():
        shape = _kept(known, _shape_of_all(documents))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(shape, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    test.assertIsNotNone(known, f"there is no golden/{name}: tests/e2e/golden.py says how to write it")
    wrong = [each for document in documents for each in _differences(known, document, "")]
    test.assertEqual(sorted(set(wrong)), [],
                     f"golden/{name}; if that is meant, tests/e2e/golden.py says how to write it anew")


def _kind(value):
    return {bool: "boolean", str: "string", int: "number", float: "number", type(None): "null"}[type(value)]


def _shape_of_all(values):
    """One shape that all of these values have."""
    if all(isinstance(value, dict) for value in values):
        keys = {key for value in values for key in value}
        return {key + ("" if all(key in value for value in values) else "?"):
                _shape_of_all([value[key] for value in values if key in value]) for key in keys}
    if all(isinstance(value, list) for value in values):
        elements = [element for value in values for element in value]
        return [_shape_of_all(elements)] if elements else []
    return " or ".join(sorted({_kind(value) for value in values}))


def _kept(known, shape):
    """`shape`, with what a file of this name says of what may be missing, or was empty this time."""
    if isinstance(known, dict) and isinstance(shape, dict):
        old = {key.rstrip("?"): (key, value) for key, value in known.items()}
        new = {}
        for key, value in shape.items():
            was, old_value = old.get(key.rstrip("?"), (key, None))
            new[was if was.endswith("?") else key] = _kept(old_value, value)
        new.update({key: value for key, value in known.items()
                    if key.endswith("?") and key not in new})
        return new
    if isinstance(known, list) and isinstance(shape, list):
        return [_kept(known[0], shape[0])] if known and shape else known or shape
    return shape


def _differences(shape, value, place):
    if isinstance(shape, dict) and isinstance(value, dict):
        known = {key.rstrip("?"): key for key in shape}
        for key in sorted(set(value) - set(known)):
            yield f"{place}.{key} is new"
        for name, key in known.items():
            if name in value:
                yield from _differences(shape[key], value[name], f"{place}.{name}")
            elif not key.endswith("?"):
                yield f"{place}.{name} is missing"
    elif isinstance(shape, list) and isinstance(value, list):
        if value and not shape:
            yield f"{place}[] was always empty"
        for element in value if shape else ():
            yield from _differences(shape[0], element, f"{place}[]")
    elif isinstance(shape, (dict, list)) or isinstance(value, (dict, list)) or _kind(value) not in shape.split(" or "):
        yield f"{place} is {json.dumps(value)[:60]}, and was {json.dumps(shape)[:60]}"
