"""What a range test may notice beside the rate, as sentences with a remedy.

Pure functions of numbers: whoever holds the tensors measures them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lrtool.curve import FloatArray

__all__ = ["frozen_parameters", "gradient_explosion", "input_scale"]

FAR = 10.0  # a scale this many times above or below 1 is worth a word


def input_scale(
    mean: FloatArray, std: FloatArray, names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Say which input features are far from unit scale.

    A feature counts when its root mean square, sqrt(mean^2 + std^2), lies outside 0.1 .. 10 and is
    not zero.

    Args:
        mean: (f,) mean of every feature over a few batches.
        std: (f,) standard deviation of every feature.
        names: (f,) what to call them; by default their number.

    Returns:
        At most one sentence; none when all is well.

    >>> input_scale(np.zeros(3), np.ones(3))
    ()
    >>> input_scale(np.zeros(2), np.array([1.0, 300.0]))[0][:38]
    'inputs are far from unit scale: 1 of 2'
    """
    size = np.sqrt(np.square(mean) + np.square(std))
    alive = np.isfinite(size) & (size > 0)
    far = alive & ((size > FAR) | (size < 1 / FAR))
    if not far.any():
        return ()
    distance = np.where(far, np.abs(np.log10(np.where(far, size, 1.0))), 0.0)
    worst = int(np.argmax(distance))
    name = names[worst] if names is not None else f"feature {worst}"
    return (
        f"inputs are far from unit scale: {int(far.sum())} of {int(alive.sum())} features, the "
        f"farthest {name} with mean {mean[worst]:.3g} and std {std[worst]:.3g}; standardize them "
        "(subtract the mean, divide by the std): the best rate then moves to its usual range and "
        "becomes less sharp",
    )


def frozen_parameters(
    gradients: Mapping[str, float], trainable: Mapping[str, bool]
) -> tuple[str, ...]:
    """Say which trainable parameters never got a gradient.

    Args:
        gradients: name -> largest absolute gradient seen during the sweep's first pass.
        trainable: name -> whether the optimizer is meant to train it (requires_grad).

    >>> frozen_parameters({"a": 1.0, "b": 0.0}, {"a": True, "b": True})[0][:21]
    '1 of 2 trainable para'
    """
    meant = [name for name, wanted in trainable.items() if wanted]
    dead = [name for name in meant if not gradients.get(name, 0.0) > 0]
    if not dead:
        return ()
    shown = ", ".join(dead[:3]) + (", ..." if len(dead) > 3 else "")
    return (
        f"{len(dead)} of {len(meant)} trainable parameters got no gradient in the whole sweep "
        f"({shown}); check for units that never fire, detached tensors or unused layers",
    )


def gradient_explosion(lr: FloatArray, loss: FloatArray, norm: FloatArray) -> tuple[str, ...]:
    """Say when the gradient norm leaves its usual range before the loss does.

    The norm has exploded at the first step from which it stays above 100 times its median over the
    sweep's first fifth; the loss, when it stays above its highest value there. A loss that reaches
    a new low after that step is being learned, whatever the gradient: that is no explosion.

    Args:
        lr: (n,) rates of one pass.
        loss: (n,) losses.
        norm: (n,) gradient norms before clipping.

    >>> lr = np.geomspace(1e-4, 1, 20)
    >>> gradient_explosion(lr, np.ones(20), np.ones(20))
    ()
    """
    head = max(3, len(lr) // 5)
    if len(lr) <= head:
        return ()
    norm_at = _stays_above(norm, 100 * float(np.median(norm[:head])))
    loss_at = _stays_above(loss, float(np.max(loss[:head])))
    if norm_at is None or (loss_at is not None and loss_at <= norm_at):
        return ()
    if np.nanmin(loss[norm_at:], initial=np.inf) < np.min(loss[:norm_at]):
        return ()
    return (
        f"the gradient norm exploded at lr {lr[norm_at]:.3g}, before the loss showed it; clip the "
        "gradient (gradient_clip_val) or keep the peak rate below that",
    )


def _stays_above(values: FloatArray, level: float) -> int | None:
    below = np.flatnonzero(~(np.nan_to_num(values, nan=np.inf) > level))
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(values) else None
