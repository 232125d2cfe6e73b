"""Templates to pages: one style, one script, nothing from elsewhere, and no text that a file could act through."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from nwbglm.study import Study

from .markup import number
from .text import visible


class Renderer:
    """Renders the pages of one study."""

    def __init__(self, study: Study):
        self.study = study
        self.environment = Environment(
            loader=PackageLoader("nwbglm.report"),
            autoescape=select_autoescape(["html", "j2"], default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self.environment.filters["number"] = number
        self.environment.filters["attribute"] = attribute
        self.css, self.script = self._source("report.css"), self._source("report.js")

    def _source(self, name: str) -> str:
        loader = self.environment.loader
        assert loader is not None  # `__init__` gives one
        return loader.get_source(self.environment, name)[0]

    def page(self, template: str, **values: Any) -> str:
        """Render a template; `root` is where the report's folder lies, seen from the page ('' or '../')."""
        known = {"study": self.study, "root": "", "css": Markup(self.css), "script": Markup(self.script)}
        return self.environment.get_template(template).render(policy=policy(self.script), **(known | values))


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def policy(script: str) -> Markup:
    """Return what a browser may load and run of a page: its own style and script, pictures inside it, nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def attribute(text: str) -> str:
    """Return a part of an address: everything that a path has a meaning for is written by its code."""
    from urllib.parse import quote

    return quote(text, safe="")


def data_block(values: Any) -> Markup:
    """Return values as JSON that can stand in a script element of data."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
