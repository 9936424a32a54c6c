"""Channels of convolutions: what is planted is found to the last channel, and no more than that.

The widths expected were worked out by hand from the rules in docs/theory.md; the comments say how.
Weights are named after their layer, biases after their weights with `_b`.
"""

from __future__ import annotations

import numpy as np
import pytest

from lumpcli.api import reduce
from tests.e2e.channels import Sketch, check, check_unchanged, constants, equal, group_of


def grouped(first, middle) -> Sketch:
    """x -> conv `a` of 6 -> relu -> conv `g` of 6 in 2 groups -> relu -> conv `v`."""
    s = Sketch(seed=10)  # no ReLU of g is always on or always off
    r = s.conv("x", "a", (6, 2, 3, 3), first)
    r = s.conv(r, "g", (6, 3, 1, 1), middle, group=2)
    s.conv(r, "v", (2, 6, 1, 1), relu=False)
    return s


def test_grouped_convolution():
    """Groups read channels 0-2 and 3-5, and make 0-2 and 3-5.

    a: 1 = 0 (first group), 5 = 2 * 4 (second): 2 of 3 stay in each. g: 1 = 0 and 5 = 4: again 2 of
    3 in each. So the group attribute stays 2, and g has 4 rows over 2 columns.
    """
    model = grouped({1: (1, 0), 5: (2, 4)}, {1: (1, 0), 5: (1, 4)}).model()
    small = check(model, a=(4, 2, 3, 3), a_b=(4,), g=(4, 2, 1, 1), g_b=(4,), v=(2, 4, 1, 1))
    assert group_of(small, "g_y") == 2


def test_grouped_convolution_whose_groups_differ():
    """One group could lose a channel, the other none. Groups are of one size, so nothing goes."""
    check_unchanged(grouped({1: (1, 0)}, {5: (1, 4)}).model())


def test_no_merge_across_groups():
    """a: 3 = 0, but they are read by different groups: neither row can take the other's column."""
    check_unchanged(grouped({3: (1, 0)}, {}).model())


def test_depthwise_convolution():
    """a: 2 = 2 * 0. The kernels 0 and 2 of d are equal, its bias 2 is twice bias 0.

    So 2 = 2 * 0 behind d too, with padding as without: a, d and the reader have 3 channels, and
    there are as many groups.
    """
    s = Sketch()
    r = s.conv("x", "a", (4, 2, 3, 3), {2: (2, 0)})
    r = s.conv(r, "d", (4, 1, 3, 3), group=4, pads=[1] * 4)
    s.weights["d"][2], s.weights["d_b"][2] = s.weights["d"][0], 2 * s.weights["d_b"][0]
    s.conv(r, "v", (2, 4, 1, 1), relu=False)
    small = check(s.model(), a=(3, 2, 3, 3), a_b=(3,), d=(3, 1, 3, 3), d_b=(3,), v=(2, 3, 1, 1))
    assert group_of(small, "d_y") == 3


def test_depthwise_kernels_that_differ():
    """a: 1 = 0, but d has another kernel for each: both are needed behind d, so in a too."""
    s = Sketch()
    r = s.conv("x", "a", (4, 2, 3, 3), {1: (1, 0)})
    r = s.conv(r, "d", (4, 1, 3, 3), group=4)
    s.conv(r, "v", (2, 4, 1, 1), relu=False)
    check_unchanged(s.model())


@pytest.mark.parametrize(("pads", "width"), [([1] * 4, 3), ([0] * 4, 2), ([0, 0, 1, 0], 3)])
def test_constant_channels(pads, width):
    """a: channels 2, 3, 4 have zero rows and biases 1, 2, 4, so they are constants 1, 2, 4.

    A reader without padding takes them into its bias: 2 channels stay. Behind zero padding they are
    1, 2, 4 inside the image and 0 outside: multiples of one another, so one of them stays: 3.
    Padding on one side suffices for that.
    """
    s = Sketch()
    r = s.conv("x", "a", (5, 2, 3, 3))
    s.weights["a"][2:] = 0
    s.weights["a_b"][2:] = [1, 2, 4]
    s.conv(r, "v", (2, 5, 3, 3), relu=False, pads=pads)
    check(s.model(), a=(width, 2, 3, 3), a_b=(width,), v=(2, width, 3, 3))


@pytest.mark.parametrize(
    ("pool", "options", "width"),
    [
        ("MaxPool", {"kernel_shape": [2, 2]}, 3),
        ("MaxPool", {"kernel_shape": [3, 3], "pads": [1] * 4}, 3),
        ("GlobalMaxPool", {}, 3),
        ("AveragePool", {"kernel_shape": [2, 2]}, 2),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1] * 4, "count_include_pad": 1}, 2),
    ],
)
def test_pools(pool, options, width):
    """Channels c, -c, 2c and another one, linear, behind a pool.

    The maximum of -c is not minus the maximum of c: c and 2c share a channel, 3 stay. An average is
    linear, and zeros from outside do no harm without an offset: all three share one, 2 stay.
    """
    s = Sketch()
    r = s.conv("x", "a", (4, 2, 2, 2), {1: (-1, 0), 2: (2, 0)}, relu=False)
    r = s.op(pool, r, to="p", **options)
    s.conv(r, "v", (2, 4, 1, 1), relu=False)
    check(s.model(), a=(width, 2, 2, 2), a_b=(width,), v=(2, width, 1, 1))


def two_branches(b_of_a) -> Sketch:
    """Convs `a` and `b` of 3 channels, ReLU, and their Concat `c`. b's row i is a's b_of_a[i]."""
    s = Sketch()
    ra, rb = (s.conv("x", name, (3, 2, 3, 3)) for name in ("a", "b"))
    for i, k in b_of_a.items():
        s.weights["b"][i], s.weights["b_b"][i] = s.weights["a"][k], s.weights["a_b"][k]
    s.op("Concat", ra, rb, to="c", axis=1)
    return s


def widths_of_branches(s: Sketch, heads, outputs) -> tuple[int, int]:
    """Widths of a and b after a reduction; the heads have as many columns as the two together."""
    model = s.model(outputs=outputs)
    small = reduce(model).model
    equal(model, small)
    found = constants(small)
    a, b = found["a"][0], found["b"][0]
    assert {found[head][1] for head in heads} == {a + b}
    assert (found["a_b"], found["b_b"]) == ((a,), (b,))
    return a, b


def test_concat_of_branches_that_share_a_channel():
    """b's channel 1 is a's channel 2, so one of the 6 can go, on either side."""
    s = two_branches({1: 2})
    s.conv("c", "v", (2, 6, 1, 1), relu=False)
    assert sum(widths_of_branches(s, "v", ["v_y"])) == 5


def test_branches_read_by_two_heads():
    """b's channels 0 and 1 are a's 1 and 0. Both heads read the whole Concat: 4 of 6 are needed."""
    s = two_branches({0: 1, 1: 0})
    for head in ("v", "w"):
        s.conv("c", head, (2, 6, 1, 1), relu=False)
    assert sum(widths_of_branches(s, "vw", ["v_y", "w_y"])) == 4


def test_a_branch_twice():
    """b is a. Each branch keeps at least one channel, for the shape of its tensor.

    Three channels in all would do (2 and 1); four are allowed (3 and one that nobody needs).
    """
    s = two_branches({0: 0, 1: 1, 2: 2})
    for head in ("v", "w"):
        s.conv("c", head, (2, 6, 1, 1), relu=False)
    assert 3 <= sum(widths_of_branches(s, "vw", ["v_y", "w_y"])) <= 4


def test_residual_stream():
    """Stream s and branch g both have 1 = 0, so their sum has; f reads the stream, v the sum.

    All of s, g and the sum have 3 channels after that, f keeps its 3.
    """
    s = Sketch()
    stream = s.conv("x", "s", (4, 4, 1, 1), {1: (1, 0)}, relu=False)
    r = s.conv(stream, "f", (3, 4, 1, 1))
    r = s.conv(r, "g", (4, 3, 1, 1), {1: (1, 0)}, relu=False)
    r = s.op("Relu", s.op("Add", stream, r, to="sum"), to="r")
    s.conv(r, "v", (2, 4, 1, 1), relu=False)
    check(
        s.model(("N", 4, 5, 5)),
        s=(3, 4, 1, 1),
        s_b=(3,),
        f=(3, 3, 1, 1),
        g=(3, 3, 1, 1),
        g_b=(3,),
        v=(2, 3, 1, 1),
    )


def test_residual_stream_with_a_duplicate_in_one_branch_only():
    """s has 1 = 0, g has not, nor has the sum. What is summed keeps the same channels: all."""
    s = Sketch()
    stream = s.conv("x", "s", (4, 4, 1, 1), {1: (1, 0)}, relu=False)
    r = s.conv("x", "g", (4, 4, 1, 1), relu=False)
    r = s.op("Relu", s.op("Add", stream, r, to="sum"), to="r")
    s.conv(r, "v", (2, 4, 1, 1), relu=False)
    check_unchanged(s.model(("N", 4, 5, 5)))


@pytest.mark.parametrize(("gamma", "width"), [(3.0, 4), (0.0, 3)])
def test_batch_normalization(gamma, width):
    """a: 1 = 0 and 4 = 3. Channels 0 and 1 have the same statistics: one of them goes.

    3 and 4 have not the same variance, and gamma / sqrt(variance + eps) is irrational: no exact
    ratio, 4 stay. With gamma 0 channel 4 is the constant relu(beta), which the reader's bias takes:
    3 stay. Each row of the reader reads one value, times 1 or 2, so nothing is rounded.
    """
    s = Sketch()
    r = s.conv("x", "a", (5, 2, 3, 3), {1: (1, 0), 4: (1, 3)}, relu=False)
    statistics = {
        "gamma": [1, 1, 2, 3, gamma],
        "beta": [1, 1, -1, 2, 2],
        "mean": [0, 0, 1, -1, -1],
        "variance": [2, 2, 1, 3, 5],
    }
    s.weights |= {name: np.array(numbers, np.float32) for name, numbers in statistics.items()}
    r = s.op("Relu", s.op("BatchNormalization", r, *statistics, to="n"), to="r")
    s.conv(r, "v", (4, 5, 1, 1), relu=False)
    reads = [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 1]]
    s.weights["v"] = np.array(reads, np.float32)[..., None, None]
    s.weights["v_b"][:] = 0
    after = dict.fromkeys((*statistics, "a_b"), (width,))
    check(s.model(), a=(width, 2, 3, 3), v=(4, width, 1, 1), **after)
