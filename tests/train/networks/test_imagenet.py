import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.inference.preprocess import InputSpec
from bonefx_train.errors import DataError

pytestmark = pytest.mark.host
keras = pytest.importorskip("keras")
cv2 = pytest.importorskip("cv2")

from bonefx_train.networks.imagenet import (  # noqa: E402
    _read,
    _Unpickler,
    load_imagenet,
    read_legacy_torch,
    weights_path,
)
from bonefx_train.networks.lite0 import lite0  # noqa: E402


@pytest.fixture(name="tensors", scope="module")
def _tensors():
    return read_legacy_torch(weights_path())


def test_the_package_holds_all_tensors_of_lite0(tensors):
    assert len(tensors) == 296
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    ("name", "class_index", "least"), [("cat", 285, 0.4), ("coffee", 967, 0.6)]
)
def test_in_gray_the_network_still_knows_a_cat_and_an_espresso(tensors, name, class_index, least):
    """All layers, filters, norms and the gray input fold are right, or ImageNet is not known."""
    data = pytest.importorskip("skimage.data")
    photo = cv2.cvtColor(getattr(data, name)(), cv2.COLOR_RGB2GRAY)
    side = min(photo.shape)
    top, left = ((extent - side) // 2 for extent in photo.shape)
    square = photo[top : top + side, left : left + side]
    x = cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)[None, ..., None] / 255
    network = lite0(InputSpec(height=224, width=224))
    load_imagenet(network, weights_path())
    features = keras.Model(network.input, network.get_layer("features").output)
    logit = (
        np.asarray(features(x.astype(np.float32))) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    )
    p = np.exp(logit - logit.max())
    p /= p.sum()
    assert p.argmax() == class_index
    assert p.max() > least


def legacy_file(state, keys=()):
    """As torch.save wrote it before 1.6, with `state` in the place of the dictionary."""
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state, list(keys))
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


class Harm:
    def __reduce__(self):
        return os.system, ("touch harmed",)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights.pth").write_bytes(legacy_file({"w": Harm()}))
    with pytest.raises(DataError, match=r"asks for posix\.system"):
        read_legacy_torch(Path("weights.pth"))
    assert not Path("harmed").exists()


def test_a_cut_file_and_a_file_of_another_make_are_refused(tmp_path):
    whole = weights_path().read_bytes()
    for name, data in {
        "cut": whole[: len(whole) // 2],
        "early": whole[:50],
        "zip": b"PK\3\4" + bytes(100),
        "empty": b"",
        "other": pickle.dumps(1) + pickle.dumps(2),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match="expected a legacy torch file of tensors"):
            read_legacy_torch(path)


def counts_of(whole):
    """Return where the count of the first storage begins, and where that of the second."""
    stream = io.BytesIO(whole)
    unpicklers = [_Unpickler(stream) for _ in range(5)]
    keys = [unpickler.load() for unpickler in unpicklers][-1]
    first = stream.tell()
    count = int.from_bytes(stream.read(8), "little")
    return first, first + 8 + count * unpicklers[3].storages[keys[0]].itemsize


@pytest.mark.parametrize("storage", [0, 1])
@pytest.mark.parametrize("more", [0, 7, 8])
def test_a_file_cut_around_the_count_of_a_storage_is_refused(tmp_path, storage, more):
    whole = weights_path().read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: counts_of(whole)[storage] + more])
    with pytest.raises(DataError, match=r"storage \w+ is cut"):
        read_legacy_torch(path)


@pytest.mark.parametrize(
    ("state", "keys", "said"),
    [
        ({"epoch": 3}, (), "a int in the place of the tensor epoch"),
        ({"state_dict": {}}, (), "a dict in the place of the tensor state_dict"),
        ([1], (), "a list in the place of the dictionary"),
        ({}, ("0",), "storages"),
    ],
)
def test_a_state_that_is_no_dictionary_of_tensors_is_refused(tmp_path, state, keys, said):
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy_file(state, keys))
    with pytest.raises(DataError, match=said):
        read_legacy_torch(path)


def test_another_networks_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy_file({}))
    with pytest.raises(DataError, match=r"_conv_stem\.weight"):
        load_imagenet(lite0(InputSpec(height=64, width=64)), path)


def test_the_unpickler_reads_nothing_after_the_numbers_it_needs():
    """Five pickles and the storages: a stream with more behind it is still the same tensors."""
    whole = io.BytesIO(weights_path().read_bytes() + b"tail")
    assert len(_read(whole)) == 296
