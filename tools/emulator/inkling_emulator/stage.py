"""What the emulator's commands share: a folder, a log, the models, and something to see while a day passes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from inkling_device.models.senses import Senses
from inkling_emulator import report
from inkling_emulator.day import Input
from inkling_emulator.errors import EmulatorError

LOG = "glasses.log"
_LONGEST_DIRECTORY = 70
"""Characters; a Unix socket's path may have 107, and the glasses' sockets lie below."""


@contextlib.contextmanager
def directory(keep: Path | None) -> Iterator[Path]:
    """A folder for all that glasses and server write: `keep`, which must be empty, or one that is deleted again."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="inkling-") as made:
            yield Path(made)
        return
    path = keep.absolute()
    if len(str(path)) > _LONGEST_DIRECTORY:
        raise EmulatorError(f"{path} is too long for the sockets in it: {_LONGEST_DIRECTORY} characters at most")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmulatorError(f"{path} cannot be made: {error.strerror}") from error
    if any(path.iterdir()):
        raise EmulatorError(f"{path} is not empty; name a new folder")
    yield path


def log_into(folder: Path) -> None:
    """Has the glasses' log, down to its details, written into `folder`."""
    logging.basicConfig(
        filename=folder / LOG, level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def load_senses(folder: Path) -> Senses:
    """The models. What their runtimes write to standard error goes to the log in `folder`."""
    sys.stderr.flush()
    kept = os.dup(2)
    with (folder / LOG).open("ab") as log:
        os.dup2(log.fileno(), 2)
        try:
            return Senses.load()
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def watching(console: Console) -> Iterator[Callable[[Input], None]]:
    """Shows what happens while the day passes; where nobody watches, nothing."""
    with console.status("The glasses are paired") as status:

        def begin(item: Input) -> None:
            what = report.name(item) or report.around(item)
            file = item.file.name if item.file else ""
            status.update(f"{item.at:%H:%M}  {what} {file}")

        yield begin
