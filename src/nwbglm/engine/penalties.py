"""Penalties: what is added to the mean loss, and how it looks in standardised features.

    none          0
    ridge         0.5 strength sum_j (scale_j w_j)^2
    smoothness    0.5 strength |D w|^2
    lasso         strength sum_j |scale_j w_j|
    elastic_net   strength sum_j (ratio |scale_j w_j| + 0.5 (1 - ratio) (scale_j w_j)^2)
    group_lasso   strength sum_g sqrt(|g|) |scale_g w_g|

`w` are coefficients of the raw features; the intercept is never penalised. ``scale`` is 1 for parity with other
libraries, the features' standard deviations for ``scale: sd``; strengths that differ between terms are put in it
(`scale_of_strengths`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["KINDS", "NO_PENALTY", "Penalty", "scale_of_strengths", "second_difference"]

KINDS = ("none", "ridge", "lasso", "elastic_net", "group_lasso", "smoothness")


@dataclass(frozen=True, eq=False)
class Penalty:
    """A penalty on the coefficients of raw features; each entry of the path multiplies all of it.

    Attributes
    ----------
    kind
        One of `KINDS`.
    scale : (p,) or None
        Multiplier of each coefficient; 0 leaves it free; None is 1.
    groups : (p,) int or None
        Group of each feature (``group_lasso``): a term, or a sender unit.
    ratio
        Share of the absolute value in ``elastic_net``.
    differences : (q, p) or None
        ``D`` of ``smoothness``, e.g. from `second_difference`; added to ``ridge`` as well where given.
    """

    kind: str = "none"
    scale: np.ndarray | None = None
    groups: np.ndarray | None = None
    ratio: float = 0.5
    differences: np.ndarray | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"penalty {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.kind == "group_lasso" and self.groups is None:
            raise ValueError("group_lasso needs groups")
        if self.kind == "smoothness" and self.differences is None:
            raise ValueError("smoothness needs differences")

    @property
    def is_smooth(self) -> bool:
        """Whether the penalty is quadratic."""
        return self.kind in ("none", "ridge", "smoothness")

    def quadratic(self, sd: np.ndarray) -> np.ndarray:
        """Return ``Q`` (p, p) with the quadratic part ``0.5 strength v'Qv`` for ``v = sd w``."""
        features = len(sd)
        total = np.zeros((features, features))
        share = {"ridge": 1.0, "elastic_net": 1.0 - self.ratio}.get(self.kind, 0.0)
        if share:
            total += np.diag(share * (self._scale(features) / sd) ** 2)
        if self.differences is not None and self.is_smooth and self.kind != "none":
            rows = np.asarray(self.differences, float) / sd
            total += rows.T @ rows
        return total

    def norms(self, sd: np.ndarray, width: int) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return the absolute part ``strength sum_g weight_g |v_g|`` for ``v = sd w``.

        Returns
        -------
        tuple
            Factor of each coefficient (width,), or None where there is no such part; members of the groups (G, k)
            padded with ``width``; weights (G,).
        """
        share = {"lasso": 1.0, "elastic_net": self.ratio, "group_lasso": 1.0}.get(self.kind, 0.0)
        if not share:
            return None, np.zeros((0, 1), int), np.zeros(0)
        factor = share * self._scale(len(sd)) / sd
        padded = np.pad(factor, (0, width - len(sd)))
        if self.kind != "group_lasso":
            members = np.flatnonzero(factor > 0)
            return padded, members[:, None], factor[members]
        labels = np.asarray(self.groups)
        sets = [np.flatnonzero((labels == label) & (factor > 0)) for label in np.unique(labels)]
        sets = [members for members in sets if len(members)]
        groups = np.full((len(sets), max((len(members) for members in sets), default=1)), width)
        for i, members in enumerate(sets):
            groups[i, : len(members)] = members
        return padded, groups, np.array([np.sqrt(len(members)) * factor[members[0]] for members in sets])

    def group_scale(self, sd: np.ndarray) -> np.ndarray:
        """Return what to divide features by so that a group's penalty is the plain norm of its coefficients."""
        scale = self._scale(len(sd))
        own = np.array(sd, float)
        for label in np.unique(self.groups):
            members = np.flatnonzero((np.asarray(self.groups) == label) & (scale > 0))
            if len(members):
                own[members] = scale[members] * np.exp(np.mean(np.log(sd[members] / scale[members])))
        return own

    def free_to_move(self, coef: np.ndarray) -> np.ndarray:
        """Return which coefficients (p,) a small change of the data moves: where there are corners, those not at 0."""
        if self.is_smooth:
            return np.ones(len(coef), bool)
        return (coef != 0) | (self._scale(len(coef)) == 0)

    def curvature(self, coef: np.ndarray) -> np.ndarray:
        """Return the second derivative (p, p) by raw coefficients, at a strength of 1; corners count as flat.

        That of the norm of a group, ``|v|`` with ``v = scale w``, is ``(1 - v v' / |v|^2) / |v|``.
        """
        features = len(coef)
        total = self.quadratic(np.ones(features))
        if self.kind == "group_lasso":
            scale, labels = self._scale(features), np.asarray(self.groups)
            for label in np.unique(labels):
                members = np.flatnonzero((labels == label) & (scale > 0))
                v = scale[members] * coef[members]
                norm = np.linalg.norm(v)
                if norm > 0:
                    bent = (np.eye(len(members)) - np.outer(v, v) / norm**2) / norm
                    both = np.outer(scale[members], scale[members])
                    total[np.ix_(members, members)] += np.sqrt(len(members)) * both * bent
        return total

    def _scale(self, features: int) -> np.ndarray:
        if self.scale is None:
            return np.ones(features)
        return np.broadcast_to(np.asarray(self.scale, float), (features,))


NO_PENALTY = Penalty()
"""Nothing is added."""


def scale_of_strengths(kind: str, strengths: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Resolve strengths that differ between features into one scale per feature.

    Parameters
    ----------
    kind
        Kind of penalty: in the quadratic ones a strength multiplies the square of the scale.
    strengths : (p,)
        Strength of each feature, relative to the path's.
    scale : (p,)
        Scale of each feature without them: 1, or its standard deviation.

    Returns
    -------
    (p,) array
        Scale to be given to `Penalty`.
    """
    strengths = np.asarray(strengths, float)
    return np.asarray(scale, float) * (np.sqrt(strengths) if kind in ("ridge", "smoothness") else strengths)


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
