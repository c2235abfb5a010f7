"""DIN and one Adam step in plain Python loops and double precision: slow, and easy to check."""

import math
from collections.abc import Sequence

Vector = list[float]
Matrix = list[Vector]
Weights = dict[str, Matrix | Vector]


class Number:
    """A number that remembers what it was made of, for its gradient."""

    __slots__ = ("gradient", "parents", "value")

    def __init__(self, value: float, parents: Sequence[tuple["Number", float]] = ()) -> None:
        self.value, self.parents, self.gradient = value, parents, 0.0

    def __add__(self, other: "Number") -> "Number":
        return Number(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __sub__(self, other: "Number") -> "Number":
        return Number(self.value - other.value, ((self, 1.0), (other, -1.0)))

    def __mul__(self, other: "Number") -> "Number":
        return Number(self.value * other.value, ((self, other.value), (other, self.value)))

    def relu(self) -> "Number":
        return self if self.value > 0 else Number(0.0, ((self, 0.0),))

    def exp(self) -> "Number":
        value = math.exp(self.value)
        return Number(value, ((self, value),))

    def inverse(self) -> "Number":
        return Number(1 / self.value, ((self, -1 / self.value**2),))


def total(numbers: Sequence[Number]) -> Number:
    return Number(sum(n.value for n in numbers), [(n, 1.0) for n in numbers])


def linear(weight: list[list[Number]], bias: list[Number] | None, x: list[Number]) -> list[Number]:
    rows = [total([w * v for w, v in zip(row, x, strict=True)]) for row in weight]
    return rows if bias is None else [r + b for r, b in zip(rows, bias, strict=True)]


def attention(
    weights: dict, query: list[Number], keys: list[list[Number]], normalisation: str
) -> list[Number]:
    """v = Σ a(k, q) k, with the activation unit on [q, k, q - k, q·k] unfolded."""
    interest = [Number(0.0) for _ in query]
    scores = []
    for key in keys:
        product = [q * k for q, k in zip(query, key, strict=True)]
        parts = (
            linear(weights["attention.query.weight"], weights["attention.query.bias"], query),
            linear(weights["attention.key.weight"], None, key),
            linear(weights["attention.product.weight"], None, product),
        )
        hidden = [(q + k + p).relu() for q, k, p in zip(*parts, strict=True)]
        (score,) = linear(
            weights["attention.output.weight"], weights["attention.output.bias"], hidden
        )
        scores.append(score)
    if normalisation == "softmax" and keys:
        powers = [score.exp() for score in scores]
        share = total(powers).inverse()
        scores = [power * share for power in powers]
    for score, key in zip(scores, keys, strict=True):
        interest = [i + score * k for i, k in zip(interest, key, strict=True)]
    return interest


def backward(loss: Number) -> None:
    order, seen, stack = [], set(), [(loss, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(parent, False) for parent, _ in node.parents]
    loss.gradient = 1.0
    for node in reversed(order):
        for parent, slope in node.parents:
            parent.gradient += slope * node.gradient


def cross_entropy(logits: list[Number], labels: list[float]) -> Number:
    losses = []
    for logit, label in zip(logits, labels, strict=True):
        z = logit.value
        value = max(z, 0.0) - z * label + math.log1p(math.exp(-abs(z)))
        losses.append(Number(value, ((logit, 1 / (1 + math.exp(-z)) - label),)))
    mean = total(losses)
    return Number(mean.value / len(losses), ((mean, 1 / len(losses)),))


def first_adam_step(
    weight: float, gradient: float, rate: float, betas: tuple[float, float] = (0.9, 0.999)
) -> float:
    mean, square = (1 - betas[0]) * gradient, (1 - betas[1]) * gradient**2
    corrected = mean / (1 - betas[0]), square / (1 - betas[1])
    return weight - rate * corrected[0] / (math.sqrt(corrected[1]) + 1e-8)
