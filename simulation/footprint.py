"""How much a core holds: the elements of all its containers, found by walking, so that no new one can be forgotten."""

from collections import deque

from primitives.codec import Record


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
            todo.extend(vars(value).values() if hasattr(value, "__dict__") else ())
            for cls in type(value).__mro__:
                todo.extend(getattr(value, name, None) for name in getattr(cls, "__slots__", ()))
    return total
