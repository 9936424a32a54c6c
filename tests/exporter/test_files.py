"""Model files on disk, with their data files."""

from __future__ import annotations

import errno
import os
import stat

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lumpcli.api import reduce
from lumpcli.errors import OutputError
from lumpcli.exporter import check_target, publish, staging
from lumpcli.loader import load
from tests.exporter.disk import save, works
from tests.models import build, info, mlp, node, planted, weight

ROWS, BIAS = planted()


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "in" / "m.onnx", mlp())


def _files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_in_another_folder_data_files_keep_their_names(source, tmp_path):
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "small.onnx"
    assert reduce(source, out).changed
    assert _files(out.parent) == ["small.onnx", "weights.bin"]
    works(out)
    loaded = onnx.load(out)
    assert [weight(loaded, name).shape for name in "wbv"] == [(4, 5), (4,), (4, 3)]
    data = out.parent / "weights.bin"
    assert data.stat().st_size < (source.parent / "weights.bin").stat().st_size


def test_beside_the_original_data_files_are_named_after_the_output(source):
    before = (source.parent / "weights.bin").read_bytes()
    reduce(source, source.parent / "small.onnx")
    assert _files(source.parent) == ["m.onnx", "small.onnx", "small.onnx.data", "weights.bin"]
    assert (source.parent / "weights.bin").read_bytes() == before
    works(source.parent / "small.onnx")
    works(source)


def test_in_place(source):
    reduce(source, source, force=True)
    assert _files(source.parent) == ["m.onnx", "weights.bin"]
    assert load(source).net["r"].width == 4
    works(source)


def test_several_data_files_and_folders(tmp_path):
    source = save(tmp_path / "in" / "m.onnx", mlp(), location=None, all_tensors_to_one_file=False)
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
    works(tmp_path / "out" / "small.onnx")
    reduce(source, source.parent / "small.onnx")
    assert {n for n in _files(source.parent) if n.startswith("small")} == {
        *("small.onnx", "small.onnx.data", "small.onnx.1.data", "small.onnx.2.data")
    }
    works(source.parent / "small.onnx")


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
    source = save(tmp_path / "in" / "m.onnx", model)
    reduce(source, tmp_path / "small.onnx")
    works(tmp_path / "small.onnx", model)
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


def test_nothing_to_cut_copies_model_and_data_byte_for_byte(tmp_path):
    model = build([node("MatMul", ["x", "w"], ["y"])], {"w": ROWS.T.copy()})
    source = save(tmp_path / "in" / "m.onnx", model)
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
    works(tmp_path / "out" / "small.onnx")


def test_a_copy_never_replaces_a_foreign_data_file(tmp_path):
    model = build([node("MatMul", ["x", "w"], ["y"])], {"w": ROWS.T.copy()})
    source = save(tmp_path / "in" / "m.onnx", model)
    (tmp_path / "weights.bin").write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"weights\.bin exists"):
        reduce(source, tmp_path / "same.onnx", force=True)
    assert _files(tmp_path) == ["in/m.onnx", "in/weights.bin", "weights.bin"]
    assert (tmp_path / "weights.bin").read_bytes() == b"precious"


def test_an_old_output_is_replaced_with_its_data(source, tmp_path):
    out = tmp_path / "out" / "small.onnx"
    out.parent.mkdir()
    reduce(source, out)
    reduce(source, out, force=True)
    assert _files(out.parent) == ["small.onnx", "weights.bin"]
    works(out)


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
    with pytest.raises(OutputError, match="is not a folder"):
        check_target(old / "new.onnx", force=False)
    with pytest.raises(OutputError, match="is empty"):
        check_target("", force=False)
    with pytest.raises(OutputError, match="is not a regular file"):
        check_target("/dev/null", force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(tmp_path / ("n" * 300), force=True)
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


def test_data_that_another_model_reads_is_never_replaced(source, tmp_path):
    twin = source.parent / "twin.onnx"
    twin.write_bytes(source.read_bytes())
    before = (source.parent / "weights.bin").read_bytes()
    reduce(source, source, force=True)
    assert (source.parent / "weights.bin").read_bytes() == before
    assert _files(source.parent) == ["m.onnx", "m.onnx.data", "twin.onnx", "weights.bin"]
    works(source)
    works(twin)


def test_a_copy_keeps_the_data_it_shares(source, tmp_path):
    out = tmp_path / "out" / "small.onnx"
    out.parent.mkdir()
    reduce(source, out)
    reduce(out, out.parent / "copy.onnx")
    before = (out.parent / "weights.bin").read_bytes()
    reduce(source, out, force=True)
    assert (out.parent / "weights.bin").read_bytes() == before
    works(out.parent / "copy.onnx")
    works(out)


def test_a_link_into_another_folder_gets_no_data_files(source, tmp_path):
    """The data would lie beside the file, not beside the link that is opened."""
    (tmp_path / "snapshot").mkdir()
    for name in ("m.onnx", "weights.bin"):
        (tmp_path / "snapshot" / name).symlink_to(source.parent / name)
    link = tmp_path / "snapshot" / "m.onnx"
    before = {name: (source.parent / name).read_bytes() for name in ("m.onnx", "weights.bin")}
    with pytest.raises(OutputError, match="name a file that is no link"):
        reduce(link, link, force=True)
    assert {name: (source.parent / name).read_bytes() for name in before} == before
    reduce(link, tmp_path / "snapshot" / "small.onnx")
    works(tmp_path / "snapshot" / "small.onnx")


def test_what_is_replaced_keeps_its_permissions(source):
    for name in ("m.onnx", "weights.bin"):
        (source.parent / name).chmod(0o600)
    reduce(source, source, force=True)
    modes = [stat.S_IMODE((source.parent / n).stat().st_mode) for n in ("m.onnx", "weights.bin")]
    assert modes == [0o600, 0o600]
