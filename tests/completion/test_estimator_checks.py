"""What scikit-learn asks of every estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from ntkmc import NTKImputer


# Without run-time types: scikit-learn passes wrong ones on purpose.
@parametrize_with_checks([NTKImputer()])
def test_estimator_checks(estimator, check, unchecked):
    check(estimator)
