"""External data: copied, renamed beside IN, never lost, never in the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.e2e.conftest import save, snapshot
from tests.e2e.models import untouched
from tests.models import KEPT, mlp, weight


def locations(path: str) -> set[str]:
    model = onnx.load(path, load_external_data=False)
    entries = [e for t in model.graph.initializer for e in t.external_data]
    return {e.value for e in entries if e.key == "location"}


def test_in_another_folder_the_data_keeps_its_name(lump, here):
    save(mlp(), "in.onnx", data="weights.bin")
    os.mkdir("new")
    found = lump("reduce", "in.onnx", "new/out.onnx", "--json").json
    assert sorted(snapshot(here / "new")) == ["out.onnx", "weights.bin"]
    assert locations("new/out.onnx") == {"weights.bin"}
    assert weight(onnx.load("new/out.onnx"), "w").shape == (KEPT, 5)
    size = sum((here / "new" / n).stat().st_size for n in ("out.onnx", "weights.bin"))
    assert found["file_bytes"]["after"] == size
    assert (here / "new" / "weights.bin").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


def test_beside_the_original_the_data_is_named_after_the_output(lump, here):
    save(mlp(), "in.onnx", data="weights.bin")
    before = snapshot(here)
    assert lump("reduce", "in.onnx", "out.onnx").code == 0
    after = snapshot(here)
    assert sorted(after.keys() - before.keys()) == ["out.onnx", "out.onnx.data"]
    assert {n: after[n] for n in before} == before
    assert lump("verify", "in.onnx", "out.onnx").code == 0


def test_nothing_to_merge_copies_the_data_too(lump, here):
    save(untouched(), "in.onnx", data="sub.bin")
    os.mkdir("new")
    assert lump("reduce", "in.onnx", "new/in.onnx").code == 0
    assert snapshot(here / "new") == {n: snapshot(here)[n] for n in ("in.onnx", "sub.bin")}
    assert os.stat("new/sub.bin").st_ino != os.stat("sub.bin").st_ino


@pytest.mark.parametrize("options", [[], ["--force"]])
@pytest.mark.parametrize(("model", "code"), [(mlp, 0), (untouched, 5)])
def test_the_data_of_another_model_survives(lump, here, model, code, options):
    """A changed model can name another data file, a copy cannot."""
    save(model(), "in.onnx", data="weights.bin")
    os.mkdir("new")
    (here / "new" / "weights.bin").write_bytes(b"of another model")
    before = snapshot(here)
    ran = lump("reduce", "in.onnx", "new/out.onnx", *options)
    assert ran.code == code
    if code:
        ran.fails(5, "weights.bin exists")
    else:
        assert lump("verify", "in.onnx", "new/out.onnx").code == 0
    assert {n: snapshot(here)[n] for n in before} == before


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_failure_between_the_two_renames(lump, here, monkeypatch, error):
    """The data file is in its place, the model is not: both must be as they were."""
    save(mlp(), "in.onnx", data="in.bin")
    before = snapshot(here)
    real, calls = os.replace, []

    def replace(source, target, **options):
        calls.append(Path(target).name)
        if calls.count("in.onnx") == 1 and calls[-1] == "in.onnx":
            raise error
        return real(source, target, **options)

    monkeypatch.setattr(os, "replace", replace)
    ran = lump("reduce", "in.onnx", "in.onnx", "--force")
    assert (ran.code, ran.out) == (5 if isinstance(error, OSError) else 130, "")
    assert "in.onnx" in calls
    assert snapshot(here) == before


def test_the_data_of_the_original_survives(lump, here):
    """OUT's data file would be called like IN's, and --force was given."""
    save(mlp(), "in.onnx", data="out.onnx.data")
    before = snapshot(here)
    ran = lump("reduce", "in.onnx", "out.onnx", "--force")
    assert ran.code in (0, 5)
    assert {n: snapshot(here)[n] for n in before} == before
    if ran.code == 0:
        assert lump("verify", "in.onnx", "out.onnx").code == 0


def test_several_files_in_folders(lump, here):
    model = mlp()
    os.mkdir("parts")
    for number, tensor in enumerate(model.graph.initializer):
        numbers = onnx.numpy_helper.to_array(tensor)
        place = f"parts/{number}.bin"
        Path(place).write_bytes(np.ascontiguousarray(numbers).tobytes())
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)
    save(model, "in.onnx")
    os.mkdir("new")
    assert lump("reduce", "in.onnx", "new/out.onnx").code == 0
    assert locations("new/out.onnx") == {"parts/0.bin", "parts/1.bin", "parts/2.bin"}
    assert lump("reduce", "in.onnx", "out.onnx").code == 0
    assert lump("verify", "new/out.onnx", "out.onnx").code == 0
    assert lump("stats", "out.onnx", "--json").json["models"][0]["reducible"] == 0


def test_the_layout_of_a_hugging_face_cache(lump, here):
    """Both files are links into a folder where they have other names."""
    os.mkdir("blobs")
    os.mkdir("snapshot")
    save(mlp(), "in.onnx", data="in.bin")
    for name, blob in (("in.onnx", "aaa"), ("in.bin", "bbb")):
        os.replace(name, f"blobs/{blob}")
        (here / "snapshot" / name).symlink_to(f"../blobs/{blob}")
    before = snapshot(here)
    assert lump("stats", "snapshot/in.onnx").code == 0
    ran = lump("reduce", "snapshot/in.onnx", "out.onnx")
    assert (ran.code, ran.err) == (0, "")
    assert lump("verify", "snapshot/in.onnx", "out.onnx").code == 0
    assert {n: snapshot(here)[n] for n in before} == before
