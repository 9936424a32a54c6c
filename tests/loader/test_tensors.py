"""The numbers of a tensor, wherever they are: the tensor itself, the file around it, another."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from lumpcli.api import reduce
from lumpcli.errors import InputError
from lumpcli.loader import external_file, load, read_model, tensor_array
from lumpcli.loader.tensors import filler, tensor_bytes
from tests.loader.checks import same_outputs
from tests.models import build, mlp, node, planted, reader
from tests.wire.models import lower

ROWS, BIAS = planted()
TYPES = {name: number for name, number in TensorProto.DataType.items() if name != "UNDEFINED"}


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("type_", TYPES)
def test_numbers_in_the_model_file(tmp_path, monkeypatch, type_, offset):
    """Of every type, wherever they begin: a view is what a copy would be."""
    lower(monkeypatch)
    raw = np.random.default_rng(0).integers(0, 2, 192, np.uint8).tobytes()
    tensor = TensorProto(name="w", data_type=TYPES[type_], raw_data=raw)
    eight = tensor_bytes(TensorProto(data_type=TYPES[type_], dims=[8]))
    tensor.dims.extend([2, 96 * 8 // eight])
    model = build([node("Relu", ["x"], ["y"])])
    model.doc_string = "." * offset
    model.graph.initializer.append(tensor)
    onnx.save(model, tmp_path / "m.onnx")
    model, payloads = read_model(tmp_path / "m.onnx")
    (tensor_read,) = model.graph.initializer
    assert payloads.find(tensor_read.raw_data).content() == raw
    found = tensor_array(tensor_read, [], payloads)
    if type_ == "STRING":
        assert found is None
        return
    try:
        expected = numpy_helper.to_array(tensor)
    except ValueError:  # so many bytes are no whole number of them
        expected = None
    np.testing.assert_array_equal(found, expected, strict=True)
    if type_ in ("FLOAT", "BFLOAT16", "INT64", "BOOL"):
        assert not found.flags.owndata
        assert not found.flags.writeable


@pytest.mark.parametrize(
    ("type_", "dims"), [("FLOAT", [7]), ("FLOAT", [3, 17]), ("BFLOAT16", [101])]
)
def test_numbers_of_another_count_than_the_shape_says(tmp_path, monkeypatch, type_, dims):
    model = build([node("MatMul", ["x", "w"], ["y"])])
    raw = bytes(199 if type_ == "BFLOAT16" else 200)
    model.graph.initializer.append(
        TensorProto(name="w", data_type=TYPES[type_], dims=dims, raw_data=raw)
    )
    onnx.save(model, tmp_path / "m.onnx")
    for least in (1000, 17):
        lower(monkeypatch, least)
        with pytest.raises(InputError, match=r"m\.onnx: tensor 'w' is broken"):
            load(tmp_path / "m.onnx")


def test_a_segment_is_refused(tmp_path, monkeypatch):
    lower(monkeypatch)
    model = mlp()
    model.graph.initializer[0].segment.begin = 1
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="segments"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize(("array", "number"), [(5, 5), ([5], 5), ([[2.5]], 2.5), ([], None)])
def test_a_filler_is_one_number(array, number):
    tensor = numpy_helper.from_array(np.array(array))
    if number is not None:
        assert filler(tensor) == number
        return
    with pytest.raises(ValueError, match="not one"):
        filler(tensor)


def test_a_filler_that_stands_in_the_file_is_none(tmp_path, monkeypatch):
    """One number with the bytes of many: broken, but nobody has to read it."""
    lower(monkeypatch)
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], raw_data=bytes(96))
    nodes = [node("ConstantOfShape", ["n"], ["c"], value=tensor), node("Add", ["x", "c"], ["y"])]
    onnx.save(build(nodes, {"n": np.array([5])}), tmp_path / "m.onnx")
    assert load(tmp_path / "m.onnx").weights.get("c") is None


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


def test_a_location_too_long_for_the_disk_is_a_missing_file(external):
    _edit(external, location="w" * 5000)
    with pytest.raises(InputError, match="does not exist"):
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
