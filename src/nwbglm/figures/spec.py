"""What the catalogue says of a family of figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nwbglm.study import Study

WHOLE = ("",)  # the subjects of a family that is drawn once


@dataclass(frozen=True)
class FigureSpec:
    """One family of figures.

    Attributes
    ----------
    title
        Its heading; ``{subject}`` stands for the term, model or tuning that is drawn.
    caption
        What is seen and what good looks like.
    needs
        Kinds of store that it is drawn from.
    draw
        ``module:function`` below `nwbglm.figures`.
    subjects
        The subjects it has in a study; none where it does not apply.
    continuous
        Heading and caption where the response is continuous; None where both hold for it, too.
    """

    title: str
    caption: str
    needs: tuple[str, ...]
    draw: str
    subjects: Callable[[Study], tuple[str, ...]]
    continuous: tuple[str, str] | None = None


def always(study: Study) -> tuple[str, ...]:
    """Return the subject of a figure that every study has."""
    return WHOLE
