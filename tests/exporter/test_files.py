"""Model files on disk, with their data files."""

from __future__ import annotations

import errno
import os
import stat

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lumpcli.api import reduce
from lumpcli.errors import OutputError
from lumpcli.exporter import check_target, publish, staging
from lumpcli.loader import load
from tests.evaluate import run
from tests.models import build, info, integers, mlp, node, planted, reader, weight

ROWS, BIAS = planted()


def _save(path, model, location="weights.bin", threshold=0, **options):
    """The model at the path, with its numbers in data files beside it."""
    path.parent.mkdir(exist_ok=True)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    external = {"save_as_external_data": True, "location": location, "size_threshold": threshold}
    onnx.save(copy, path, **(external | options))
    return path


@pytest.fixture
def source(tmp_path):
    return _save(tmp_path / "in" / "m.onnx", mlp())


def _files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _works(path, model=None):
    """The file runs from where it lies, and gives the outputs of the model."""
    model = model or mlp()
    inputs = integers(model)
    expected, found = run(model, inputs), run(str(path), inputs)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_in_another_folder_data_files_keep_their_names(source, tmp_path):
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "small.onnx"
    assert reduce(source, out).changed
    assert _files(out.parent) == ["small.onnx", "weights.bin"]
    _works(out)
    loaded = onnx.load(out)
    assert [weight(loaded, name).shape for name in "wbv"] == [(4, 5), (4,), (4, 3)]
    data = out.parent / "weights.bin"
    assert data.stat().st_size < (source.parent / "weights.bin").stat().st_size


def test_beside_the_original_data_files_are_named_after_the_output(source):
    before = (source.parent / "weights.bin").read_bytes()
    reduce(source, source.parent / "small.onnx")
    assert _files(source.parent) == ["m.onnx", "small.onnx", "small.onnx.data", "weights.bin"]
    assert (source.parent / "weights.bin").read_bytes() == before
    _works(source.parent / "small.onnx")
    _works(source)


def test_in_place(source):
    reduce(source, source, force=True)
    assert _files(source.parent) == ["m.onnx", "weights.bin"]
    assert load(source).net["r"].width == 4
    _works(source)


def test_several_data_files_and_folders(tmp_path):
    source = _save(tmp_path / "in" / "m.onnx", mlp(), location=None, all_tensors_to_one_file=False)
    model = onnx.load(source, load_external_data=False)
    (source.parent / "deep").mkdir()
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            (source.parent / entry.value).rename(source.parent / "deep" / "w")
            entry.value = "deep/w"
    onnx.save(model, source)
    (tmp_path / "out").mkdir()
    reduce(source, tmp_path / "out" / "small.onnx")
    assert _files(tmp_path / "out") == ["b", "deep/w", "small.onnx", "v"]
    _works(tmp_path / "out" / "small.onnx")
    reduce(source, source.parent / "small.onnx")
    assert {n for n in _files(source.parent) if n.startswith("small")} == {
        *("small.onnx", "small.onnx.data", "small.onnx.1.data", "small.onnx.2.data")
    }
    _works(source.parent / "small.onnx")


def test_ordinary_permissions_and_no_links(source, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    (tmp_path / "out").mkdir()
    reduce(source, tmp_path / "out" / "small.onnx")
    for name in ("small.onnx", "weights.bin"):
        found = (tmp_path / "out" / name).stat()
        assert stat.S_IMODE(found.st_mode) == stat.S_IMODE(plain.stat().st_mode)
        assert found.st_nlink == 1
        assert found.st_ino != (source.parent / "weights.bin").stat().st_ino


def _with_more(**more):
    """The planted model and tensors that an Abs each turns into outputs."""
    model = mlp()
    for name, array in more.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
        model.graph.node.append(node("Abs", [name], [f"{name}_out"]))
        model.graph.output.append(info(f"{name}_out", None, array.dtype))
    return model


def test_unchanged_tensors_keep_their_bytes_and_alignment(tmp_path):
    big = np.random.default_rng(1).standard_normal(3000).astype("f4")
    model = _with_more(big=big, ids=np.arange(5))
    source = _save(tmp_path / "in" / "m.onnx", model)
    reduce(source, tmp_path / "small.onnx")
    _works(tmp_path / "small.onnx", model)
    small = onnx.load(tmp_path / "small.onnx", load_external_data=False)
    content = (tmp_path / "weights.bin").read_bytes()
    starts = []
    for tensor in small.graph.initializer:
        entry = {e.key: e.value for e in tensor.external_data}
        start, length = int(entry["offset"]), int(entry["length"])
        starts.append(start)
        if tensor.name == "big":
            assert content[start : start + length] == big.tobytes()
    assert starts == sorted(starts)
    before = onnx.load(source, load_external_data=False)
    old = [
        int(e.value) for t in before.graph.initializer for e in t.external_data if e.key == "offset"
    ]
    assert np.gcd.reduce(old) == 0 or all(
        start % min(np.gcd.reduce(old), 65536) == 0 for start in starts
    )


def test_packed_and_unknown_types_keep_their_bytes(tmp_path):
    """Two numbers per byte: copied as they are."""
    model = mlp(opset=21, ir=10)
    packed = helper.make_tensor("q", TensorProto.INT4, [5], b"\xe1\xc3\x05", raw=True)
    scale = numpy_helper.from_array(np.array(2, "f4"), "scale")
    model.graph.initializer.extend([scale, packed])
    model.graph.node.append(node("DequantizeLinear", ["q", "scale"], ["z"]))
    model.graph.output.append(info("z", None))
    source = _save(tmp_path / "in" / "m.onnx", model)
    _works(source, model)
    assert reduce(source, tmp_path / "small.onnx").changed
    _works(tmp_path / "small.onnx", model)
    lengths = {
        t.name: e.value
        for t in onnx.load(tmp_path / "small.onnx", load_external_data=False).graph.initializer
        for e in t.external_data
        if e.key == "length"
    }
    assert lengths["q"] == "3"
    assert load(tmp_path / "small.onnx").net["r"].width == 4


def test_data_of_constant_nodes_comes_along(tmp_path):
    values = numpy_helper.from_array(np.arange(6, dtype="f4"), "k")
    model = mlp()
    model.graph.node.append(node("Constant", [], ["c"], value=values))
    model.graph.node.append(node("Abs", ["c"], ["z"]))
    model.graph.output.append(info("z", None))
    source = _save(tmp_path / "in" / "m.onnx", model, convert_attribute=True)
    assert onnx.load(source, load_external_data=False).graph.node[3].attribute[0].t.external_data
    assert reduce(source, tmp_path / "small.onnx", check=False).changed
    loaded = onnx.load(tmp_path / "small.onnx")
    assert numpy_helper.to_array(loaded.graph.node[3].attribute[0].t).tolist() == [0, 1, 2, 3, 4, 5]
    reduce(source, source.parent / "small.onnx", check=False)
    loaded = onnx.load(source.parent / "small.onnx")
    assert numpy_helper.to_array(loaded.graph.node[3].attribute[0].t).tolist() == [0, 1, 2, 3, 4, 5]


def test_data_of_subgraphs_comes_along(tmp_path):
    inner = numpy_helper.from_array(np.arange(6, dtype="f4"), "k")
    body = helper.make_graph([node("Abs", ["k"], ["a"])], "b", [], [info("a", None)], [inner])
    model = mlp()
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "flag"))
    model.graph.node.append(node("If", ["flag"], ["z"], then_branch=body, else_branch=body))
    model.graph.output.append(info("z", None))
    source = _save(tmp_path / "in" / "m.onnx", model)
    _works(source, model)
    reduce(source, tmp_path / "small.onnx")
    _works(tmp_path / "small.onnx", model)


def test_the_shape_of_a_constant_of_shape_lies_in_a_data_file(tmp_path):
    nodes = [
        node("ConstantOfShape", ["n"], ["b"]),
        node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
    ]
    model = build(nodes, {"w": ROWS, "v": reader(), "n": np.array([6])})
    source = _save(tmp_path / "in" / "m.onnx", model)
    assert reduce(source, tmp_path / "small.onnx", check=False).changed
    assert load(tmp_path / "small.onnx").net["r"].width == 4


def test_nothing_to_cut_copies_model_and_data_byte_for_byte(tmp_path):
    model = build([node("MatMul", ["x", "w"], ["y"])], {"w": ROWS.T.copy()})
    source = _save(tmp_path / "in" / "m.onnx", model)
    (tmp_path / "out").mkdir()
    result = reduce(source, tmp_path / "out" / "same.onnx")
    assert not result.changed
    assert _files(tmp_path / "out") == ["same.onnx", "weights.bin"]
    assert (tmp_path / "out" / "same.onnx").read_bytes() == source.read_bytes()
    data = (tmp_path / "out" / "weights.bin").read_bytes()
    assert data == (source.parent / "weights.bin").read_bytes()
    reduce(source, source.parent / "same.onnx")
    assert _files(source.parent) == ["m.onnx", "same.onnx", "weights.bin"]


def test_a_foreign_data_file_is_never_replaced(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights.bin").write_bytes(b"precious")
    reduce(source, tmp_path / "out" / "small.onnx", force=True)
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"precious"
    _works(tmp_path / "out" / "small.onnx")


def test_an_old_output_is_replaced_with_its_data(source, tmp_path):
    out = tmp_path / "out" / "small.onnx"
    out.parent.mkdir()
    reduce(source, out)
    reduce(source, out, force=True)
    assert _files(out.parent) == ["small.onnx", "weights.bin"]
    _works(out)


def test_nothing_is_left_behind_when_writing_fails(source, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lumpcli.exporter.files.os.replace", full)
    with pytest.raises(OutputError, match=r"small\.onnx cannot be written: no space left"):
        reduce(source, tmp_path / "out" / "small.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_targets(tmp_path):
    assert check_target(tmp_path / "new.onnx", force=False) == (tmp_path / "new.onnx").resolve()
    old = tmp_path / "old.onnx"
    old.write_bytes(b"x")
    with pytest.raises(OutputError, match=r"old\.onnx exists; use --force"):
        check_target(old, force=False)
    assert check_target(old, force=True) == old.resolve()
    with pytest.raises(OutputError, match="is a folder"):
        check_target(tmp_path, force=True)
    with pytest.raises(OutputError, match="does not exist"):
        check_target(tmp_path / "no" / "new.onnx", force=False)
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(OutputError, match="exists"):
        check_target(tmp_path / "link", force=False)


def test_staging_is_beside_the_target_and_goes_away(tmp_path):
    with staging(tmp_path / "m.onnx") as folder:
        (folder / "m.onnx").write_bytes(b"new")
        assert folder.parent == tmp_path
        publish(folder, ["m.onnx"], tmp_path / "m.onnx")
    assert _files(tmp_path) == ["m.onnx"]
    with (
        pytest.raises(OutputError, match="cannot be written: No such file"),
        staging(tmp_path / "no" / "m.onnx"),
    ):
        pass
