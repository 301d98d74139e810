"""Filters and strides that a group keeps, and those it does not."""

import numpy as np
import pytest

from ntkmc.groups import PADDINGS, make_window


def places(window, side):
    """Where on an axis outputs are, in pixels from its first one."""
    size, stride = window.filter_shape[0], window.strides[0]
    before, after = window.edges(0, side)
    starts = range(0, side + before + after - size + 1, stride)
    return [start - before + size // 2 for start in starts]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_outputs_are_placed_symmetrically_or_refused(padding, size, stride):
    window = make_window("Layer", (size, size), (stride, stride), padding, "C2")
    taken = []
    for side in range(size, 12):
        centre = places(window, side)
        symmetric = [side - 1 - place for place in centre[::-1]] == centre
        if symmetric:
            assert window.outputs((side, side)) == (len(centre), len(centre))
            taken.append(side)
        else:
            with pytest.raises(ValueError, match=rf"stride {stride} .* a side of {side} pixels"):
                window.outputs((side, side))
        # Without a symmetry all sides will do.
        alone = make_window("Layer", (size, size), (stride, stride), padding, "C1")
        assert alone.outputs((side, side)) == (len(centre), len(centre))
    assert taken
    if stride == 1:
        assert taken == list(range(size, 12))


def test_a_refused_side_comes_with_the_next_that_is_not():
    window = make_window("Layer", (3, 3), (2, 2), "SAME", "D4")
    with pytest.raises(ValueError, match=r"the next is 9\)"):
        window.outputs((8, 8))
    assert window.outputs((9, 9)) == (5, 5)


def test_rectangles():
    window = make_window("Layer", (3, 5), None, "VALID", "D2")
    assert window.outputs((7, 6)) == (5, 2)
    with pytest.raises(ValueError, match=r"5 x 4, less than the filter, 3 x 5; pass larger"):
        window.outputs((5, 4))
    square = make_window("Layer", (3, 3), None, "SAME", "C4")
    with pytest.raises(ValueError, match=r"the image is 4 x 6 and C4 exchanges rows and columns"):
        square.outputs((4, 6))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filter_shape": (2, 2)}, r"filter_shape was \(2, 2\); pass odd sides"),
        ({"filter_shape": (3, 5)}, r"filter_shape was \(3, 5\) and C4 exchanges rows and col"),
        ({"filter_shape": 3}, r"filter_shape was 3; pass two whole numbers"),
        ({"filter_shape": (3, 0)}, r"filter_shape was \(3, 0\); pass two whole numbers"),
        ({"filter_shape": (3.0, 3.0)}, r"filter_shape was \(3.0, 3.0\)"),
        ({"strides": (1, 2)}, r"strides was \(1, 2\) and C4 exchanges rows and columns"),
        ({"strides": (True, True)}, r"strides was \(True, True\)"),
        ({"padding": "same"}, r"padding was 'same'; pass one of 'VALID', 'SAME', 'CIRCULAR'"),
        ({"group": "C6"}, r"group was 'C6'; pass one of C1, C2"),
    ],
)
def test_refusals(unchecked, change, words):
    arguments = {"filter_shape": (3, 3), "strides": None, "padding": "SAME", "group": "C4"}
    with pytest.raises(ValueError, match="Layer: " + words):
        make_window("Layer", **arguments | change)


def test_windows_compare_and_hash_by_value(unchecked):
    one, other = (make_window("Layer", [3, np.int64(3)], None, "SAME", "D4") for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
