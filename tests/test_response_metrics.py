"""The formulas of SI appendix H, entry by entry, and the test of appendix I."""

import numpy as np
import pytest
import scipy.stats

from ntkmc.response_metrics import METRICS, Scores, corrected_t_test

rng = np.random.default_rng(0)
TRUTH = rng.normal(size=(7, 11)) + 0.3
ESTIMATE = 0.5 * TRUTH + 0.4 * rng.normal(size=(7, 11))


def test_the_three_measures():
    scores = Scores.of(TRUTH, ESTIMATE)
    r2, cosine = [], []
    for y, yhat in zip(TRUTH, ESTIMATE, strict=True):
        r2.append(1 - sum((yhat - y) ** 2) / sum((y - y.mean()) ** 2))
        cosine.append(yhat @ y / np.linalg.norm(yhat) / np.linalg.norm(y))
    assert scores.mean_r2 == pytest.approx(np.mean(r2))
    assert scores.mean_cosine == pytest.approx(np.mean(cosine))
    pearson = np.sum(TRUTH * ESTIMATE) / np.linalg.norm(TRUTH) / np.linalg.norm(ESTIMATE)
    assert scores.pearson_r == pytest.approx(pearson)
    assert scores.mean_of_three == pytest.approx((np.mean(r2) + np.mean(cosine) + pearson) / 3)
    assert scores.correlation == pytest.approx(
        scipy.stats.pearsonr(TRUTH.ravel(), ESTIMATE.ravel()).statistic
    )
    perfect = Scores.of(TRUTH, TRUTH)
    assert all(getattr(perfect, attribute) == pytest.approx(1) for attribute in METRICS.values())


def test_parts_are_joined_as_if_they_were_scored_at_once():
    whole = Scores.of(TRUTH, ESTIMATE)
    parts = Scores.joined([Scores.of(TRUTH[k], ESTIMATE[k]) for k in (slice(3), slice(3, 7))])
    some = whole.take(np.arange(7) >= 3)
    for attribute in (*METRICS.values(), "correlation"):
        assert getattr(parts, attribute) == pytest.approx(getattr(whole, attribute))
        expected = getattr(Scores.of(TRUTH[3:], ESTIMATE[3:]), attribute)
        assert getattr(some, attribute) == pytest.approx(expected)


def test_an_estimate_of_nothing_scores_nothing():
    scores = Scores.of(TRUTH, np.zeros_like(TRUTH))
    assert (scores.pearson_r, scores.mean_cosine, scores.correlation) == (0, 0, 0)


def test_what_cannot_be_compared_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"truth is \(7, 11\) and estimate \(6, 11\)"):
        Scores.of(TRUTH, ESTIMATE[:6])
    with pytest.raises(ValueError, match="estimate is not finite"):
        Scores.of(TRUTH, np.full_like(TRUTH, np.nan))


def test_corrected_t():
    differences = rng.normal(0.1, 1, size=(5, 10))
    made = corrected_t_test(differences, 1 / 9)
    t = differences.mean() / np.sqrt((1 / 50 + 1 / 9) * differences.var(ddof=1))
    assert made.t == pytest.approx(t)
    assert made.degrees == 49
    assert made.p == pytest.approx(1 - scipy.stats.t.cdf(t, 49))
    # Without the correction it is the test of one sample.
    plain = scipy.stats.ttest_1samp(differences.ravel(), 0, alternative="greater")
    uncorrected = corrected_t_test(differences, 0.0)
    assert uncorrected.t == pytest.approx(plain.statistic)
    assert uncorrected.p == pytest.approx(plain.pvalue)
    assert corrected_t_test(np.zeros((1, 3)), 0.1).p == pytest.approx(0.5)
    assert corrected_t_test(np.ones((1, 3)), 0.1).p == 0
    with pytest.raises(ValueError, match="there is 1 difference"):
        corrected_t_test(np.ones((1, 1)), 0.1)
    with pytest.raises(ValueError, match="test_to_train was -1"):
        corrected_t_test(differences, -1)


def test_the_p_value_of_the_correlation():
    rng = np.random.default_rng(3)
    truth, noise = rng.normal(1, 1, (2, 3, 7))
    for weight in (0.3, -0.5, 2.0):
        scores = Scores.of(truth, weight * truth + noise)
        expected = scipy.stats.pearsonr(truth.ravel(), (weight * truth + noise).ravel())
        np.testing.assert_allclose(scores.correlation, expected.statistic)
        np.testing.assert_allclose(scores.correlation_p, expected.pvalue, rtol=1e-9)
    assert np.isnan(Scores.of(truth[:1, :2], noise[:1, :2]).correlation_p)
