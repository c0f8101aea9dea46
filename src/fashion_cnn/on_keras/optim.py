"""PyTorch's optimisers in Keras: the same step from the same gradients, up to rounding.

Keras's own differ: Adam adds its epsilon before the bias correction and has no L2 penalty, SGD
keeps the learning rate inside its momentum.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from fashion_cnn.on_keras.weights import parameters, to_keras, to_torch
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Arrays

_EPSILON = 1e-8  # Source: torch.optim.Adam


def build_optimizer(recipe: Recipe, model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimiser that a recipe names, its state all zeros.

    Weight decay spares what has one dimension, biases; Adam's L2 penalty spares nothing.
    """
    optimizer = (SGD if recipe.optimizer == "sgd" else Adam)(recipe)
    optimizer.build(list(parameters(model).values()))
    return optimizer


class _Stateful(keras.optimizers.Optimizer):
    """An optimiser whose state tensors have PyTorch's names.

    Attributes:
        slots: the state of each parameter: its name, and one tensor a parameter.
    """

    names: tuple[str, ...]

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(learning_rate=recipe.learning_rate)
        self.recipe = recipe
        self.slots: dict[str, list[keras.Variable]] = {}

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            for name in self.names:
                (self.slots[name],) = self.add_optimizer_variables(variables, [name])

    def _of(self, name: str, variable: Any) -> Any:
        return self.slots[name][self._get_variable_index(variable)]


class Adam(_Stateful):
    """Adam, or AdamW, whose weight decay is apart from the gradient."""

    names = ("exp_avg", "exp_avg_sq")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one parameter by its gradient. Sources: torch.optim.Adam, torch.optim.AdamW."""
        beta1, beta2 = self.recipe.momentum, self.recipe.beta2
        mean, square = self._of("exp_avg", variable), self._of("exp_avg_sq", variable)
        step = ops.cast(self.iterations + 1, "float32")
        decay = self.recipe.weight_decay
        if decay and self.recipe.optimizer == "adam":
            gradient = gradient + decay * variable
        elif decay and len(variable.shape) > 1:
            self.assign_sub(variable, learning_rate * decay * variable)
        self.assign_add(mean, (gradient - mean) * (1 - beta1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - beta2))
        root = ops.sqrt(square) / ops.sqrt(_missing(beta2, step)) + _EPSILON
        self.assign_sub(variable, learning_rate / _missing(beta1, step) * mean / root)


class SGD(_Stateful):
    """Stochastic gradient descent, with Nesterov's momentum where there is any."""

    names = ("momentum_buffer",)

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        if not recipe.momentum:
            self.names = ()

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one parameter by its gradient. Source: torch.optim.SGD."""
        decay, momentum = self.recipe.weight_decay, self.recipe.momentum
        if decay and len(variable.shape) > 1:
            gradient = gradient + decay * variable
        if momentum:
            buffer = self._of("momentum_buffer", variable)
            self.assign(buffer, momentum * buffer + gradient)
            gradient = gradient + momentum * buffer
        self.assign_sub(variable, learning_rate * gradient)


def optimizer_arrays(optimizer: _Stateful, model: keras.Model) -> dict[str, Any]:
    """Name each state tensor as PyTorch does, "conv1.weight/exp_avg"; none before step 1."""
    step, arrays = int(optimizer.iterations.numpy()), {}
    for index, name in enumerate(parameters(model)) if step else ():
        if not isinstance(optimizer, SGD):
            arrays[f"{name}/step"] = np.array(step, np.float32)
        for slot, tensors in optimizer.slots.items():
            array = tensors[index].numpy()
            arrays[f"{name}/{slot}"] = to_torch(name, array)
    return arrays


def load_optimizer_arrays(
    optimizer: _Stateful, model: keras.Model, arrays: Arrays, step: int
) -> None:
    """Set the state to what `optimizer_arrays` gave at `step`."""
    optimizer.iterations.assign(step)
    for index, name in enumerate(parameters(model)):
        for slot, tensors in optimizer.slots.items():
            tensor = tensors[index]
            if step:
                tensor.assign(to_keras(name, arrays[f"{name}/{slot}"]))
            else:
                tensor.assign(ops.zeros(tensor.shape))


def _missing(beta: float, step: Any) -> Any:
    """1 - beta**step without the rounding of a difference of nearly equal float32."""
    if not beta:
        return 1.0
    return -ops.expm1(step * math.log(beta))
