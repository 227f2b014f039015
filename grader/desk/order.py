"""The order in which answers are shown: like ones follow each other, so that a marker compares instead of jumping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from grader.report.similar import groups, shingles, tokens

BLOCK = 256
"""Answers that are clustered at once: the time grows with the square of their number, so more are cut into blocks."""
_NEAR_TOKENS = 2_000
"""Of an answer, as far as near-equal ones are looked for."""


def load() -> None:
    """What takes seconds to be imported, before it is needed."""
    import scipy.cluster.hierarchy  # noqa: F401
    import sklearn.decomposition
    import sklearn.feature_extraction.text  # noqa: F401


def leaf_order(sources: Sequence[str], kind: Literal["code", "text"]) -> list[int]:
    """The places of these answers, in the order of the leaves of a hierarchical clustering.

    Answers are points by TF-IDF: words for text, the tokens of its code for code. They are joined by average linkage
    of cosine distances, and the tree's branches are turned so that neighbours are as near as can be (Bar-Joseph,
    Gifford and Jaakkola, Fast optimal leaf ordering for hierarchical clustering, 2001). More than `BLOCK` answers are
    first sorted along the direction in which they differ most, and cut. The time is proportional to their number.
    """
    if len(sources) < 3:
        return list(range(len(sources)))
    points = _points(sources, kind)
    if points is None:
        return list(range(len(sources)))
    along = _along(points) if len(sources) > BLOCK else list(range(len(sources)))
    # Blocks of about the same size: the last one is not to be a rest of three.
    count = -(-len(along) // BLOCK)
    cuts = [len(along) * number // count for number in range(count + 1)]
    ordered: list[int] = []
    for start, end in pairwise(cuts):
        block = along[start:end]
        ordered += [block[place] for place in _leaves(points[block])]
    return ordered


def near_groups(sources: Sequence[str], kind: Literal["code", "text"]) -> list[list[int]]:
    """The places of these answers, those together that are nearly equal; put the most common ones first.

    See `grader.report.similar`: at least 0.7 of their runs of three tokens are the same.
    """
    return groups([shingles(tokens(source, kind)[:_NEAR_TOKENS]) for source in sources])


def _points(sources: Sequence[str], kind: Literal["code", "text"]) -> Any:
    """A sparse matrix, a row for each answer, of length 1 or 0; None where no answer has a token."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=lambda source: tokens(source, kind), sublinear_tf=True, max_features=20_000)
    try:
        return vectorizer.fit_transform(sources)
    except ValueError:  # an empty vocabulary
        return None


def _along(points: Any) -> list[int]:
    """The answers along the direction of the largest variance."""
    import numpy as np
    from sklearn.decomposition import TruncatedSVD

    if points.shape[1] < 3:
        return list(range(points.shape[0]))
    # The first direction of points that are not centred is their mean.
    placed = TruncatedSVD(n_components=2, n_iter=4, random_state=0).fit_transform(points)
    return [int(place) for place in np.argsort(placed[:, 1], kind="stable")]


def _leaves(points: Any) -> list[int]:
    if points.shape[0] < 3:
        return list(range(points.shape[0]))
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    distances = 1.0 - (points @ points.T).toarray().astype(float)
    np.fill_diagonal(distances, 0.0)
    condensed = squareform(np.clip(distances, 0.0, 2.0), checks=False)
    # SciPy wants some distance between those that have the same tokens.
    tree = linkage(condensed + 1e-9, method="average")
    return [int(place) for place in leaves_list(optimal_leaf_ordering(tree, condensed + 1e-9))]
