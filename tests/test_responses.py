import dataclasses

import numpy as np
import pytest
from responses import draw, missing

from ntkmc.responses import compact_places, from_tensor, group_means, group_sums


def test_a_tensor_and_back():
    responses, _ = draw()
    tensor = responses.tensor()
    assert tensor.shape == (8, 12, 4)
    again = from_tensor(tensor, responses.drugs, responses.genes, responses.cells)
    np.testing.assert_array_equal(again.profiles, responses.profiles)
    np.testing.assert_array_equal(again.availability(), ~np.isnan(tensor).any(axis=1))
    places = responses.places()
    assert (places >= 0).sum() == len(responses)
    np.testing.assert_array_equal(places[responses.drug, responses.cell], np.arange(len(responses)))


def test_parts_are_joined_and_compacted():
    responses, _ = draw()
    first = responses.of_cells(("cell 1", "cell 3"))
    part = responses.take(first)
    assert set(part.cell) == {1, 3}
    compact = part.compact()
    assert compact.cells == ("cell 1", "cell 3")
    np.testing.assert_array_equal(compact.profiles, part.profiles)
    joined = part.joined(responses.take(~first))
    assert sorted(zip(joined.drug, joined.cell, strict=True)) == sorted(
        zip(responses.drug, responses.cell, strict=True)
    )
    with pytest.raises(ValueError, match="the cells of the two differ"):
        part.joined(compact)


def test_places_in_the_compact_table():
    responses, _ = draw()
    part = responses.take(responses.cell != 2)
    drug, cell = missing(responses)
    rows, lines, known = compact_places(part, drug, cell)
    assert not known[cell == 2].any()
    names = part.compact()
    assert [names.drugs[row] for row in rows] == [part.drugs[row] for row in drug[known]]
    assert [names.cells[line] for line in lines] == [part.cells[line] for line in cell[known]]


def test_means_of_groups():
    values = np.array([[1.0, 2], [3, 4], [5, 0]])
    sums, counts = group_sums(values, np.array([2, 0, 2]), 3)
    np.testing.assert_array_equal(sums, [[3, 4], [0, 0], [6, 2]])
    np.testing.assert_array_equal(counts, [1, 0, 2])
    means = group_means(values, np.array([2, 0, 2]), 3, np.full(2, 9.0))
    np.testing.assert_array_equal(means, [[3, 4], [9, 9], [3, 1]])


def test_what_makes_no_sense_is_refused(unchecked):
    responses, _ = draw()

    def changed(**fields):
        return dataclasses.replace(responses, **fields)

    profiles = responses.profiles.copy()
    profiles[3, 4] = np.inf
    with pytest.raises(ValueError, match="is inf at gene 'gene 4'"):
        changed(profiles=profiles)
    with pytest.raises(ValueError, match=r"the pair of 'drug 0' and 'cell 0' occurs twice"):
        changed(drug=np.zeros(len(responses), int), cell=np.zeros(len(responses), int))
    with pytest.raises(ValueError, match="cells holds 'x' twice"):
        changed(cells=("x", "x", "y", "z"))
    with pytest.raises(ValueError, match=r"cells\[2\] has no name; name each"):
        changed(cells=("x", "y", "", "z"))
    with pytest.raises(ValueError, match=r"cell goes from 0 to 3; there are 2 names"):
        changed(cells=("x", "y"))
    with pytest.raises(ValueError, match=r"drug is \(2,\) for"):
        changed(drug=np.zeros(2, int))
    with pytest.raises(ValueError, match="12 values for 1 genes"):
        changed(genes=("g",))
    with pytest.raises(ValueError, match="cell line 'nope' is not among cell 0"):
        responses.of_cells(("nope",))


def test_profiles_in_part_are_refused():
    responses, _ = draw()
    tensor = responses.tensor()
    tensor[responses.drug[0], 3, responses.cell[0]] = np.nan
    with pytest.raises(ValueError, match=r"'drug 0' in 'cell 0' lacks 1 of 12 genes \(1 profiles"):
        from_tensor(tensor, responses.drugs, responses.genes, responses.cells)
    with pytest.raises(ValueError, match=r"there are 8 drugs, 4 genes and 12 cell lines"):
        from_tensor(tensor, responses.drugs, responses.cells, responses.genes)
