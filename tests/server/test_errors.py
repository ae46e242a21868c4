"""The tree of errors as it is drawn, against the classes that there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import inkling_server
from inkling_server import errors


def classes(above: type[Exception]) -> Iterator[type[Exception]]:
    """A class and all below it."""
    yield above
    for below in above.__subclasses__():
        yield from classes(below)


def test_every_error_is_drawn_under_its_base() -> None:
    """Whoever reads the tree sees all that the server raises, in whatever module it is defined."""
    for module in pkgutil.walk_packages(inkling_server.__path__, "inkling_server."):
        importlib.import_module(module.name)
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").partition(" ")[0]
        depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
        if depth or line == "InklingError":
            path[depth:] = [name]
            drawn[name] = path[depth - 1] if depth else "Exception"
    there = {error.__name__: error.__mro__[1].__name__ for error in classes(errors.InklingError)}
    assert drawn == there
