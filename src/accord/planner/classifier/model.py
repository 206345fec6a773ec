"""A model: which label a text has, how likely that is, and whether it has any. Vectors of texts are given to it.

It is trained on examples alone, in seconds. What it says of itself was measured on examples that it had not seen: they
are dealt into parts, and each part is judged by a model of the others. To learn what is outside of all labels, some
labels are left out each time, and their examples are strangers then; where strangers are given, they are taken instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression

from accord.domain.learning import DecidedBy
from accord.planner.classifier.examples import Example
from accord.planner.classifier.features import MAX_TEXT, Features, Rows, lengths
from accord.planner.classifier.members import Members
from accord.planner.vectors import Vectors

PARTS = 4
"""Into how many parts examples are dealt."""

MANY = 2000
"""Of so many examples, a single part is measured: it is enough, and each takes a training of its own."""

OUTSIDE_RECALL = 0.8
"""The share of strangers that a model is to refuse, by what it has measured of itself."""

EVEN = 0.5
"""What is likelier to be outside is refused, however few strangers there were to measure."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a model makes of a text."""

    label: str | None
    """None where the text is taken to be outside of all labels."""
    confidence: float
    """How likely it is that the best label is meant: that any is, times that it is this one."""
    best: tuple[tuple[str, float], ...]
    """The best labels, with the share of likelihood that each has among all labels."""
    by: DecidedBy = "words"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a model has measured of itself, on examples that it had not seen."""

    examples: int
    labels: int
    inside_accuracy: float
    """The share of examples that get their label; one that is refused is wrong."""
    label_accuracy: float
    """The same if none were refused."""
    outside_recall: float
    """The share of strangers that are refused."""
    training_s: float


class Tried(NamedTuple):
    """What a model has made of examples and strangers that it had not seen: an entry for each, in the same order for
    all models of the same examples.
    """

    is_inside: Any
    """Whether it has a label that the model knew."""
    is_right: Any
    """Whether its best label is that one."""
    is_accepted: Any
    """Whether it is taken to be inside."""
    confidence: Any

    def figures(self, examples: int, labels: int, training_s: float) -> Figures:
        """How good that is."""
        return Figures(
            examples=examples,
            labels=labels,
            inside_accuracy=float((self.is_right & self.is_accepted)[self.is_inside].mean()),
            label_accuracy=float(self.is_right[self.is_inside].mean()),
            outside_recall=float((~self.is_accepted)[~self.is_inside].mean()),
            training_s=training_s,
        )


class Model:
    """Trained: it judges texts."""

    def __init__(
        self,
        examples: Sequence[Example],
        vectors: Vectors | None = None,
        *,
        outside_recall: float = OUTSIDE_RECALL,
    ) -> None:
        began = perf_counter()
        self._vectors = vectors
        known = _Known(vectors, [one.text for one in examples])
        inside = [one for one in examples if one.label is not None]
        self._core = _Core(inside, known)
        measured = _Measured(inside, [one.text for one in examples if one.label is None], known)
        self._doubt = _Odds(measured.evidence, measured.is_inside)
        told = self._doubt.of(measured.evidence)
        self.threshold = max(float(np.quantile(told[~measured.is_inside], outside_recall)), EVEN)
        inside_evidence = measured.evidence[measured.is_inside][:, :1]
        self._sure = _Odds(inside_evidence, measured.is_right[measured.is_inside])
        self.tried = Tried(
            is_inside=measured.is_inside,
            is_right=measured.is_right,
            is_accepted=told > self.threshold,
            confidence=told * self._sure.of(measured.evidence[:, :1]),
        )
        took_s = perf_counter() - began
        self.figures = self.tried.figures(len(examples), len(self._core.members.labels), took_s)

    def judge(self, texts: Sequence[str], *, most: int = 5) -> list[Judgement]:
        """What each text is."""
        shares, evidence = self._core.judge(texts, _vectors_of(texts, self._vectors))
        inside = self._doubt.of(evidence)
        sure = inside * self._sure.of(evidence[:, :1])
        ranked = np.argsort(-shares, axis=1)[:, :most]
        found = []
        for share, order, within, confidence in zip(shares, ranked, inside, sure, strict=True):
            best = tuple((str(self._core.members.labels[one]), float(np.exp(share[one]))) for one in order)
            label = best[0][0] if within > self.threshold else None
            found.append(Judgement(label=label, confidence=float(confidence), best=best))
        return found


class _Known:
    """The vectors of examples."""

    def __init__(self, vectors: Vectors | None, texts: Sequence[str]) -> None:
        self._of = vectors.of_examples([text[:MAX_TEXT] for text in texts]) if vectors is not None else None

    def of(self, texts: Sequence[str]) -> Any | None:
        """Those of these; None where there are none."""
        if self._of is None:
            return None
        size = len(next(iter(self._of.values())))
        return np.array([self._of[text[:MAX_TEXT]] for text in texts], dtype=np.float32).reshape(len(texts), size)


class _Core:
    """Features and members of some examples, without a notion of what is outside."""

    def __init__(self, examples: Sequence[Example], known: _Known) -> None:
        texts = [one.text for one in examples]
        labels = np.array([one.label for one in examples])
        self._features = Features(texts)
        rows = self._features.rows(texts, known.of(texts))
        self.members = Members(rows, labels)
        self._columns = [_rare(one) for one in (rows.words, rows.pieces)]
        self._meant = _Meant(rows.meaning, labels) if rows.meaning is not None else None

    def judge(self, texts: Sequence[str], vectors: Any | None) -> tuple[Any, Any]:
        """The logarithm of each label's share, and the evidence for being inside: a row for each text."""
        rows = self._features.rows(texts, vectors)
        shares, parts = self.members.scores(rows)
        best = shares.argmax(axis=1)
        top = -np.partition(-shares, 1, axis=1)[:, :2]
        evidence = [
            _logit(np.exp(top[:, 0])),
            top[:, 0] - top[:, 1],
            *(part[np.arange(len(best)), best] for part in parts),
            self._nearest(rows),
            [self._features.unknown(text) for text in texts],
            lengths(texts),
        ]
        if self._meant is not None:
            evidence += self._meant.nearest(rows.meaning, self.members.labels[best])
        return shares, np.column_stack(evidence)

    def _nearest(self, rows: Rows) -> Any:
        """How like each row is in what is rare to the example that it is most like, from 0 to 1."""
        kinds = (rows.words, rows.pieces)
        words, pieces = (one @ columns for one, columns in zip(kinds, self._columns, strict=True))
        alike = words + pieces
        return np.array([alike.data[start:end].max(initial=0.0) / 2 for start, end in pairwise(alike.indptr)])


class _Meant:
    """What the examples of each label mean. Only one label's are looked at: all of them would take most of the time."""

    def __init__(self, vectors: Any, labels: Any) -> None:
        self._of = {label: vectors[labels == label] for label in np.unique(labels)}

    def nearest(self, vectors: Any, labels: Any) -> tuple[list[float], list[float]]:
        """How like each is to the example of its label that it is most like, and to all of them, from -1 to 1."""
        alike = [self._of[label] @ vector for label, vector in zip(labels, vectors, strict=True)]
        return [float(one.max()) for one in alike], [float(one.mean()) for one in alike]


def _rare(rows: Any) -> Any:
    """For each feature the rows that have it, and none where so many have it that it makes nothing alike: those would
    take most of the time.
    """
    columns = rows.T.tocsr()
    often = np.diff(columns.indptr)
    columns.data[np.repeat(often > max(50, rows.shape[0] // 100), often)] = 0
    columns.eliminate_zeros()
    return columns


class _Odds:
    """How likely something is by some evidence: a logistic curve."""

    def __init__(self, evidence: Any, is_so: Any) -> None:
        self._scale = evidence.std(axis=0) + 1e-9
        self._mean = evidence.mean(axis=0)
        # One of each kind that says nothing: so that few examples do not make it certain, and none are no fault.
        nothing = np.zeros((2, evidence.shape[1]))
        known = np.concatenate([(evidence - self._mean) / self._scale, nothing])
        self._curve = LogisticRegression(C=1.0, max_iter=1000).fit(known, [*is_so, True, False])

    def of(self, evidence: Any) -> Any:
        """The likelihood for each row of evidence."""
        odds = ((evidence - self._mean) / self._scale) @ self._curve.coef_[0] + self._curve.intercept_[0]
        return 1 / (1 + np.exp(-odds))


class _Measured:
    """What models of parts of the examples make of the other examples, and of strangers."""

    def __init__(self, inside: Sequence[Example], strangers: Sequence[str], vectors: _Known) -> None:
        evidence, is_inside, is_right = [], [], []
        for known, others in dealt(inside, leave_out=not strangers):
            core = _Core(known, vectors)
            texts = [*(one.text for one in others), *strangers]
            labels = np.array([*(one.label for one in others), *("" for _ in strangers)])
            shares, seen = core.judge(texts, vectors.of(texts))
            evidence.append(seen)
            is_inside.append(np.isin(labels, core.members.labels))
            is_right.append(core.members.labels[shares.argmax(axis=1)] == labels)
        self.evidence = np.concatenate(evidence)
        self.is_inside = np.concatenate(is_inside)
        self.is_right = np.concatenate(is_right)


_Part = tuple[list[Example], list[Example]]


def dealt(examples: Sequence[Example], *, leave_out: bool) -> Iterator[_Part]:
    """The examples in two, several times: those that are known, and others. Each is among the others once, or of many
    only a part is at all. With `leave_out` there are others whose label is not known, too, each label once.
    """
    at: dict[str | None, int] = {}
    part_of = []
    for one in examples:
        part_of.append(at.setdefault(one.label, 0) % PARTS)
        at[one.label] += 1
    left_out = {label: number % PARTS for number, label in enumerate(at)} if leave_out else {}
    for part in range(1 if len(examples) >= MANY else PARTS):
        known: list[Example] = []
        others: list[Example] = []
        for one, of in zip(examples, part_of, strict=True):
            (others if of == part or left_out.get(one.label) == part else known).append(one)
        yield known, others


def _vectors_of(texts: Sequence[str], vectors: Vectors | None) -> Any | None:
    return vectors.of([text[:MAX_TEXT] for text in texts]) if vectors is not None else None


def _logit(shares: Any) -> Any:
    bounded = np.clip(shares, 1e-9, 1 - 1e-9)
    return np.log(bounded / (1 - bounded))
