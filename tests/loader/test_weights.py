"""Stored numbers: where they come from, and external data on disk."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.errors import InputError
from lumpcli.loader import Weights, external_file, load, tensor_array
from lumpcli.loader.graph import index
from lumpcli.loader.weights import tensor_bytes, widens
from tests.loader.checks import same_outputs, stays
from tests.models import build, mlp, node, planted, reader

ROWS, BIAS = planted()


def _constants(nodes, weights, **options):
    """The constants of a model whose nodes make y of x among others."""
    model = build([*nodes, node("Relu", ["x"], ["y"])], weights)
    return Weights(index(model, ()), **options)


def test_a_chain_of_steps_and_the_way_back():
    nodes = [
        node("Identity", ["w"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[2, 0, 1]),
        node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
    ]
    root = np.arange(24, dtype="f2").reshape(2, 3, 4)
    stored = _constants(nodes, {"w": root}).get("c")
    assert stored.root == "w"
    assert (stored.array.dtype, stored.dtype) == (np.float16, np.float32)
    np.testing.assert_array_equal(stored.array, root.transpose(2, 0, 1))
    back = stored.at_root(stored.array[:, :1])
    np.testing.assert_array_equal(back, root[:1], strict=True)


def test_what_is_no_constant():
    nodes = [node("Exp", ["w"], ["e"]), node("Identity", ["e"], ["i"])]
    weights = _constants(nodes, {"w": ROWS})
    assert [weights.get(name) for name in ("x", "e", "i", "nothing")] == [None] * 4


@pytest.mark.parametrize(
    ("attribute", "value", "dtype"),
    [
        ("value_float", 1.5, "f4"),
        ("value_floats", [1.5, 2.0], "f4"),
        ("value_int", 3, "i8"),
        ("value_ints", [3, 4], "i8"),
    ],
)
def test_constants_in_attributes(attribute, value, dtype):
    stored = _constants([node("Constant", [], ["c"], **{attribute: value})], {}).get("c")
    np.testing.assert_array_equal(stored.array, np.array(value, dtype), strict=True)


def test_strings_are_no_numbers():
    strings = helper.make_tensor("s", TensorProto.STRING, [1], [b"a"])
    nodes = [
        node("Constant", [], ["c"], value_string="a"),
        node("Constant", [], ["d"], value=strings),
    ]
    weights = _constants(nodes, {})
    assert weights.get("c") is None
    assert weights.get("d") is None


def test_a_constant_of_shape_takes_no_memory():
    nodes = [
        node("ConstantOfShape", ["s"], ["c"], value=numpy_helper.from_array(np.array([3], "f8")))
    ]
    stored = _constants(nodes, {"s": np.array([10**6, 10**6])}).get("c")
    assert stored.array.shape == (10**6, 10**6)
    assert (stored.array[5, 7], stored.array.dtype) == (3, np.float64)


def test_overridable_initializers():
    model = mlp(listed=True)
    assert Weights(index(model, ())).overridable == {"w", "b", "v"}
    assert Weights(index(model, ()), freeze_initializers=True).overridable == set()
    model.ir_version = 3
    assert Weights(index(model, ())).overridable == set()


@pytest.mark.parametrize(
    ("narrow", "wide", "answer"),
    [
        ("f2", "f4", True),
        ("f2", "f8", True),
        ("f4", "f8", True),
        ("f4", "f4", True),
        ("f4", "f2", False),
        ("f8", "f4", False),
        (None, "f4", False),
    ],
)
def test_widening(narrow, wide, answer):
    assert widens(None if narrow is None else np.dtype(narrow), np.dtype(wide)) is answer


def test_neither_half_type_widens_the_other():
    bfloat16 = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    assert not widens(np.dtype("f2"), bfloat16)
    assert not widens(bfloat16, np.dtype("f2"))
    assert widens(bfloat16, np.dtype("f4"))


def test_a_broken_tensor_is_refused():
    model = mlp()
    model.graph.initializer[0].raw_data = b"abc"
    with pytest.raises(InputError, match="'w'"):
        load(model)


def test_weights_of_an_unknown_type_are_pinned():
    model = mlp()
    model.graph.initializer[0].data_type = 999
    stays(model, runs=False)


def test_sparse_weights_pass_through():
    values = numpy_helper.from_array(np.array([2, 3], "f4"), "w")
    where = numpy_helper.from_array(np.array([[0, 0], [4, 5]]))
    model = build([node("MatMul", ["x", "w"], ["y"])])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [5, 6]))
    assert any("'w' is computed, or stored in a way" in r for r in stays(model, runs=False))


def test_a_deep_network_is_no_deep_recursion():
    names = ["x", *(f"t{k}" for k in range(1500)), "h"]
    nodes = [node("Abs", [a], [b]) for a, b in pairwise(names)]
    model = build([*nodes, node("MatMul", ["h", "w"], ["y"])], {"w": ROWS.T.copy()})
    assert load(model).net["y"].width == 6


@pytest.mark.parametrize(
    ("type_", "dims", "expected"),
    [(1, [3, 5], 60), (11, [], 8), (10, [7], 14), (16, [0, 4], 0), (22, [5], 3), (9, [5], 5)],
)
def test_bytes_of_a_tensor(type_, dims, expected):
    assert tensor_bytes(TensorProto(data_type=type_, dims=dims)) == expected


# --- external data


@pytest.fixture
def external(tmp_path):
    """A model in a folder with all its numbers in weights.bin."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(
        mlp(),
        folder / "m.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return folder / "m.onnx"


def _edit(path, **entries):
    """Change what the first tensor says about its external data."""
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key in entries:
            entry.value = entries[entry.key]
    onnx.save(model, path)


def test_external_data_is_mapped_not_read(external):
    host = load(external)
    assert isinstance(host.weights.get("w").array, np.memmap)
    np.testing.assert_array_equal(host.weights.get("w").array, ROWS)
    assert not host.model.graph.initializer[0].raw_data
    assert reduce(external, check=False).changed


@pytest.mark.parametrize(
    "location", ["../weights.bin", "a/../weights.bin", "/etc/hostname", "", ".."]
)
def test_data_outside_the_folder_is_refused(external, location):
    (external.parent / "a").mkdir()
    (external.parent.parent / "weights.bin").write_bytes(bytes(1000))
    _edit(external, location=location)
    with pytest.raises(InputError, match=r"tensor 'w': external data at .* not inside the model's"):
        load(external)


def test_data_behind_a_link_out_of_the_folder_is_refused(external):
    """The file must lie in the model's folder, or in that of the model's real path."""
    data = external.parent / "weights.bin"
    data.rename(external.parent.parent / "elsewhere.bin")
    data.symlink_to(external.parent.parent / "elsewhere.bin")
    with pytest.raises(InputError, match="'w'"):
        load(external)


def test_missing_data_is_refused(external):
    (external.parent / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"m\.onnx: tensor 'w': .*weights\.bin does not exist"):
        load(external)
    (external.parent / "weights.bin").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        load(external)


def test_short_data_is_refused_with_both_sizes(external):
    data = external.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[:-1])
    size = data.stat().st_size
    with pytest.raises(InputError, match=rf"needs 72 bytes of .*weights\.bin.* has {size}"):
        load(external)


@pytest.mark.parametrize(
    "entries", [{"offset": "-4"}, {"offset": "many"}, {"length": "119"}, {"length": "x"}]
)
def test_impossible_offsets_and_lengths_are_refused(external, entries):
    _edit(external, **entries)
    with pytest.raises(InputError, match="'w'"):
        load(external)


def test_a_file_without_offset_and_length_is_read_from_its_start(tmp_path):
    ROWS.tofile(tmp_path / "w.bin")
    tensor = TensorProto(name="w", dims=ROWS.shape, data_type=1, data_location=1)
    tensor.external_data.add(key="location", value="w.bin")
    assert external_file(tensor, [tmp_path]) == (tmp_path / "w.bin", 0)
    np.testing.assert_array_equal(tensor_array(tensor, [tmp_path]), ROWS)


@pytest.mark.parametrize("beside", ["link", "real"])
def test_the_cache_of_hugging_face(external, tmp_path, beside):
    """snapshots/m.onnx is a link into blobs; the data lies (or is linked) beside one of the two."""
    snapshots, blobs = tmp_path / "snapshots", tmp_path / "blobs"
    snapshots.mkdir()
    blobs.mkdir()
    external.rename(blobs / "17ac")
    data = external.parent / "weights.bin"
    if beside == "link":
        data.rename(blobs / "c0de")
        (snapshots / "weights.bin").symlink_to("../blobs/c0de")
    else:
        data.rename(blobs / "weights.bin")
    (snapshots / "m.onnx").symlink_to("../blobs/17ac")
    np.testing.assert_array_equal(load(snapshots / "m.onnx").weights.get("w").array, ROWS)
    reduced = reduce(snapshots / "m.onnx", tmp_path / "small.onnx", check=False)
    assert reduced.changed
    same_outputs(mlp(), onnx.load(tmp_path / "small.onnx"))


def test_an_empty_external_tensor(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"")
    tensor = TensorProto(name="w", dims=[0, 4], data_type=1, data_location=1)
    tensor.external_data.add(key="location", value="w.bin")
    assert tensor_array(tensor, [tmp_path]).shape == (0, 4)


def test_a_model_in_memory_has_its_data_in_the_folder_named(external):
    model = onnx.load(external, load_external_data=False)
    host = load(model, folder=external.parent)
    np.testing.assert_array_equal(host.weights.get("v").array, reader())


def test_packed_numbers_in_a_data_file(tmp_path):
    (tmp_path / "q.bin").write_bytes(b"....\xe1\xc3\x05")
    tensor = TensorProto(name="q", dims=[5], data_type=TensorProto.INT4, data_location=1)
    for key, value in (("location", "q.bin"), ("offset", "4"), ("length", "3")):
        tensor.external_data.add(key=key, value=value)
    assert tensor_array(tensor, [tmp_path]).astype(int).tolist() == [1, -2, 3, -4, 5]
