"""The point groups against what their names mean, and against NumPy's turns and flips."""

import itertools

import numpy as np
import pytest

from ntkmc.groups import POINT_GROUPS, point_group

TURNS = {
    "C1": {0},
    "C2": {0, 2},
    "C4": {0, 1, 2, 3},
}


@pytest.fixture(params=POINT_GROUPS)
def group(request):
    return POINT_GROUPS[request.param]


def symmetries(name):
    """What the group makes of an image without any symmetry, by NumPy."""
    image = np.arange(9).reshape(3, 3)
    turned = [np.rot90(image, k) for k in TURNS["C" + name[1]]]
    mirrored = [np.rot90(np.fliplr(image), k) for k in TURNS["C" + name[1]]]
    return {array.tobytes() for array in (turned + mirrored if name[0] == "D" else turned)}


def test_elements_are_those_of_the_name(group):
    image = np.arange(9).reshape(3, 3)
    found = {np.ascontiguousarray(group.act(image, r)).tobytes() for r in range(len(group))}
    assert found == symmetries(group.name)
    assert len(found) == len(group) == int(group.name[1]) * (2 if group.name[0] == "D" else 1)
    assert group.exchanges_sides == (group.name[1] == "4")


def test_products_are_those_of_the_matrices_and_of_what_they_do(group):
    matrices = np.reshape(group.matrices, (-1, 2, 2))
    image = np.random.default_rng(0).standard_normal((2, 4, 4, 3))
    for r, q in itertools.product(range(len(group)), repeat=2):
        np.testing.assert_array_equal(matrices[group.product[r, q]], matrices[r] @ matrices[q])
        after = group.act(group.act(image, q, (1, 2)), r, (1, 2))
        np.testing.assert_array_equal(group.act(image, int(group.product[r, q]), (1, 2)), after)
        np.testing.assert_array_equal(
            matrices[group.relative[r, q]], matrices[q] @ np.linalg.inv(matrices[r])
        )
    np.testing.assert_array_equal(group.product[0], np.arange(len(group)))
    np.testing.assert_array_equal(group.product[np.arange(len(group)), group.inverse], 0)


def test_an_element_moves_an_image_as_its_matrix_moves_places(group):
    """(rho(r) f)(r t) = f(t) for a single bright pixel at t, counted from the centre."""
    for r, matrix in enumerate(np.reshape(group.matrices, (-1, 2, 2))):
        image = np.zeros((5, 5))
        image[3, 0] = 1  # t = (1, -2)
        place = matrix @ [1, -2] + 2
        assert group.act(image, r)[tuple(place)] == 1


def test_first_turn_and_mirror():
    image = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(point_group("C4").act(image, 1), np.rot90(image))
    np.testing.assert_array_equal(point_group("D1").act(image, 1), np.fliplr(image))


@pytest.mark.parametrize("name", ["C8", "c4", "D3", "", None, 4])
def test_other_groups_are_refused(unchecked, name):
    with pytest.raises(ValueError, match=f"group was {name!r}; pass one of C1, .* interpolation"):
        point_group(name)
