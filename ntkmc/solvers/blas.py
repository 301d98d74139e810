"""How many threads linear algebra on a CPU runs in."""

import functools
from contextlib import AbstractContextManager

import scipy.linalg  # noqa: F401  (its library, which JAX calls too, must be there to be found)
from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager:
    """Context in which NumPy, SciPy and JAX's factorisations on a CPU use one thread.

    Matrices of a thousand rows are factorised as fast by one as by two; and threads of OpenBLAS
    wait for each other busily, so that beside another process two of them take ten times as long
    (eigenvectors of 232 rows: 4 and 90 ms of processor time on two busy cores; 978 rows: 0.15 and
    1.7 s).
    """
    return _blas().limit(limits=1)


@functools.cache
def _blas() -> ThreadpoolController:
    """Looks for libraries once: that takes longer than a small table."""
    return ThreadpoolController().select(user_api="blas")
