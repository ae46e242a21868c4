"""Vosk without its downloader of models, which nothing here calls: it would load requests and tqdm, 6 MB of memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def _in_place_of(*modules: ModuleType) -> Iterator[None]:
    """Has `import` find `modules` under their names, unless those are loaded already."""
    stand_ins = {module.__name__: module for module in modules if module.__name__ not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


_requests, _tqdm = ModuleType("requests"), ModuleType("tqdm")
_tqdm.tqdm = None  # type: ignore[attr-defined]  # the one name that Vosk imports from it
with _in_place_of(_requests, _tqdm):
    import vosk

__all__ = ["vosk"]
