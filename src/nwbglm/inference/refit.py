"""Fit a model again with each of many draws of a term's rows: all units and splits at once, from the fit without it.

A draw changes the term's columns alone. So every fit starts at that of the rest, and descends in the metric of the
rest's own curvature, of which a draw changes the term's part alone. Each row belongs to one fold at most, so that one
pass over the rows gives the curvature of every split. Two or three passes end most draws; what does not end in this
metric (a strong term, a separable draw) is given to the engine.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nwbglm.engine.observations import Observations

STEP = 4096
"""Rows that are worked on together."""

PASSES = 16
"""Passes after which a draw is given up in the rest's metric."""

NATS = 1e-3
"""Distance from the least summed loss, in nats, at which a draw has ended: to second order it is added all the same."""

NATS_HELD_OUT = 1e-5
"""The same where rows are scored that were not fitted: their sum moves with the root of that distance."""

HELD = 1e-9
"""Share of a coefficient's curvature that is added, so that what rows do not determine stays where it is."""


class Folded(NamedTuple):
    """Rows in blocks, none of which holds rows of two folds; and what stays over all draws."""

    order: np.ndarray
    """(blocks, step) rows in that order; padded with row 0, which then counts nowhere."""
    slot: jax.Array
    """(blocks,) the fold of each block's rows; the last slot holds rows of none."""
    rest: jax.Array
    """(blocks, step, q + 1) features of the rest and ones."""
    y: jax.Array
    """(blocks, step, units)"""
    exposure: jax.Array
    """(blocks, step, units); 0 in the padding."""
    train: jax.Array
    """(blocks, step, splits)"""
    test: jax.Array
    """(blocks, step, splits)"""


class Start(NamedTuple):
    """The fits of the rest, and what every draw needs of them."""

    coef: jax.Array
    """(q + 1, units, splits)"""
    dispersion: jax.Array
    """(units, splits)"""
    loss: jax.Array
    """(units, splits) summed over training rows, and the penalty."""
    test_loss: jax.Array
    """(units, splits) summed over test rows."""
    slope: jax.Array
    """(blocks, step, units, splits) derivative of the loss by the linear predictor on training rows."""
    weight: jax.Array
    """(blocks, step, units) expected curvature, at the fit to all rows."""
    gram: jax.Array
    """(slots, units, q + 1, q + 1) of the rest's columns."""
    member: jax.Array
    """(units, splits, slots) share of a slot's rows that a split trains on."""


def fold_rows(
    rest: np.ndarray, y: np.ndarray, exposure: np.ndarray | None, train: np.ndarray, test: np.ndarray, step: int = STEP
) -> Folded:
    """Bring rows into blocks by their fold.

    Parameters
    ----------
    rest : (T, q)
    y : (T, units)
    exposure : (T, units) or None
    train, test : (K, T) bool
        Rows of each split.
    step
        Rows of a block, at most.
    """
    folds = len(test)
    fold = np.where(test.any(axis=0), test.argmax(axis=0), folds)
    used = train.any(axis=0) | test.any(axis=0)
    parts, slots = [], []
    for number in range(folds + 1):
        mine = np.flatnonzero(used & (fold == number))
        if len(mine):
            pieces = np.array_split(mine, -(-len(mine) // step))
            parts += pieces
            slots += [number] * len(pieces)
    longest = max(map(len, parts))
    order = np.zeros((len(parts), longest), int)
    real = np.zeros((len(parts), longest), bool)
    for k, part in enumerate(parts):
        order[k, : len(part)], real[k, : len(part)] = part, True
    seen = np.ones(y.shape) if exposure is None else exposure
    ones = np.column_stack([np.asarray(rest, float), np.ones(len(y))])
    return Folded(
        order,
        jnp.asarray(np.array(slots)),
        jnp.asarray(ones[order]),
        jnp.asarray(np.where(seen > 0, y, 1.0)[order].astype(float)),
        jnp.asarray(np.where(real[..., None], seen[order], 0.0)),
        jnp.asarray(train.T[order] & real[..., None]),
        jnp.asarray(test.T[order] & real[..., None]),
    )


def _losses(
    observations: Observations, eta: jax.Array, y: jax.Array, exposure: jax.Array, dispersion: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the loss of each row and its derivative by eta (rows, units, splits); 0 where nothing was observed."""
    y, e = y[:, :, None], exposure[:, :, None]
    loss, slope = observations.loss(eta, y, e, dispersion), observations.slope(eta, y, e, dispersion)
    if observations.linear:
        loss, slope = loss - y * eta, slope - y
    return jnp.where(e > 0, loss, 0.0), jnp.where(e > 0, slope, 0.0)


@partial(jax.jit, static_argnames="observations")
def _prepare(
    rows: Folded, coef: jax.Array, final: jax.Array, dispersion: jax.Array, penalty: jax.Array, *,
    observations: Observations,
) -> Start:  # fmt: skip
    """Take from the rest's fits what all draws share; `final` (q + 1, units) is the fit to all rows."""
    slots = rows.train.shape[2] + 1

    def block(carry: Any, here: Any) -> Any:
        loss, test_loss, gram, held, there = carry
        slot, x, y, exposure, train, test = here
        each, slope = _losses(observations, jnp.einsum("rq,quk->ruk", x, coef), y, exposure, dispersion)
        weight = observations.curvature(x @ final, y, exposure, dispersion.mean(axis=1))
        weight = jnp.where(exposure > 0, weight, 0.0)
        loss = loss + jnp.where(train[:, None], each, 0.0).sum(axis=0)
        test_loss = test_loss + jnp.where(test[:, None], each, 0.0).sum(axis=0)
        gram = gram.at[slot].add(jnp.einsum("ru,rp,rq->upq", weight, x, x))
        seen = (exposure > 0).astype(float)
        held = held.at[slot].add(jnp.einsum("ru,rk->uk", seen, train.astype(float)))
        there = there.at[slot].add(seen.sum(axis=0))
        return (loss, test_loss, gram, held, there), (jnp.where(train[:, None], slope, 0.0), weight)

    width, units, splits = coef.shape
    zero = jnp.zeros((units, splits))
    empty = (
        zero,
        zero,
        jnp.zeros((slots, units, width, width)),
        jnp.zeros((slots, units, splits)),
        jnp.zeros((slots, units)),
    )
    (loss, test_loss, gram, held, there), (slope, weight) = jax.lax.scan(
        block, empty, (rows.slot, rows.rest, rows.y, rows.exposure, rows.train, rows.test)
    )
    member = (held / jnp.maximum(there, 1.0)[:, :, None]).transpose(1, 2, 0)
    loss = loss + 0.5 * jnp.einsum("puk,ukpq,quk->uk", coef, penalty, coef)
    return Start(coef, dispersion, loss, test_loss, slope, weight, gram, member)


class Draw(NamedTuple):
    """What a draw gives, per unit and split; in units of loss."""

    loss: Any
    """(units, splits) summed over training rows, and the penalty, at the minimum."""
    test_loss: Any
    """(units, splits)"""
    ended: Any
    """(units, splits) bool"""


@partial(jax.jit, static_argnames="observations")
def _descend(
    rows: Folded, term: jax.Array, start: Start, penalty: jax.Array, tolerance: jax.Array, *, observations: Observations
) -> Draw:
    """Fit one draw (blocks, step, p) of the term beside the rest; `penalty` (units, splits, p + q + 1, p + q + 1)."""
    features = term.shape[2]
    units, splits = start.loss.shape
    width = features + start.coef.shape[0]

    def curvature(carry: Any, here: Any) -> Any:
        gram, slope = carry
        slot, a, x, weight, first = here
        both = jnp.concatenate([a, x], axis=1)
        weighted = (a[:, None, :] * weight[:, :, None]).reshape(len(a), -1)
        gram = gram.at[slot].add((weighted.T @ both).reshape(units, features, width))
        slope = slope + both.T @ first.reshape(len(a), -1)
        return (gram, slope), None

    empty = jnp.zeros((start.gram.shape[0], units, features, width)), jnp.zeros((width, units * splits))
    (top, slope), _ = jax.lax.scan(curvature, empty, (rows.slot, term, rows.rest, start.weight, start.slope))
    side = top[..., features:]
    gram = jnp.concatenate([top, jnp.concatenate([side.swapaxes(-1, -2), start.gram], axis=-1)], axis=-2)
    metric = jnp.einsum("uks,supq->ukpq", start.member, gram) + penalty
    size = jnp.sqrt(jnp.maximum(jnp.einsum("ukpp->ukp", metric), 1e-300))
    root = jnp.linalg.cholesky(metric / (size[..., :, None] * size[..., None, :]) + HELD * jnp.eye(width))

    def direction(gradient: jax.Array) -> tuple[jax.Array, jax.Array]:  # (width, units, splits)
        g = gradient.transpose(1, 2, 0) / size
        half = jax.scipy.linalg.solve_triangular(root, g[..., None], lower=True)
        full = jax.scipy.linalg.solve_triangular(root, half, lower=True, trans=1)[..., 0]
        return -(full / size).transpose(2, 0, 1), 0.5 * (half[..., 0] ** 2).sum(axis=-1)

    def evaluate(coef: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        flat = coef.reshape(width, -1)

        def block(carry: Any, here: Any) -> Any:
            loss, test_loss, slope = carry
            a, x, y, exposure, train, test = here
            both = jnp.concatenate([a, x], axis=1)
            eta = (both @ flat).reshape(len(a), units, splits)
            each, first = _losses(observations, eta, y, exposure, start.dispersion)
            loss = loss + jnp.where(train[:, None], each, 0.0).sum(axis=0)
            test_loss = test_loss + jnp.where(test[:, None], each, 0.0).sum(axis=0)
            return (loss, test_loss, slope + both.T @ jnp.where(train[:, None], first, 0.0).reshape(len(a), -1)), None

        zero = jnp.zeros((units, splits))
        blocks = term, rows.rest, rows.y, rows.exposure, rows.train, rows.test
        (loss, test_loss, slope), _ = jax.lax.scan(block, (zero, zero, jnp.zeros((width, units * splits))), blocks)
        held = jnp.einsum("ukpq,quk->puk", penalty, coef)
        return loss + 0.5 * (coef * held).sum(axis=0), test_loss, slope.reshape(coef.shape) + held

    def go_on(state: Any) -> jax.Array:
        return (state[0] < PASSES) & ~state[-1].all()

    def step(state: Any) -> Any:
        number, coef, loss, test_loss, way, length, gap, ended = state
        tried = coef + length * way
        new_loss, new_test, gradient = evaluate(tried)
        better = (new_loss <= loss + tolerance) & jnp.isfinite(gradient).all(axis=0) & ~ended
        new_way, new_gap = direction(gradient)
        new = tried, new_loss, new_test, new_way, new_gap
        old = coef, loss, test_loss, way, gap
        coef, loss, test_loss, way, gap = (jnp.where(better, a, b) for a, b in zip(new, old, strict=True))
        length = jnp.where(better, 1.0, length / 2)
        return number + 1, coef, loss, test_loss, way, length, gap, ended | (better & (gap <= tolerance))

    coef = jnp.concatenate([jnp.zeros((features, units, splits)), start.coef])
    gradient = slope.reshape(coef.shape) + jnp.einsum("ukpq,quk->puk", penalty, coef)
    way, gap = direction(gradient)
    state = (
        0, coef, start.loss, start.test_loss, way, jnp.ones((units, splits)), gap, jnp.zeros((units, splits), bool)
    )  # fmt: skip
    _, _, loss, test_loss, _, _, gap, ended = jax.lax.while_loop(go_on, step, state)
    # what is left to gain, to second order, is taken as gained
    return Draw(loss - jnp.where(ended, gap, 0.0), test_loss, ended)


class Refits:
    """The fits of the rest of some units that share its columns, from which each draw of a term is fitted.

    Parameters
    ----------
    rest : (T, q)
    y : (T, units)
    exposure : (T, units) or None
    train, test : (K, T) bool
        Rows of each split.
    coef : (units, K, q + 1)
        The rest's fits with their intercepts last, at the strength of each unit.
    final : (units, q + 1)
        Those to all rows, where curvatures are taken.
    dispersion : (units,)
        Nuisance parameter, held over draws.
    penalty : (units, p + q, p + q)
        Second derivative of the penalty on the term's and the rest's coefficients, per row.
    observations
        Observation model.
    """

    def __init__(
        self, rest: np.ndarray, y: np.ndarray, exposure: np.ndarray | None, train: np.ndarray, test: np.ndarray,
        coef: np.ndarray, final: np.ndarray, dispersion: np.ndarray, penalty: np.ndarray, observations: Observations,
    ):  # fmt: skip
        self.observations, self.held_out = observations, bool(test.any())
        seen = np.ones(y.shape, bool) if exposure is None else exposure > 0
        rows = np.einsum("kt,tu->uk", train.astype(float), seen.astype(float))
        features = penalty.shape[1] - rest.shape[1]
        held = np.zeros((*rows.shape, penalty.shape[1] + 1, penalty.shape[1] + 1))
        held[..., :-1, :-1] = rows[:, :, None, None] * penalty[:, None]
        with jax.enable_x64(True):
            self.rows = fold_rows(rest, y, exposure, train, test)
            self.held = jnp.asarray(held)
            spread = jnp.asarray(np.repeat(np.asarray(dispersion, float)[:, None], train.shape[0], axis=1))
            self.start = _prepare(
                self.rows,
                jnp.asarray(coef.transpose(2, 0, 1)),
                jnp.asarray(final.T),
                spread,
                self.held[:, :, features:, features:],
                observations=observations,
            )

    def draw(self, term: np.ndarray, unit_of_loss: np.ndarray) -> Draw:
        """Return the losses with one draw (T, p); `unit_of_loss` (units,) is what a unit of loss is in nats."""
        with jax.enable_x64(True):
            nats = NATS_HELD_OUT if self.held_out else NATS
            tolerance = jnp.asarray(nats / np.asarray(unit_of_loss, float))[:, None]
            found = _descend(
                self.rows, jnp.asarray(np.asarray(term, float)[self.rows.order]), self.start, self.held, tolerance,
                observations=self.observations,
            )  # fmt: skip
            return jax.device_get(found)
