"""Choice with examples: linear models of words and letters, nearest neighbours, and what is wanted together.

Two linear models are learned, one of whole objectives and one of their clauses (each example's ability is given to the
clause that the first model finds most like it). A gradient boosting weighs what they say, out of fold, with what
nearest examples, names and descriptions say, and with what else is likely to be wanted. Needs scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import scipy.sparse as sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.svm import LinearSVC

from accord.planner.composition.choice import look, weighed
from accord.planner.composition.clauses import clauses
from accord.planner.composition.examples import Example, Habits
from accord.planner.composition.index import Index
from accord.planner.composition.weights import weights

FOLDS = 4
NEIGHBOURS = 15
STEEPNESS = 2.5
"""What a margin is multiplied by to be taken for log-odds."""

CANDIDATES = 40
"""So many abilities are weighed for one objective: those of the best margins. The others are not wanted."""

MOST_FEATURES = 40_000
"""So many words and pairs of them are counted, and so many runs of letters: the most frequent ones."""

DESCRIBED = 1
"""The place of the piece that names and descriptions say by themselves."""

AT_ONCE = 256
"""So many objectives are looked at together; it bounds the memory."""

Matrix = Any
"""Rows are objectives, columns abilities, where nothing else is said."""

Folds: TypeAlias = Iterable[tuple[Matrix, Matrix]]
"""The rows that are learned from, and those that are held back."""


class Choice(msgspec.Struct, frozen=True):
    """What is said of each ability for some objectives."""

    probability: Matrix
    clause: Matrix
    """The clause that speaks of it most."""


class _Pieces(msgspec.Struct, frozen=True):
    """What there is to be weighed: objectives by candidates by pieces."""

    candidates: Matrix
    """By objective the columns of its candidates."""
    values: Matrix
    clause: Matrix

    @classmethod
    def joined(cls, several: Sequence[_Pieces]) -> _Pieces:
        return cls(*(np.concatenate([getattr(one, name) for one in several]) for name in cls.__struct_fields__))

    @property
    def rows(self) -> Matrix:
        """One row for each candidate of each objective."""
        return self.values.reshape(-1, self.values.shape[2])

    def of_candidates(self, values: Matrix) -> Matrix:
        return np.take_along_axis(values, self.candidates, 1)

    def spread(self, told: Matrix, size: int) -> Matrix:
        """What was told of the rows, by abilities; 0 for those that are no candidates."""
        found = np.zeros((len(self.candidates), size))
        np.put_along_axis(found, self.candidates, told.reshape(self.candidates.shape), 1)
        return found


class _Model:
    """Linear models, one for each ability, over the words and letters of texts."""

    def __init__(self, texts: Sequence[str], wanted: Matrix, strength: float) -> None:
        rare = 2 if len(texts) > 200 else 1
        most = MOST_FEATURES
        self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=rare, max_features=most)
        self._letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=rare + 1, max_features=most
        )
        self.known = sparse.hstack([self._words.fit_transform(texts), self._letters.fit_transform(texts)]).tocsr()
        size = wanted.shape[1]
        self._coefficients = np.zeros((self.known.shape[1], size), np.float32)
        self._bias = np.full(size, -1.0)
        for column in range(size):
            if 0 < wanted[:, column].sum() < len(texts):
                model = LinearSVC(C=strength, random_state=0).fit(self.known, wanted[:, column])
                self._coefficients[:, column], self._bias[column] = model.coef_[0], model.intercept_[0]

    def vectors(self, texts: Sequence[str]) -> Matrix:
        return sparse.hstack([self._words.transform(texts), self._letters.transform(texts)]).tocsr()

    def margins(self, texts: Sequence[str]) -> Matrix:
        return self.vectors(texts) @ self._coefficients + self._bias


class _Parts:
    """The clauses of some texts, in one list."""

    def __init__(self, texts: Sequence[str]) -> None:
        several = [[part.text for part in clauses(text)] or [text] for text in texts]
        self.texts = [part for parts in several for part in parts]
        ends = np.cumsum([len(parts) for parts in several])
        self.ranges = [(int(end) - len(parts), int(end)) for end, parts in zip(ends, several, strict=True)]
        self.counts = np.array([len(parts) for parts in several], float)


class _Fold:
    """The models that some examples make, and what they say of texts."""

    def __init__(self, examples: Sequence[Example], wanted: Matrix, names: Sequence[str], index: Index) -> None:
        texts = [example.objective for example in examples]
        self._wanted, self._index = wanted, index
        self._whole = _Model(texts, wanted, 0.5)
        self._clauses = self._of_clauses(texts)
        habits = Habits(examples)
        self._together = _table(habits, names, linked=False)
        self._linked = _table(habits, names, linked=True)

    def _of_clauses(self, texts: Sequence[str]) -> _Model:
        parts = _Parts(texts)
        margins = self._whole.margins(parts.texts)
        wanted = np.zeros((len(parts.texts), self._wanted.shape[1]))
        for row, (start, end) in enumerate(parts.ranges):
            for column in np.nonzero(self._wanted[row])[0]:
                wanted[start + int(margins[start:end, column].argmax()), column] = 1
        return _Model([*parts.texts, *texts], np.vstack([wanted, self._wanted]), 0.3)

    def pieces(self, texts: Sequence[str]) -> _Pieces:
        """What there is to be weighed for each text."""
        starts = range(0, len(texts), AT_ONCE)
        return _Pieces.joined([self._pieces(texts[start : start + AT_ONCE]) for start in starts])

    def _pieces(self, texts: Sequence[str]) -> _Pieces:
        parts = _Parts(texts)
        near = self._near(texts)
        columns = [near, self._described(texts), np.repeat(parts.counts[:, None], near.shape[1], 1)]
        best = np.full_like(near, -np.inf)
        clause = np.zeros(near.shape, int)
        for model in (self._whole, self._clauses):
            whole, part, gap, clause = _over_clauses(model.margins(texts), model.margins(parts.texts), parts)
            place = clause / parts.counts[:, None]
            columns.extend([whole, part, gap, place, *self._beside(whole)])
            best = np.maximum(best, np.maximum(whole, part))
        count = min(CANDIDATES, near.shape[1])
        candidates = np.argpartition(-best, count - 1, axis=1)[:, :count]
        values = np.stack([np.take_along_axis(column, candidates, 1) for column in columns], axis=2)
        return _Pieces(candidates, values, clause)

    def _near(self, texts: Sequence[str]) -> Matrix:
        """The share of the nearest examples that want each ability."""
        likeness = (self._whole.vectors(texts) @ self._whole.known.T).toarray() / 2
        count = min(NEIGHBOURS, likeness.shape[1])
        nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        weight = np.take_along_axis(likeness, nearest, 1) ** 2 + 1e-9
        return np.einsum("ij,ijk->ik", weight, self._wanted[nearest]) / weight.sum(1, keepdims=True)

    def _described(self, texts: Sequence[str]) -> Matrix:
        """What names and descriptions say by themselves, as log-odds."""
        found = np.full((len(texts), self._wanted.shape[1]), -8.0)
        for row, text in enumerate(texts):
            for looked in weighed(look(text, self._index), weights()):
                found[row, looked.at] = looked.log_odds
        return found

    def _beside(self, margins: Matrix) -> list[Matrix]:
        """How an ability stands among the others: its place, its distance from the best, what goes with it."""
        likely = _logistic(STEEPNESS * margins)
        ranked = np.sort(margins, axis=1)[:, ::-1]
        place = (-margins).argsort(1).argsort(1)
        fed, feeds = np.zeros_like(margins), np.zeros_like(margins)
        for column in range(margins.shape[1]):
            others = likely.copy()
            others[:, column] = 0
            fed[:, column] = (others * self._linked[:, column]).max(1)
            feeds[:, column] = (others * self._linked[column]).max(1)
        columns = ranked[:, :3] if ranked.shape[1] > 2 else np.repeat(ranked[:, :1], 3, 1)
        wide = [np.repeat(columns[:, [at]], margins.shape[1], 1) for at in (1, 2)]
        expected = np.repeat(likely.sum(1, keepdims=True), margins.shape[1], 1)
        return [place, margins - ranked[:, :1], expected, fed, feeds, likely @ self._together, *wide]


def _over_clauses(whole: Matrix, of_parts: Matrix, parts: _Parts) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """The margins, the best of each objective's clauses, how far that is from the clause's best, and which it is."""
    best, gap, clause = np.zeros_like(whole), np.zeros_like(whole), np.zeros(whole.shape, int)
    for row, (start, end) in enumerate(parts.ranges):
        block = of_parts[start:end]
        best[row] = block.max(0)
        gap[row] = (block - block.max(1, keepdims=True)).max(0)
        clause[row] = block.argmax(0)
    return whole, best, gap, clause


def _table(habits: Habits, names: Sequence[str], *, linked: bool) -> Matrix:
    """For two abilities how much the one speaks for the other."""
    found = np.zeros((len(names), len(names)))
    every = sum(habits.wanted.values()) or 1
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            if one == other:
                continue
            if linked:
                found[row, column] = habits.linked[one, other] / (habits.wanted[other] + 5)
            else:
                expected = (habits.wanted[one] + 1) * (habits.wanted[other] + 1) / every
                found[row, column] = np.log((habits.together[one, other] + 0.5) / expected + 0.1)
    return found


def _logistic(values: Matrix) -> Matrix:
    return 1 / (1 + np.exp(-values))


class LearnedChoice:
    """What examples teach about which of the abilities of an index are wanted."""

    def __init__(self, examples: Sequence[Example], index: Index) -> None:
        self.names = [ability.called for ability in index.abilities]
        places = {name: at for at, name in enumerate(self.names)}
        wanted = np.zeros((len(examples), len(self.names)))
        for row, example in enumerate(examples):
            wanted[row, [places[name] for name in example.abilities if name in places]] = 1
        pieces = self._out_of_fold(examples, wanted, index, _folds(examples))
        right = pieces.of_candidates(wanted)
        self.clauses = pieces.clause
        self._weighing = _boosting().fit(pieces.rows, right.ravel())
        self.threshold, self.out_of_fold = self._calibrated(pieces, right, wanted.sum())
        self.untaught = _untaught(pieces, right, wanted.sum())
        others = self._out_of_fold(examples, wanted, index, _folds_of_combinations(examples))
        # By what is weighed in use: what was held back together could be told from the others by having been so.
        self.out_of_combination = _f1(self._told(others) > self.threshold, others.of_candidates(wanted), wanted.sum())
        self._models = _Fold(examples, wanted, self.names, index)

    def _out_of_fold(self, examples: Sequence[Example], wanted: Matrix, index: Index, folds: Folds) -> _Pieces:
        """The pieces of the examples, in their order, by models that have not seen them."""
        several: list[_Pieces] = []
        order: list[Matrix] = []
        for inside, outside in folds:
            models = _Fold([examples[at] for at in inside], wanted[inside], self.names, index)
            several.append(models.pieces([examples[at].objective for at in outside]))
            order.append(outside)
        back = np.argsort(np.concatenate(order))
        joined = _Pieces.joined(several)
        return _Pieces(joined.candidates[back], joined.values[back], joined.clause[back])

    def _calibrated(self, pieces: _Pieces, right: Matrix, every: float) -> tuple[float, float]:
        """The threshold of the greatest F1 on halves that the other half's weighing has not seen; and that F1."""
        told = np.zeros_like(right)
        half = np.arange(len(right)) % 2 == 0
        for inside in (half, ~half):
            values = pieces.values[inside]
            model = _boosting().fit(values.reshape(-1, values.shape[2]), right[inside].ravel())
            outside = pieces.values[~inside]
            told[~inside] = model.predict_proba(outside.reshape(-1, values.shape[2]))[:, 1].reshape(outside.shape[:2])
        steps = np.linspace(0.2, 0.7, 51)
        scores = [_f1(told > step, right, every) for step in steps]
        smooth = np.convolve(scores, np.ones(5) / 5, mode="same")[2:-2]
        best = int(smooth.argmax()) + 2
        return float(steps[best]), float(scores[best])

    def of(self, objectives: Sequence[str]) -> Choice:
        """The probability of each ability, by name's place in `names`, and the clause that speaks of it."""
        pieces = self._models.pieces(objectives)
        return Choice(pieces.spread(self._told(pieces), len(self.names)), pieces.clause)

    def _told(self, pieces: _Pieces) -> Matrix:
        """The probability of each candidate of each objective."""
        return self._weighing.predict_proba(pieces.rows)[:, 1].reshape(pieces.candidates.shape)


def _folds(examples: Sequence[Example]) -> Folds:
    """Parts of the examples, and what is held back of each."""
    yield from KFold(min(FOLDS, len(examples)), shuffle=True, random_state=0).split(examples)


def _folds_of_combinations(examples: Sequence[Example]) -> Folds:
    """The same, where all examples that want the same together are held back together: what is said in use is more
    than what templates do.
    """
    numbers: dict[frozenset[str], int] = {}
    groups = [numbers.setdefault(one.combination, len(numbers)) for one in examples]
    yield from GroupKFold(min(FOLDS, len(numbers))).split(examples, groups=groups)


def _f1(told: Matrix, right: Matrix, every: float) -> float:
    return float(2 * (told * right).sum() / (told.sum() + every))


def _untaught(pieces: _Pieces, right: Matrix, every: float) -> float:
    """The F1 that names and descriptions have by themselves."""
    least = weights().choice_threshold
    return _f1(pieces.values[:, :, DESCRIBED] > math.log(least / (1 - least)), right, every)


def _boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=200,
        learning_rate=0.06,
        max_leaf_nodes=15,
        min_samples_leaf=50,
        l2_regularization=2.0,
        early_stopping=False,
        random_state=0,
    )
