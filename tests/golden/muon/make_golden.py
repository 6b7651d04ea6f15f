#!/usr/bin/python3
# Writes golden.json beside it: Muon in float64, from the formulas of its authors
# (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024). Needs numpy.
import json
import pathlib

import numpy as np

random = np.random.default_rng(20)


def numbers(matrix):
    return [float(f"{value:.9g}") for value in matrix.reshape(-1)]


def normal(rows, columns):
    return random.standard_normal((rows, columns)).astype(np.float32).astype(np.float64)


def newton_schulz(matrix):
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / np.linalg.norm(x)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def orthogonal(rows, columns):
    x = normal(rows, columns)
    return {"rows": rows, "columns": columns, "x": numbers(x), "out": numbers(newton_schulz(x))}


def trajectory(rows, columns, cautious):
    weights, momentum = normal(rows, columns), np.zeros((rows, columns))
    case = {"rows": rows, "columns": columns, "cautious": cautious, "weights": numbers(weights)}
    case["gradients"] = [numbers(normal(rows, columns)) for _ in range(4)]
    for step, gradient in enumerate(case["gradients"]):
        beta, rate, decay = 0.9 + 0.01 * step, 0.02 * (step + 1), 0.1
        gradient = 0.5 * np.array(gradient).reshape(rows, columns)
        momentum = beta * momentum + (1 - beta) * gradient
        update = newton_schulz((1 - beta) * gradient + beta * momentum)
        mask = update * weights > 0 if cautious else 1.0
        weights = weights - rate * decay * mask * weights
        weights = weights - rate * max(1, rows / columns) ** 0.5 * update
    return case | {"weights_after": numbers(weights), "momentum_after": numbers(momentum)}


golden = {
    "orthogonal": [orthogonal(12, 40), orthogonal(40, 12), orthogonal(17, 18), orthogonal(1, 9)],
    "trajectories": [trajectory(6, 15, False), trajectory(20, 8, True)],
}
path = pathlib.Path(__file__).with_name("golden.json")
path.write_text(json.dumps(golden) + "\n")
