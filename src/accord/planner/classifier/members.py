"""The classifiers that are asked together: each gives every label a score, and their mean is the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from accord.planner.classifier.features import Rows

_SHARPNESS = 6.0
"""What the distance to a separating plane is multiplied by before it is taken for the logarithm of odds."""

_PLANES = 0.8
"""What the planes count; the rest is what the counts do."""


class Members:
    """Planes that separate each label from all others, by all features at once; and how often each label has each
    word.
    """

    def __init__(self, rows: Rows, labels: Any) -> None:
        self.labels = np.unique(labels)
        joined = hstack([csr_matrix(kind) for kind in rows.kinds]).tocsr()
        self._planes = _Linear.of_planes(LinearSVC(C=1.0, tol=0.1, random_state=0).fit(joined, labels), rows.kinds)
        counts = MultinomialNB(alpha=0.01).fit(rows.words, labels)
        self._counts = _Linear([counts.feature_log_prob_], counts.class_log_prior_)

    def scores(self, rows: Rows) -> tuple[Any, list[Any]]:
        """The logarithm of each label's likelihood, by both together; and what each kind of features adds to its
        distance to its plane.
        """
        parts = self._planes.parts(rows.kinds)
        by_planes = log_shares((sum(parts) + self._planes.constant) * _SHARPNESS)
        (by_counts,) = self._counts.parts([rows.words])
        return log_shares(_PLANES * by_planes + (1 - _PLANES) * log_shares(by_counts + self._counts.constant)), parts


class _Linear:
    """What is linear in the features, each kind of them by itself, laid out so that the few features of one text are
    near each other.
    """

    def __init__(self, weights: Sequence[Any], constant: Any) -> None:
        self._weights = [np.ascontiguousarray(one.T, dtype=np.float32) for one in weights]
        self.constant = constant

    @classmethod
    def of_planes(cls, fitted: LinearSVC, kinds: Sequence[Any]) -> Self:
        """The distances to planes that were fitted to these, side by side; of two labels only one plane is."""
        weights, constant = fitted.coef_, fitted.intercept_
        if len(weights) == 1:
            weights, constant = np.concatenate([-weights, weights]), np.concatenate([-constant, constant])
        ends = np.cumsum([kind.shape[1] for kind in kinds])
        return cls(np.split(weights, ends[:-1], axis=1), constant)

    def parts(self, kinds: Sequence[Any]) -> list[Any]:
        """For each kind a row of values, one for each label, for each row of features; with `constant` they add up."""
        return [(rows @ weights).astype(np.float64) for rows, weights in zip(kinds, self._weights, strict=True)]


def log_shares(scores: Any) -> Any:
    """Scores made so that their exponentials add up to 1 in each row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
