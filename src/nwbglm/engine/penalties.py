"""Penalties: what is added to the mean loss, and how it looks in standardised features.

    none          0
    ridge         0.5 strength sum_j (scale_j w_j)^2
    smoothness    0.5 strength |D w|^2
    lasso         strength sum_j |scale_j w_j|
    elastic_net   strength sum_j (ratio |scale_j w_j| + 0.5 (1 - ratio) (scale_j w_j)^2)
    group_lasso   strength sum_g sqrt(|g|) |scale_g w_g|

`w` are coefficients of the raw features; the intercept is never penalised. ``scale`` is 1 for parity with other
libraries, the features' standard deviations for ``scale: sd``; strengths that differ between terms are put in it.

To add a penalty, write one class here, put it into `PENALTIES`, and its settings on the study's side
(`study.fitting`); a test holds the two equal. A solver sees only its two parts: `Penalty.quadratic` and
`Penalty.norms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

__all__ = [
    "NO_PENALTY",
    "PENALTIES",
    "ColumnsOfX",
    "ElasticNet",
    "GroupLasso",
    "Lasso",
    "NoPenalty",
    "Penalty",
    "Ridge",
    "Smoothness",
    "second_difference",
]


class ColumnsOfX(Protocol):
    """What is known of the features, for penalties that depend on it."""

    @property
    def labels(self) -> Mapping[str, np.ndarray]:
        """``term`` and ``input`` of each (p,)."""

    def differences(self, order: int) -> np.ndarray:
        """Return the differences between neighbours (q, p)."""


@dataclass(frozen=True, eq=False)
class Penalty:
    """A penalty on the coefficients of raw features; each entry of the path multiplies all of it.

    It is a sum of a quadratic form and of weighted norms of groups of coefficients, either of which may be missing.

    Attributes
    ----------
    kind
        Its name.
    is_smooth
        Whether there are no norms.
    of
        ``(columns, deviation, *, ...) -> Penalty``: what settings ask for. These are keywords, the same as on the
        study's side but for the strength; ``columns`` say what is known of the features, ``deviation`` (p,) are their
        standard deviations, 1 where they do not vary.
    scale : (p,) or None
        Multiplier of each coefficient; 0 leaves it free; None is 1.
    """

    of: ClassVar[Callable[..., Penalty]]
    kind: ClassVar[str] = ""
    is_smooth: ClassVar[bool] = True
    scale: np.ndarray | None = None

    def __post_init__(self) -> None:
        if type(self) is Penalty:
            raise TypeError(f"take one of the penalties: {', '.join(cls.__name__ for cls in PENALTIES.values())}")

    def quadratic(self, sd: np.ndarray) -> np.ndarray:
        """Return ``Q`` (p, p) with the quadratic part ``0.5 strength v'Qv`` for ``v = sd w``."""
        return np.zeros((len(sd), len(sd)))

    def norms(self, sd: np.ndarray, width: int) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part ``strength sum_g weight_g |v_g|`` for ``v = sd w``.

        Returns
        -------
        tuple
            Factor of each coefficient (width,), or None where there is no such part; members of the groups (G, k)
            padded with ``width``; weights (G,).
        """
        return None, np.zeros((0, 1), int), np.zeros(0)

    def feature_scale(self, sd: np.ndarray) -> np.ndarray:
        """Return what features are best divided by (p,), given their standard deviations."""
        return sd

    def free_to_move(self, coef: np.ndarray) -> np.ndarray:
        """Return which coefficients (p,) a small change of the data moves: where there are corners, those not at 0."""
        if self.is_smooth:
            return np.ones(len(coef), bool)
        return (coef != 0) | (self._scale(len(coef)) == 0)

    def curvature(self, coef: np.ndarray) -> np.ndarray:
        """Return the second derivative (p, p) by raw coefficients, at a strength of 1; corners count as flat."""
        return self.quadratic(np.ones(len(coef)))

    def _scale(self, features: int) -> np.ndarray:
        if self.scale is None:
            return np.ones(features)
        return np.broadcast_to(np.asarray(self.scale, float), (features,))

    def _squares(self, sd: np.ndarray, share: float) -> np.ndarray:
        """Return the quadratic part of a share of the sum of squares."""
        return np.diag(share * (self._scale(len(sd)) / sd) ** 2)

    def _absolutes(self, sd: np.ndarray, width: int, share: float) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part of a share of the sum of absolute values (see `norms`)."""
        factor = share * self._scale(len(sd)) / sd
        members = np.flatnonzero(factor > 0)
        return np.pad(factor, (0, width - len(sd))), members[:, None], factor[members]


def _base_scale(deviation: np.ndarray, scale: str) -> np.ndarray:
    """Return the scale that ``sd`` or ``raw`` stands for."""
    return deviation if scale == "sd" else np.ones(len(deviation))


def _relative(columns: ColumnsOfX, relative: Mapping[str, float]) -> np.ndarray:
    """Return the strength of each feature, relative to the path's, from that of its term."""
    return np.array([relative.get(str(term), 1.0) for term in columns.labels["term"]])


class NoPenalty(Penalty):
    """Nothing is added."""

    kind = "none"

    @classmethod
    def of(cls, columns: ColumnsOfX, deviation: np.ndarray) -> NoPenalty:
        """Return it (see `Penalty`)."""
        return cls()


class Ridge(Penalty):
    """Half the sum of squares."""

    kind = "ridge"

    @classmethod
    def of(cls, columns: ColumnsOfX, deviation: np.ndarray, *, scale: str, relative: Mapping[str, float]) -> Ridge:
        """Return what settings ask for (see `Penalty`); a strength multiplies the square of the scale."""
        return cls(scale=_base_scale(deviation, scale) * np.sqrt(_relative(columns, relative)))

    def quadratic(self, sd: np.ndarray) -> np.ndarray:
        """Return the quadratic part (see `Penalty.quadratic`)."""
        return self._squares(sd, 1.0)


@dataclass(frozen=True, eq=False)
class Smoothness(Penalty):
    """Half the sum of squared differences.

    Attributes
    ----------
    differences : (q, p)
        ``D``, e.g. from `second_difference`.
    """

    kind: ClassVar[str] = "smoothness"
    differences: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.differences is None:
            raise ValueError("smoothness needs differences")

    @classmethod
    def of(
        cls, columns: ColumnsOfX, deviation: np.ndarray, *, scale: str, relative: Mapping[str, float], order: int
    ) -> Smoothness:
        """Return what settings ask for (see `Penalty`)."""
        scales = _base_scale(deviation, scale) * np.sqrt(_relative(columns, relative))
        return cls(differences=columns.differences(order) * scales)

    def quadratic(self, sd: np.ndarray) -> np.ndarray:
        """Return the quadratic part (see `Penalty.quadratic`)."""
        rows = np.asarray(self.differences, float) / sd
        return rows.T @ rows


class Lasso(Penalty):
    """The sum of absolute values."""

    kind = "lasso"
    is_smooth = False

    @classmethod
    def of(cls, columns: ColumnsOfX, deviation: np.ndarray, *, scale: str, relative: Mapping[str, float]) -> Lasso:
        """Return what settings ask for (see `Penalty`)."""
        return cls(scale=_base_scale(deviation, scale) * _relative(columns, relative))

    def norms(self, sd: np.ndarray, width: int) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part (see `Penalty.norms`)."""
        return self._absolutes(sd, width, 1.0)


@dataclass(frozen=True, eq=False)
class ElasticNet(Penalty):
    """A mixture of absolute values and half the squares.

    Attributes
    ----------
    ratio
        Share of the absolute values.
    """

    kind: ClassVar[str] = "elastic_net"
    is_smooth: ClassVar[bool] = False
    ratio: float = 0.5

    @classmethod
    def of(cls, columns: ColumnsOfX, deviation: np.ndarray, *, scale: str, ratio: float) -> ElasticNet:
        """Return what settings ask for (see `Penalty`)."""
        return cls(scale=_base_scale(deviation, scale), ratio=ratio)

    def quadratic(self, sd: np.ndarray) -> np.ndarray:
        """Return the quadratic part (see `Penalty.quadratic`)."""
        return self._squares(sd, 1.0 - self.ratio)

    def norms(self, sd: np.ndarray, width: int) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part (see `Penalty.norms`), which may be missing."""
        return self._absolutes(sd, width, self.ratio) if self.ratio else super().norms(sd, width)


@dataclass(frozen=True, eq=False)
class GroupLasso(Penalty):
    """The norm of each group, weighted by the root of its size.

    Attributes
    ----------
    groups : (p,) int
        Group of each feature: a term, or a sender unit.
    """

    kind: ClassVar[str] = "group_lasso"
    is_smooth: ClassVar[bool] = False
    groups: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.groups is None:
            raise ValueError("group_lasso needs groups")

    @classmethod
    def of(
        cls, columns: ColumnsOfX, deviation: np.ndarray, *, scale: str, relative: Mapping[str, float], groups: str
    ) -> GroupLasso:
        """Return what settings ask for (see `Penalty`): a group is an ``input`` of a term, or a ``term``."""
        labels = columns.labels
        keys = [labels["term"], labels["input"]] if groups == "input" else [labels["term"]]
        number = np.unique(np.stack(keys), axis=1, return_inverse=True)[1].ravel()
        return cls(scale=_base_scale(deviation, scale) * _relative(columns, relative), groups=number)

    def norms(self, sd: np.ndarray, width: int) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part (see `Penalty.norms`)."""
        factor = self._scale(len(sd)) / sd
        sets = [members for members in self._members() if len(members)]
        groups = np.full((len(sets), max((len(members) for members in sets), default=1)), width)
        for i, members in enumerate(sets):
            groups[i, : len(members)] = members
        weights = np.array([np.sqrt(len(members)) * factor[members[0]] for members in sets])
        return np.pad(factor, (0, width - len(sd))), groups, weights

    def feature_scale(self, sd: np.ndarray) -> np.ndarray:
        """Return what to divide features by so that a group's penalty is the plain norm of its coefficients."""
        scale = self._scale(len(sd))
        own = np.array(sd, float)
        for members in self._members():
            if len(members):
                own[members] = scale[members] * np.exp(np.mean(np.log(sd[members] / scale[members])))
        return own

    def curvature(self, coef: np.ndarray) -> np.ndarray:
        """Return the second derivative (see `Penalty.curvature`).

        That of the norm of a group, ``|v|`` with ``v = scale w``, is ``(1 - v v' / |v|^2) / |v|``.
        """
        scale = self._scale(len(coef))
        total = np.zeros((len(coef), len(coef)))
        for members in self._members():
            v = scale[members] * coef[members]
            norm = np.linalg.norm(v)
            if norm > 0:
                bent = (np.eye(len(members)) - np.outer(v, v) / norm**2) / norm
                both = np.outer(scale[members], scale[members])
                total[np.ix_(members, members)] += np.sqrt(len(members)) * both * bent
        return total

    def _members(self) -> list[np.ndarray]:
        """List the penalised features of each group; one may have none."""
        labels = np.asarray(self.groups)
        held = self._scale(len(labels)) > 0
        return [np.flatnonzero((labels == label) & held) for label in np.unique(labels)]


PENALTIES: dict[str, type[Penalty]] = {
    penalty.kind: penalty for penalty in (NoPenalty, Ridge, Smoothness, Lasso, ElasticNet, GroupLasso)
}
"""All penalties by name."""

NO_PENALTY = NoPenalty()
"""Nothing is added."""


def second_difference(terms: np.ndarray, *, order: int = 2, cyclic: bool = False) -> np.ndarray:
    """Return the matrix of differences between neighbouring functions of the same term.

    Parameters
    ----------
    terms : (p,)
        Label of the term (and input) of each feature; functions of one stand together, in order.
    order
        Order of the difference.
    cyclic
        Whether the last function of a term neighbours its first.

    Returns
    -------
    (q, p) array
        One row a difference; terms with too few functions have none.
    """
    terms = np.asarray(terms)
    rows = []
    for term in dict.fromkeys(terms.tolist()):
        members = np.flatnonzero(terms == term)
        unit = np.eye(len(members))
        if cyclic and len(members) > order:
            for _ in range(order):
                unit = np.roll(unit, -1, axis=0) - unit
        else:
            unit = np.diff(unit, n=order, axis=0)
        block = np.zeros((len(unit), len(terms)))
        block[:, members] = unit
        rows.append(block)
    return np.concatenate(rows) if rows else np.zeros((0, len(terms)))
