"""The trained sample models: digits of 8 x 8 pixels, Adam with proximal l1, low-bit weights.

Needs the extra `models` (scikit-learn, for its digits). `python -m sample_models.trained FILE...`
prints the accuracy of models on the test split.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from sample_models.make import Matrix, mlp

Labels = NDArray[np.int64]
Weights = list[Matrix]  # weight, bias, weight, bias, ...
Quantiser = Callable[[int, Matrix], Matrix]  # (number in Weights, values) -> stored values

TEST = 450  # of 1,797 images
BATCH = 64
RATE = 2e-3


def digits() -> tuple[Matrix, Labels, Matrix, Labels]:
    """Images in [0, 1] (multiples of 1/16) and labels: for training, then for testing."""
    data = load_digits()
    images, labels = data.data / 16.0, data.target.astype(np.int64)
    order = np.random.RandomState(0).permutation(len(labels))
    test, train = order[:TEST], order[TEST:]
    return images[train], labels[train], images[test], labels[test]


def forward(weights: Weights, images: Matrix) -> list[Matrix]:
    """The values of every layer, images first and scores last."""
    values = [images]
    for k in range(0, len(weights), 2):
        z = values[-1] @ weights[k].T + weights[k + 1]
        values.append(z if k == len(weights) - 2 else np.maximum(z, 0.0))
    return values


def gradients(weights: Weights, images: Matrix, labels: Labels) -> Weights:
    """Gradient of the mean cross entropy with respect to each of `weights`."""
    values = forward(weights, images)
    scores = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
    back = scores / scores.sum(axis=1, keepdims=True)
    back[np.arange(len(labels)), labels] -= 1.0
    back /= len(labels)
    out: Weights = []
    for k in range(len(weights) - 2, -1, -2):
        out[:0] = [back.T @ values[k // 2], back.sum(axis=0)]
        back = (back @ weights[k]) * (values[k // 2] > 0.0)
    return out


def quantiser(weights: Weights, largest: int, bias_largest: int, spread: float) -> Quantiser:
    """Round to multiples of a power of two per layer, at most `largest` (biases: `bias_largest`).

    The step is fixed here: the largest weight of a layer is about `spread` steps.
    """
    steps = [2.0 ** np.round(np.log2(np.abs(w).max() / spread)) for w in weights[::2]]

    def quantise(k: int, values: Matrix) -> Matrix:
        limit, step = (bias_largest if k % 2 else largest), steps[k // 2]
        return np.asarray(np.clip(np.round(values / step), -limit, limit) * step)

    return quantise


def train(
    sizes: Sequence[int],
    seed: int,
    epochs: int,
    l1: float = 0.0,
    prepare: Callable[[Weights], Quantiser] | None = None,
) -> Weights:
    """Adam with a cosine rate and decoupled proximal l1 (none in the last tenth).

    With `prepare`, the second half computes with quantised weights and passes their gradients
    straight through to the full-precision ones; the quantised weights are returned.
    """
    random = np.random.RandomState(seed)
    images, labels, _, _ = digits()
    weights: Weights = []
    for n, m in pairwise(sizes):
        weights += [random.normal(0.0, (2.0 / n) ** 0.5, (m, n)), np.zeros(m)]
    mean = [np.zeros_like(w) for w in weights]
    square = [np.zeros_like(w) for w in weights]
    quantise: Quantiser | None = None
    steps = 0
    for epoch in range(epochs):
        if prepare and epoch == epochs // 2:
            quantise = prepare(weights)
        rate = RATE * (0.5 + 0.5 * np.cos(np.pi * epoch / epochs) + 0.02)
        shrink = rate * l1 * min(1.0, epoch / (0.3 * epochs)) * (epoch < 0.9 * epochs)
        order = random.permutation(len(labels))
        for start in range(0, len(order), BATCH):
            batch, steps = order[start : start + BATCH], steps + 1
            used = [quantise(k, w) for k, w in enumerate(weights)] if quantise else weights
            for k, slope in enumerate(gradients(used, images[batch], labels[batch])):
                mean[k] = 0.9 * mean[k] + 0.1 * slope
                square[k] = 0.999 * square[k] + 0.001 * slope**2
                scale = np.sqrt(square[k] / (1.0 - 0.999**steps)) + 1e-8
                moved = weights[k] - rate * mean[k] / (1.0 - 0.9**steps) / scale
                weights[k] = np.sign(moved) * np.maximum(np.abs(moved) - shrink, 0.0)
    return [quantise(k, w) for k, w in enumerate(weights)] if quantise else weights


def _export(name: str, weights: Weights, text: str, metadata: dict[str, str]) -> onnx.ModelProto:
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    return mlp(name, pairs, text, metadata={"data": "scikit-learn load_digits / 16", **metadata})


def digits_plain() -> onnx.ModelProto:
    """64-32-16-10 trained as usual: nothing can go."""
    weights = train((64, 32, 16, 10), seed=0, epochs=60)
    return _export("digits_plain", weights, "Digits, ordinary training.", {"seed": "0"})


def digits_sparse(seed: int = 0, l1: float = 0.3) -> onnx.ModelProto:
    """64-128-64-10 trained with l1 and 3-bit weights: constant, unread and equal neurons appear.

    The weights are -3 to 3 times a power of two and the images multiples of 1/16, so that float32
    computes every score exactly.
    """
    weights = train((64, 128, 64, 10), seed, 250, l1, lambda w: quantiser(w, 3, 8, 3.0))
    text = "Digits, trained with l1 and quantisation in the loop to 3-bit weights."
    return _export("digits_sparse", weights, text, {"seed": str(seed), "l1": str(l1)})


TRAINED: dict[str, Callable[[], onnx.ModelProto]] = {
    "digits_plain": digits_plain,
    "digits_sparse": digits_sparse,
}


def accuracy(path: str | Path) -> float:
    """Fraction of the 450 test images that the model at `path` classifies correctly."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    _, _, images, labels = digits()
    (scores,) = session.run(None, {session.get_inputs()[0].name: images.astype(np.float32)})
    return float(np.mean(np.asarray(scores).argmax(axis=1) == labels))


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print(f"{file}: {accuracy(file):.2%} of {TEST} test images")
