"""The kernels of a column's regression, their ridges and weights, by leave-one-out."""

import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

from ntkmc.completion import column_regression as regression
from ntkmc.completion.chained import Column, Member
from ntkmc.completion.row_kernels import FAMILIES, Rows

# Rows that kernels are chosen by.
CHOOSING_ROWS = 512
_LEAST_WEIGHT = 0.05  # of a member, relative to their sum

Features = Float[np.ndarray, " f"]


def choose(
    column: Column, count: int, scales: list[Features], error: Features, span: Features
) -> list[Member]:
    """Up to three members: families with a ridge, and all scales that there are.

    By the first `count` rows of the column.
    """
    size = min(CHOOSING_ROWS, len(column.real))
    column = column.first(size)
    values, tried, errors = column.values, [], []
    for its in scales:
        for family in FAMILIES:
            member = Member(family, its, 0.0, np.zeros(size), 0.0)
            training = column.training(member, error, span)
            K = regression.single(regression.gram(family, training)[0])
            best, apart = regression.choose(K, regression.single(values))
            ridge = float(regression.RIDGES[int(best)])
            tried.append(dataclasses.replace(member, ridge=ridge))
            errors.append(np.asarray(apart, float)[:count])
    values = values[:count]
    weights = scipy.optimize.nnls(values[:, None] - np.stack(errors, axis=1), values)[0]
    kept = np.argsort(-weights)[: len(FAMILIES)]
    kept = kept[weights[kept] > _LEAST_WEIGHT * weights.sum()]
    if kept.size:
        return [tried[one] for one in kept]
    return [tried[int(np.argmin([its @ its for its in errors]))]]


class Fitted(NamedTuple):
    """A column's members and what they say of its observed values.

    Attributes
    ----------
    members : the largest first.
    left_out : (n,), of each value, less the mean, the prediction from the others.
    shares : (n,), of the variance of each, what is left if the others are known.
    """

    members: list[Member]
    left_out: Float[np.ndarray, " n"]
    shares: Float[np.ndarray, " n"]


def fit(column: Column, tried: list[Member], error: Features, span: Features) -> Fitted:
    """Solve for each member with all rows of the column, and weigh them."""
    count, solved = int(column.real.sum()), []
    for one in tried:
        K, scale = regression.gram(one.family, column.training(one, error, span))
        its = regression.solve(K, scale, column.values, one.ridge)
        solved.append([np.asarray(part) for part in its])
    values = column.values[:count]
    alphas, errors, shares = zip(*solved, strict=True)
    left = np.stack([values - one[:count] for one in errors], axis=1)
    weights = scipy.optimize.nnls(left, values)[0]
    members = [
        dataclasses.replace(member, alpha=alpha, weight=float(weight))
        for member, alpha, weight in zip(tried, alphas, weights, strict=True)
    ]
    members.sort(key=lambda one: -one.weight)
    return Fitted(members, left @ weights, shares[int(np.argmax(weights))][:count])


def fit_many(
    column: Column,
    member: Member,
    held: Rows,
    values: Float[np.ndarray, " n"],
    error: Features,
    span: Features,
) -> Fitted:
    """The same for thousands of rows, with one member, judged by rows that are held out.

    Parameters
    ----------
    held, values : (n, f) and (n,), rows that the column has not, and their values less the mean.
    """
    member = dataclasses.replace(member, weight=1.0)
    member = column.solved(member, np.full(len(column.real), member.ridge), error, span)
    column = dataclasses.replace(column, members=[member])
    predicted = column.predict(held, error, span) - column.mean
    weight = float(scipy.optimize.nnls(predicted[:, None], values)[0][0])
    member = dataclasses.replace(member, weight=weight)
    return Fitted([member], weight * predicted, column.shares(error, span)(held))
