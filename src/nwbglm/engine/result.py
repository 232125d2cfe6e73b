"""What a call of the engine gives back: arrays by unit, split and strength."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["SplitFits"]


class SplitFits(NamedTuple):
    """Fits of U units on K splits at S strengths, as numpy arrays.

    Log-likelihoods are sums over rows in nats, constants such as ``-log y!`` included; 0 where there is no row.

    Attributes
    ----------
    coef : (U, K, S, p)
        In raw feature units; 0 where the unit may not use the feature, and for ``no_spikes``.
    intercept : (U, K, S)
        ``-inf`` for ``no_spikes``; ``inf`` for a Bernoulli unit with a response in every training row (``separable``
        at every strength, coefficients 0).
    train_log_likelihood, test_log_likelihood : (U, K, S)
        On the training and the test rows; a ``no_spikes`` fit predicts rate 0: its test value is -inf where there
        are spikes, as that of a unit that always responds is where a response is missing.
    null_rate : (U, K)
        Mean of the training rows (spikes over exposure); 0 without rows.
    null_train_log_likelihood, null_test_log_likelihood : (U, K)
        Training and test rows under the training rows' mean, with its own dispersion or variance.
    test_mean_log_likelihood : (U, K)
        Test rows under their own mean, with its own dispersion or variance there.
    train_deviance, null_train_deviance : (U, K, S)
        Twice the log-likelihood that is missing to a perfect prediction, of the fit and of the training mean, both at
        the fit's dispersion. For Gaussian responses sums of squares.
    test_deviance, null_test_deviance, test_mean_deviance : (U, K, S)
        The same on the test rows; the last under the test rows' own mean.
    train_rows, test_rows : (U, K) int
        Rows with exposure.
    train_exposure, test_exposure : (U, K)
        Sums of the exposure: the rows, where every bin was observed whole.
    train_spikes, test_spikes : (U, K)
        Sums of the response.
    dispersion : (U, K, S)
        Of the negative binomial; the variance of a Gaussian, 1 / shape of a Gamma; 1 otherwise.
    dispersion_at_bound : (U, K, S) bool
        Whether that ended on a bound of its range: a negative binomial is Poisson there, a Gaussian exact.
    objective : (U, K, S)
        Mean loss plus penalty, without constants; for Poisson ``mean(mu - y log mu) + penalty``.
    gap : (U, K, S)
        Estimated distance of the objective from its minimum.
    gradient_norm : (U, K, S)
        Euclidean norm of the objective's gradient (least subgradient) for features standardised to mean 0 and standard
        deviation 1 over the rows that any split trains on, and the intercept. Like the gap, of Newton's fits (few
        features) before a last step that makes both far smaller.
    iterations : (U, K, S) int
        Steps taken.
    status : (U, K, S) uint8
        Of `Status`.
    term_strength, term_parameters : (U, K, S, G)
        Where each term has a strength of its own: that, and, where it comes from the evidence, how many coefficients of
        the term the training rows were free to choose (else NaN). G is 0 where there are none.
    """

    coef: np.ndarray
    intercept: np.ndarray
    train_log_likelihood: np.ndarray
    test_log_likelihood: np.ndarray
    null_rate: np.ndarray
    null_train_log_likelihood: np.ndarray
    null_test_log_likelihood: np.ndarray
    test_mean_log_likelihood: np.ndarray
    train_deviance: np.ndarray
    null_train_deviance: np.ndarray
    test_deviance: np.ndarray
    null_test_deviance: np.ndarray
    test_mean_deviance: np.ndarray
    train_exposure: np.ndarray
    test_exposure: np.ndarray
    train_rows: np.ndarray
    test_rows: np.ndarray
    train_spikes: np.ndarray
    test_spikes: np.ndarray
    dispersion: np.ndarray
    dispersion_at_bound: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient_norm: np.ndarray
    iterations: np.ndarray
    status: np.ndarray
    term_strength: np.ndarray
    term_parameters: np.ndarray
