"""Chained regressions between rows: against finite networks, dense algebra and brute force."""

import numpy as np
import pytest

from ntkmc import NTKImputer
from ntkmc._compat import enable_x64
from ntkmc.completion import chained, chained_fit
from ntkmc.completion import column_regression as regression
from ntkmc.completion.row_kernels import FAMILIES, Rows, diagonal, kernel, sides

WEIGHTS = np.array([1.0, 0.5, 2.0, 0, 0, 0, 0, 0])
SPAN = np.array([4.0, 3.0, 5.0, 0, 0, 0, 0, 0])
ROWS, MISSING = 64, 0.3


def rows_of(count, seed=0, errors=False):
    rng = np.random.default_rng(seed)
    x, error = np.zeros((2, count, 8))
    x[:, :3] = rng.uniform(-1, 1, (count, 3)) * SPAN[:3] / 2
    if errors:
        error[:, :3] = rng.random((count, 3)) * (rng.random((count, 3)) < 0.3)
    return Rows(x, error)


def between(family, one, other, same=False):
    with enable_x64():
        its = sides(family, one, other, WEIGHTS, SPAN)
        eye = np.eye(len(one.x), len(other.x), dtype=bool) & same
        return np.asarray(kernel(family, its, eye)), np.asarray(diagonal(family, its))


def related(rows=ROWS, seed=0, missing=MISSING):
    """A table whose columns are functions of two numbers, one of them of steps, with gaps."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1.7, 1.7, (2, rows))
    whole = np.stack([u, v, u * v, np.sign(u) + v, np.abs(v), u + 0.3 * v**2], axis=1)
    whole += 0.05 * rng.standard_normal(whole.shape)
    whole = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    return whole, np.where(rng.random(whole.shape) < missing, np.nan, whole)


@pytest.fixture(scope="module")
def fitted():
    """Eight tables, and their regressions."""
    tables = [related(seed=seed) for seed in range(8)]
    return [
        (*one, chained_fit.fit_chained(one[1], np.arange(6), np.arange(ROWS), lambda: None))
        for one in tables
    ]


def test_kernels_are_those_of_wide_networks():
    """100,000 random units in the place of infinitely many, on either prior."""
    rows, width = rows_of(6), 100_000
    rng = np.random.default_rng(1)
    values = np.hstack([rows.x[:, :3] * WEIGHTS[:3], np.full((6, 1), np.sqrt(5.0))])
    hidden = values @ rng.standard_normal((4, width))
    both = (hidden > 0).astype(float)
    # Twice the mean of products: ReLU units scaled to keep variances; and of their derivatives.
    nngp, slope = (2 * one @ one.T / width for one in (np.maximum(hidden, 0), both))
    found = between("values", rows, rows, same=True)[0]
    np.testing.assert_allclose(found, nngp + (values @ values.T) * slope, rtol=0.03, atol=0.1)
    # Steps at uniform thresholds, each feature's as dense as its weight is large.
    length = WEIGHTS @ SPAN
    feature = rng.choice(3, width, p=WEIGHTS[:3] * SPAN[:3] / length)
    steps = np.sign(rows.x[:, feature] - rng.uniform(-0.5, 0.5, width) * SPAN[feature])
    apart = 2 * (1 - steps @ steps.T / width) / 4 * length
    decay = -np.log(between("exponential", rows, rows, same=True)[0]) * 0.15 * length
    np.testing.assert_allclose(decay, apart, atol=0.01 * length)
    correlation = 1 - apart / (0.6 * length)
    angle = np.arccos(np.clip(correlation, -1, 1))
    nngp = (np.sin(angle) + (np.pi - angle) * correlation) / np.pi
    expected = nngp + correlation * (np.pi - angle) / np.pi
    found = between("thresholds", rows, rows, same=True)[0]
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_known_of_a_row_makes_it_less_like_others(family):
    known, guessed = rows_of(20), rows_of(20, errors=True)
    before, after = (between(family, one, one, same=True)[0] for one in (known, guessed))
    assert np.linalg.eigvalsh(after).min() > 0
    some = guessed.error.any(axis=1)
    diagonals = np.diagonal(after)
    correlation = [K / np.sqrt(np.outer(np.diagonal(K), np.diagonal(K))) for K in (before, after)]
    # Of rows that were alike: the kernel of orthogonal ones is between.
    off = some[:, None] & ~np.eye(20, dtype=bool) & (correlation[0] > 0.5)
    assert off.any()
    assert (correlation[1][off] < correlation[0][off]).all()
    np.testing.assert_allclose(diagonals, between(family, guessed, guessed)[1], rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_regression_is_kernel_regression(family):
    """Leave-one-out by leaving out, predictions, derivatives and variances by dense algebra."""
    rows, rng = rows_of(32, errors=True), np.random.default_rng(2)
    known, ridge = np.arange(2, 28), 0.03
    values = rng.standard_normal(len(known))
    padded = np.concatenate([known, np.repeat(known[:1], 32 - len(known))])
    real = np.arange(32) < len(known)
    training = regression.Training(Rows(*(one[padded] for one in rows)), real, WEIGHTS, SPAN)
    with enable_x64():
        gram, scale = regression.gram(family, training)
        its = regression.solve(gram, scale, np.r_[values, np.zeros(6)], ridge)
        its = regression.Solution(*(np.asarray(one) for one in its))
        same = np.arange(32)[:, None] == padded
        found = np.asarray(regression.slopes(family, rows, same, training, its.alpha))
    K = between(family, rows, rows, same=True)[0]
    noise = ridge * np.diagonal(K)[known].mean()
    inner = K[np.ix_(known, known)] + noise * np.eye(len(known))
    for one in (0, 7, 25):
        others = np.delete(np.arange(len(known)), one)
        across = K[known[one], known[others]] @ np.linalg.inv(inner[np.ix_(others, others)])
        assert its.errors[one] == pytest.approx(values[one] - across @ values[others], rel=1e-6)
        left = inner[one, one] - across @ K[known[others], known[one]]
        assert its.shares[one] == pytest.approx(left / inner[one, one], rel=1e-6)
    expected = K[:, known] @ np.linalg.solve(inner, values)
    assert not its.alpha[~real].any()
    outside, step = Rows(*(one[[0, 1, 28, 31]] for one in rows)), 1e-6
    with enable_x64():
        args = training, its.alpha
        np.testing.assert_allclose(
            regression.predict(family, outside, *args), expected[[0, 1, 28, 31]], atol=1e-8
        )
        moved = np.asarray(regression.predict_replaced(family, outside, outside.x + step, *args))
        whole = Rows(outside.x + step * np.eye(8)[1], outside.error)
        alone = np.asarray(regression.predict(family, whole, *args))
        args = regression.whitener(gram, ridge), scale, ridge
        share = regression.left_share(family, outside, training, *args)
    np.testing.assert_allclose(moved[:, 1], alone, atol=1e-10)
    slopes = (moved - expected[[0, 1, 28, 31], None]) / step
    np.testing.assert_allclose(slopes, found[[0, 1, 28, 31]], atol=1e-4)
    across = K[np.ix_([0, 1, 28, 31], known)]
    own = np.diagonal(K)[[0, 1, 28, 31]]
    left = own + noise - np.einsum("ij,ji->i", across, np.linalg.solve(inner, across.T))
    np.testing.assert_allclose(share, left / (own + noise), rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_conjugate_gradients_are_the_factorisation(family, monkeypatch):
    """With a noise for each row, a quarter of the rows as centres."""
    monkeypatch.setattr(regression, "_CENTRES", 24)
    rows, rng, real = rows_of(96, errors=True), np.random.default_rng(11), np.arange(96) < 90
    values = (rng.standard_normal(96) + rows.x[:, 0]) * real
    training, noise = regression.Training(rows, real, WEIGHTS, SPAN), 0.01 * (1 + rng.random(96))
    with enable_x64():
        K, scale = (np.asarray(one) for one in regression.gram(family, training))
        exact = np.linalg.solve(K + np.diag(noise), values)
        alpha, residual = regression.solve_iteratively(family, training, values, noise)
    alpha = np.asarray(alpha) * scale
    rest = K @ alpha + noise * alpha - values
    assert residual == pytest.approx(np.linalg.norm(rest) / np.linalg.norm(values), abs=1e-6)
    assert 0 < residual < regression._RTOL
    np.testing.assert_allclose(K @ alpha, K @ exact, atol=0.01 * np.std(values))
    assert not alpha[~real].any()


def test_ridges_are_chosen_by_exact_leave_one_out():
    rows, rng = rows_of(32), np.random.default_rng(3)
    values = rows.x[:, 0] + 0.5 * rng.standard_normal(32)
    training = regression.Training(rows, np.ones(32, bool), WEIGHTS, SPAN)
    with enable_x64():
        for family in FAMILIES:
            gram = regression.gram(family, training)
            best, apart = regression.choose(gram[0], values)
            solved = [regression.solve(*gram, values, float(one)) for one in regression.RIDGES]
            assert best == np.argmin([np.square(one.errors).sum() for one in solved])
            np.testing.assert_allclose(apart, solved[int(best)].errors, rtol=1e-6, atol=1e-9)


def test_leave_one_out_errors_are_those_of_hidden_entries(fitted):
    """Columns are filled in with the help of each other, and yet do not give each other away."""
    errors, truth, within = [], [], []
    for whole, table, model in fitted:
        hidden = np.isnan(table)
        filled, std = model.complete(table)
        np.testing.assert_array_equal(filled[~hidden], table[~hidden])
        errors.append((model.left_out - whole)[~hidden])
        truth.append((filled - whole)[hidden])
        within.append(abs(truth[-1]) < 1.645 * std[hidden])
    errors, truth = (np.sqrt(np.mean(np.square(np.concatenate(one)))) for one in (errors, truth))
    assert errors == pytest.approx(truth, rel=0.1)
    assert 0.85 < np.mean(np.concatenate(within)) < 0.95


@pytest.mark.slow
def test_leave_one_out_errors_are_those_of_leaving_out(fitted):
    """The whole chain fitted anew without an entry."""
    rng, found, refitted = np.random.default_rng(4), [], []
    for whole, table, model in fitted:
        for i, j in rng.permutation(np.argwhere(~np.isnan(table)))[:3]:
            without = table.copy()
            without[i, j] = np.nan
            anew = chained_fit.fit_chained(without, np.arange(6), np.arange(ROWS), lambda: None)
            refitted.append(anew.complete(without)[0][i, j] - whole[i, j])
            found.append(model.left_out[i, j] - whole[i, j])
    assert np.corrcoef(found, refitted)[0, 1] > 0.9
    sizes = [np.sqrt(np.mean(np.square(one))) for one in (found, refitted)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15)


@pytest.mark.slow
def test_many_rows(monkeypatch):
    """The kernel that is best alone, conjugate gradients, and values that are held out."""
    whole, table = related(rows=640, seed=12)
    judging = np.arange(0, 640, 3)
    exact = chained_fit.fit_chained(table, np.arange(6), judging, lambda: None)
    for module in (chained, chained_fit):
        monkeypatch.setattr(module, "EXACT_ROWS", 256)
    monkeypatch.setattr(chained, "_TELLING", 64)
    monkeypatch.setattr(chained_fit, "_HELD_ROWS", 100)
    many = chained_fit.fit_chained(table, np.arange(6), judging, lambda: None)
    hidden, errors = np.isnan(table), []
    for model in (exact, many):
        filled, std = model.complete(table)
        errors.append(np.sqrt(np.mean(np.square(filled - whole)[hidden])))
        assert 0.85 < np.mean((abs(filled - whole) < 1.645 * std)[hidden]) < 0.97
    assert errors[1] < 1.05 * errors[0]
    known = ~np.isnan(many.left_out)
    assert (known.sum(axis=0) == 100).all()
    assert np.isin(np.flatnonzero(known.any(axis=1)), judging).all()
    held = np.sqrt(np.mean(np.square(many.left_out - whole)[known]))
    assert held == pytest.approx(errors[1], rel=0.15)
    for column, values in zip(many.rounds[-1], (~hidden).sum(axis=0), strict=True):
        assert column.many
        assert len(column.members) == 1
        assert column.real.sum() + 100 == values
    anyone = chained_fit.fit_chained(table, np.arange(6), np.arange(0), lambda: None)
    assert (np.isfinite(anyone.left_out).sum(axis=0) == 100).all()
    drawn = many.resampled(np.random.default_rng(0)).complete(table)[0]
    assert 0 < np.mean(np.square(drawn - filled)[hidden]) < errors[1] ** 2
    monkeypatch.setattr(chained, "_LARGE_RESIDUAL", 0)
    with pytest.warns(UserWarning, match="lower chained_rows"):
        many.resampled(np.random.default_rng(0))


@pytest.mark.slow
def test_it_learns_what_columns_alone_do_not_say(fitted):
    """Products and absolute values of other columns."""
    before, after = [], []
    for whole, table, _ in fitted[:2]:
        hidden = np.isnan(table)
        before.append((NTKImputer(ridge=0.1, chained=False).fit_transform(table) - whole)[hidden])
        both = NTKImputer(chained=True, ridge=0.1).fit(table)
        after.append((both.transform(table) - whole)[hidden])
        assert both.left_out_error_ < 0.85
    before, after = (np.sqrt(np.mean(np.square(np.concatenate(one)))) for one in (before, after))
    assert after < 0.8 * before


def test_features_that_do_not_matter_are_scaled_down():
    table = related(seed=5, missing=0.1)[1]
    rng = np.random.default_rng(6)
    table = np.hstack([table[:, :3], rng.standard_normal((ROWS, 3))])
    model = chained_fit.fit_chained(table, np.arange(6), np.arange(ROWS), lambda: None)
    learned = [one for one in model.rounds[-1][2].members if np.ptp(one.scales[[0, 1]]) > 0]
    assert learned
    for member in learned:  # the product of columns 0 and 1
        assert member.scales[[0, 1]].min() > 2 * member.scales[3:6].max()


@pytest.mark.slow
def test_units_signs_and_order_do_not_matter():
    table = related(seed=7)[1]
    rng = np.random.default_rng(8)
    scale, shift = np.array([2.0, -0.1, 30.0, -1.0, 1.0, 5.0]), rng.standard_normal(6)
    rows, columns = rng.permutation(ROWS), rng.permutation(6)
    first = NTKImputer(chained=True, ridge=0.1).fit_transform(table)
    changed = (table * scale + shift)[np.ix_(rows, columns)]
    second = NTKImputer(chained=True, ridge=0.1).fit_transform(changed)
    back = np.empty_like(second)
    back[np.ix_(rows, columns)] = second
    # Corrections are in float32.
    np.testing.assert_allclose((back - shift) / scale, first, atol=1e-5)


@pytest.mark.slow
def test_new_rows_and_columns_with_one_or_two_values(fitted):
    table = related(seed=9)[1]
    table[:, 3] = np.where(np.isnan(table[:, 3]), np.nan, table[:, 3] > 0)
    imputer = NTKImputer(chained=True, ridge=0.1).fit(table)
    new = related(rows=7, seed=10)[1]
    new[:, 3] = np.nan
    new[0] = np.nan
    filled, std = imputer.transform(new, return_std=True)
    assert np.isfinite(filled).all()
    assert (std[np.isnan(new)] > 0).all()
    alone = imputer.transform(new[3:4])
    np.testing.assert_allclose(alone, filled[3:4], rtol=1e-9)


@pytest.mark.slow
def test_when_it_is_used():
    table, stages = related()[1], set()
    imputer = NTKImputer(chained="auto", ridge=0.1, progress=lambda stage, *_: stages.add(stage))
    assert hasattr(imputer.fit(table).model_, "second")
    assert stages == {"fit", "chain"}
    assert not hasattr(imputer.fit(table[:39]).model_, "second")
    assert not hasattr(imputer.fit(np.tile(table[:44], 2)).model_, "second")
    imputer.set_params(column_prior="identity")
    assert not hasattr(imputer.fit(table).model_, "second")
    alone = NTKImputer(chained=True, categorical=[0]).fit(np.sign(table[:, :1]))
    assert not hasattr(alone.model_, "second")
    with pytest.raises(ValueError, match="chained was 'yes'; pass True, False or 'auto'"):
        NTKImputer(chained="yes").fit(table)


def test_columns_that_are_never_observed_together_and_rows_of_which_nothing_is_known():
    table = related(seed=11, missing=0.0)[1]
    table[::2, :3] = np.nan
    table[1::2, 3:] = np.nan
    table[5] = np.nan
    model = chained_fit.fit_chained(table, np.arange(6), np.arange(ROWS), lambda: None)
    for columns in model.rounds:
        for one, others in ((0, slice(3, 6)), (5, slice(0, 3))):
            assert not any(member.scales[others].any() for member in columns[one].members)
    filled, std = model.complete(table)
    np.testing.assert_array_equal(filled[5], 0)
    alone = chained_fit.fit_chained(table[:, [0, 3]], np.arange(2), np.arange(ROWS), lambda: None)
    filled, std = alone.complete(table[:, [0, 3]])
    assert np.isfinite(filled).all()
    assert np.isfinite(std).all()


def test_memory_is_predicted(monkeypatch):
    monkeypatch.setattr(chained_fit.memory, "available_bytes", lambda: 2**12)
    with pytest.raises(MemoryError, match="lower chained_rows, or pass chained=False"):
        chained_fit.fit_chained(related()[1], np.arange(6), np.arange(ROWS), lambda: None)
