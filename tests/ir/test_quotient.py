from __future__ import annotations

from fractions import Fraction

import numpy as np

from lumpcli.ir import LayerCut, Quotient
from tests.nets import source


def cut(keep, carrier):
    n = len(carrier)
    ones, zeros = (Fraction(1),) * n, (Fraction(0),) * n
    return LayerCut(np.array(keep), np.array(carrier), ones, zeros, ("kept",) * n)


def test_columns_move_unless_every_feature_carries_itself():
    assert not cut([0, 1, 2], [0, 1, 2]).moves_columns
    assert cut([0, 2], [0, 0, 2]).moves_columns
    assert cut([0, 2], [0, -1, 2]).moves_columns
    assert cut([0, 1], [1, 0]).moves_columns


def test_layers_without_a_cut_stay_whole():
    quotient = Quotient({"a": cut([0, 2], [0, 0, 2])})
    assert quotient.keep(source("a", 3)).tolist() == [0, 2]
    assert quotient.keep(source("b", 3)).tolist() == [0, 1, 2]
    assert not cut([0], [0]).emptied
