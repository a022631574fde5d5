"""How much a core holds: the elements of all its containers, found by walking, so that no new one can be forgotten."""

from collections import deque
from typing import Final

from primitives.codec import Record

_FORMS: Final = ("__slots__", "__mypyc_attrs__")  # where a class without a dict names its attributes


def elements_of(root: object) -> int:
    """The number of elements in all lists, sets, dicts and deques reachable from `root`. Messages count as one."""
    total, seen = 0, set[int]()
    todo: list[object] = [root]
    while todo:
        value = todo.pop()
        if isinstance(value, (int, str, bytes, Record, type(None))) or callable(value) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            total += len(value)
            todo.extend(value.values())
        elif isinstance(value, (list, set, frozenset, tuple, deque)):
            total += len(value)
            todo.extend(value)
        else:
            todo.extend(getattr(value, name) for name in attributes_of(value))
    return total


def attributes_of(value: object) -> list[str]:
    """The attributes that an object has at the moment, in whatever form: a dict, slots, or compiled (ADR 0036)."""
    names = dict.fromkeys(getattr(value, "__dict__", ()))
    for cls in type(value).__mro__:
        names.update(dict.fromkeys(name for form in _FORMS for name in cls.__dict__.get(form, ())))
    return [name for name in names if not name.startswith("__") and hasattr(value, name)]
