"""Templates into pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import jinja2

from inkling_server.web.words import counted, day_text


class Renderer:
    """Renders the templates of this package. All that is put into one is escaped."""

    def __init__(self, static_url: Callable[[str], str]) -> None:
        """`static_url` gives the address of a file in `static`."""
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["static_url"] = static_url
        self._templates.globals["counted"] = counted
        self._templates.filters["day"] = _day

    def render(self, template: str, values: Mapping[str, object]) -> str:
        """The page."""
        return self._templates.get_template(template).render(values)


def _day(day: dt.date) -> str:
    return day_text(day)
