"""Channels on their way through shapes: flattened, shuffled, cut up, averaged, unfolded.

As in test_channels.py the widths expected were worked out by hand. Most networks start with the
same convolution: 4 channels of which 1 = 0 and 3 = 2 * 2, so 2 stay.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.e2e.channels import Sketch, check, check_unchanged
from tests.models import node

PLANTED = {1: (1, 0), 3: (2, 2)}  # of 4 channels 2 stay


def start(relu: bool = True) -> tuple[Sketch, str]:
    """x (N, 1, 4, 4) -> conv `a` of 4 planted channels -> (N, 4, 2, 2), and the tensor's name."""
    s = Sketch()
    return s, s.conv("x", "a", (4, 1, 3, 3), PLANTED, relu)


READ = ("N", 1, 4, 4)
HALF = {"a": (2, 1, 3, 3), "a_b": (2,)}  # what is left of the first convolution


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0, -1], [0, -1]),
        ([-1, 16], [-1, 8]),
        ([0, 16], [0, 8]),
        ([3, 16], [3, 8]),
        ([3, -1], [3, -1]),
    ],
    ids=str,
)
def test_reshape_to_a_matrix(before, after):
    """A channel of 2 x 2 is 4 columns of the Gemm: 16 columns become 8, and so says the shape."""
    s, r = start()
    r = s.op("Reshape", r, s.ints("shape", *before), to="flat")
    s.gemm(r, "v", (3, 16), to="v_y")
    model = s.model((3 if before[0] == 3 else "N", 1, 4, 4))
    check(model, v=(3, 8), shape=after, **HALF)


@pytest.mark.parametrize("axis", [1, -3])
def test_flatten(axis):
    """The same with Flatten, and a MatMul that has a row per column."""
    s, r = start()
    r = s.op("Flatten", r, to="flat", axis=axis)
    s.weights |= {"v": s.drawn(16, 3), "v_b": s.drawn(3)}
    s.op("Add", s.op("MatMul", r, "v", to="h"), "v_b", to="v_y")
    check(s.model(READ), v=(8, 3), **HALF)


@pytest.mark.parametrize("last", [-1, 16])
def test_flatten_that_asks_for_the_batch(last):
    """x.view(x.size(0), -1) as PyTorch writes it, or with the width as a number, which is patched.

    Shape, Gather, Unsqueeze and Concat make the target of Reshape: its first entry is computed.
    """
    s, r = start()
    s.weights["first"] = np.array(0, np.int64)
    size = s.op("Gather", s.op("Shape", r, to="size"), "first", to="batch", axis=0)
    size = s.op("Unsqueeze", size, s.ints("axes", 0), to="batch_1")
    size = s.op("Concat", size, s.ints("width", last), to="target", axis=0)
    r = s.op("Reshape", r, size, to="flat")
    s.gemm(r, "v", (3, 16), to="v_y")
    check(s.model(READ), v=(3, 8), width=[-1 if last == -1 else 8], **HALF)


@pytest.mark.parametrize("whole", [6, -1])
def test_channel_shuffle(whole):
    """2 groups of 3 channels: 1 = 0 in the first, 4 = 3 in the second, the same place in both.

    So each group keeps 2, (N, 2, 3, H, W) becomes (N, 2, 2, H, W), and the 6 channels after the
    Transpose become 4.
    """
    s = Sketch()
    r = s.conv("x", "a", (6, 2, 3, 3), {1: (1, 0), 4: (1, 3)})
    r = s.op("Reshape", r, s.ints("apart", 0, 2, 3, 3, 3), to="groups")
    r = s.op("Transpose", r, to="turned", perm=[0, 2, 1, 3, 4])
    r = s.op("Reshape", r, s.ints("whole", 0, whole, 3, 3), to="shuffled")
    s.conv(r, "v", (2, 6, 1, 1), relu=False)
    check(
        s.model(),
        a=(4, 2, 3, 3),
        a_b=(4,),
        apart=[0, 2, 2, 3, 3],
        whole=[0, 4 if whole == 6 else -1, 3, 3],
        v=(2, 4, 1, 1),
    )


def test_channel_shuffle_with_redundancy_in_different_places():
    """1 = 0 in the first group (places 0 and 1), 5 = 3 in the second (places 2 and 0).

    Each group can spare one. Keeping the lowest would drop place 1 here and place 2 there; 1 and 5
    do as well, and then place 0 goes in both: 4 channels stay.
    """
    s = Sketch()
    r = s.conv("x", "a", (6, 2, 3, 3), {1: (1, 0), 5: (1, 3)})
    r = s.op("Reshape", r, s.ints("apart", 0, 2, 3, 3, 3), to="groups")
    r = s.op("Transpose", r, to="turned", perm=[0, 2, 1, 3, 4])
    r = s.op("Reshape", r, s.ints("whole", 0, 6, 3, 3), to="shuffled")
    s.conv(r, "v", (2, 6, 1, 1), relu=False)
    check(
        s.model(),
        a=(4, 2, 3, 3),
        a_b=(4,),
        apart=[0, 2, 2, 3, 3],
        whole=[0, 4, 3, 3],
        v=(2, 4, 1, 1),
    )


def split(s: Sketch, read: str, *parts: int) -> None:
    """Split channels into two parts, read by convs `v` and `w`."""
    s.ints("parts", *parts)
    s.nodes.append(node("Split", [read, "parts"], ["first", "second"], name="split", axis=1))
    for head, part, width in zip("vw", ("first", "second"), parts, strict=True):
        s.conv(part, head, (2, width, 1, 1), relu=False)


def test_split():
    """Parts 0-2 and 3-5, read by v and w. 1 = 0 and 5 = 2 * 4, each within a part.

    3 = 0 as well, but w reads only the second part: both stay. Of the parts 2 each stay.
    """
    s = Sketch()
    r = s.conv("x", "a", (6, 2, 3, 3), {1: (1, 0), 3: (1, 0), 5: (2, 4)})
    split(s, r, 3, 3)
    model = s.model(outputs=["v_y", "w_y"])
    after = {"parts": [2, 2], "v": (2, 2, 1, 1), "w": (2, 2, 1, 1)}
    check(model, a=(4, 2, 3, 3), a_b=(4,), **after)


def test_split_into_parts_of_other_sizes():
    """Only the first part can spare a channel: 1 = 0. The parts become 2 and 3."""
    s = Sketch()
    r = s.conv("x", "a", (6, 2, 3, 3), {1: (1, 0)})
    split(s, r, 3, 3)
    model = s.model(outputs=["v_y", "w_y"])
    check(model, a=(5, 2, 3, 3), a_b=(5,), parts=[2, 3], v=(2, 2, 1, 1))


def test_slice():
    """Channels 1 to 3 of 5, for w, while v reads all. 2 = 1, so 0, 1, 3, 4 stay.

    Of those the slice takes 1 and 3, at places 1 and 2: from 1 to 3.
    """
    s = Sketch()
    r = s.conv("x", "a", (5, 2, 3, 3), {2: (1, 1)})
    s.conv(r, "v", (2, 5, 1, 1), relu=False)
    bounds = [s.ints("starts", 1), s.ints("ends", 4), s.ints("axes", 1)]
    s.conv(s.op("Slice", r, *bounds, to="part"), "w", (2, 3, 1, 1), relu=False)
    check(
        s.model(outputs=["v_y", "w_y"]),
        a=(4, 2, 3, 3),
        a_b=(4,),
        ends=[3],
        v=(2, 4, 1, 1),
        w=(2, 2, 1, 1),
    )


def test_gather():
    """Channels 3, 0, 1 of 4: 2 is read by nobody, and 1 = 0. So 0 and 3 stay, taken as 1, 0."""
    s = Sketch()
    r = s.conv("x", "a", (4, 2, 3, 3), {1: (1, 0)})
    r = s.op("Gather", r, s.ints("taken", 3, 0, 1), to="part", axis=1)
    s.conv(r, "v", (2, 3, 1, 1), relu=False)
    check(s.model(), a=(2, 2, 3, 3), a_b=(2,), taken=[1, 0], v=(2, 2, 1, 1))


@pytest.mark.parametrize("before", [True, False])
def test_global_average_pool(before):
    """One number per channel: 4 columns of the Gemm become 2. Flatten or Reshape in between."""
    s, r = start()
    r = s.op("GlobalAveragePool", r, to="mean")
    if before:
        r = s.op("Flatten", r, to="flat")
    else:
        r = s.op("Reshape", r, s.ints("shape", -1, 4), to="flat")
    s.gemm(r, "v", (3, 4), to="v_y")
    check(s.model(READ), v=(3, 2), **HALF, **({} if before else {"shape": [-1, 2]}))


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_the_image(opset, keepdims):
    """Linear channels c, -c, d, 2d: a mean is linear, so the sign does not matter: 2 stay."""
    s = Sketch()
    r = s.conv("x", "a", (4, 1, 3, 3), {1: (-1, 0), 3: (2, 2)}, relu=False)
    if opset == 13:
        r = s.op("ReduceMean", r, to="mean", axes=[2, 3], keepdims=keepdims)
    else:
        r = s.op("ReduceMean", r, s.ints("axes", -1, -2), to="mean", keepdims=keepdims)
    if keepdims:
        r = s.op("Flatten", r, to="flat")
    s.gemm(r, "v", (3, 4), to="v_y")
    check(s.model(READ, opset=opset), v=(3, 2), **HALF)


def test_transformer_feed_forward():
    """x (N, T, 4) -> stream -> LayerNormalization -> 6 hidden of GELU -> stream -> normalised.

    Hidden 1 = 0 and 4 = 3 (GELU allows no other ratio: 5 = 2 * 2 stays): 4 stay. The stream's own
    feature 1 = 0 stays, since LayerNormalization reads all of them together. GELU is irrational, so
    outputs are close, not equal.
    """
    s = Sketch()
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    for name, shape, multiples in (
        ("w0", (4, 4), {1: (1, 0)}),
        ("w1", (4, 6), {1: (1, 0), 4: (1, 3), 5: (2, 2)}),
        ("w2", (6, 4), {}),
    ):
        s.rows(name, shape, multiples, axis=1)
    s.weights |= {"scale": ones, "shift": zeros}
    stream = s.op("Add", s.op("MatMul", "x", "w0", to="m0"), "w0_b", to="s")
    r = s.op("LayerNormalization", stream, "scale", "shift", to="n0")
    r = s.op("Add", s.op("MatMul", r, "w1", to="m1"), "w1_b", to="h")
    r = s.op("Add", s.op("MatMul", s.op("Gelu", r, to="g"), "w2", to="m2"), "w2_b", to="f")
    r = s.op("Add", stream, r, to="sum")
    s.op("LayerNormalization", r, "scale", "shift", to="v_y")
    model = s.model(("N", "T", 4), opset=20)
    check(model, exact=False, w1=(4, 4), w1_b=(4,), w2=(4, 4))


def test_decoder():
    """z -> Gemm of 12 -> (N, 3, 2, 2) -> ConvTranspose of 4 -> conv.

    Channel 1 = 0: all four of its features equal those of channel 0, at the same places. So 4 rows
    go, and a row of the transposed weights. Features 8 and 9 are equal too, but within channel 2:
    it stays whole. Of what ConvTranspose makes 3 = 2: 3 of 4 stay.
    """
    s = Sketch()
    s.rows("g", (12, 3), {**{4 + k: (1, k) for k in range(4)}, 9: (1, 8)})
    r = s.op("Gemm", "x", "g", "g_b", to="h", transB=1)
    r = s.op("Reshape", s.op("Relu", r, to="r"), s.ints("image", -1, 3, 2, 2), to="i")
    s.rows("t", (3, 4, 2, 2), {3: (1, 2)}, axis=1)
    r = s.op("ConvTranspose", r, "t", "t_b", to="u", strides=[2, 2])
    s.conv(s.op("Relu", r, to="ur"), "v", (2, 4, 1, 1), relu=False)
    check(
        s.model(("N", 3)),
        g=(8, 3),
        g_b=(8,),
        image=[-1, 2, 2, 2],
        t=(2, 3, 2, 2),
        t_b=(3,),
        v=(2, 3, 1, 1),
    )


def test_decoder_with_equal_features_at_different_places():
    """Channel 1 has the features of channel 0 in another order: another image, nothing goes."""
    s = Sketch()
    s.rows("g", (8, 3), {4: (1, 1), 5: (1, 0), 6: (1, 3), 7: (1, 2)})
    r = s.op("Gemm", "x", "g", "g_b", to="h", transB=1)
    r = s.op("Reshape", s.op("Relu", r, to="r"), s.ints("image", -1, 2, 2, 2), to="i")
    s.rows("t", (2, 4, 2, 2), axis=1)
    r = s.op("ConvTranspose", r, "t", "t_b", to="u", strides=[2, 2])
    s.conv(s.op("Relu", r, to="ur"), "v", (2, 4, 1, 1), relu=False)
    check_unchanged(s.model(("N", 3)))
