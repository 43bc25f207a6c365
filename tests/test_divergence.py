"""The divergence test's running lists against its formula, written out anew at each step."""

import numpy as np
import pytest

from lrtool.divergence import DivergenceTest, noise_scale


def ordered(values: np.ndarray, share: float) -> float:
    """The order statistic at `share`."""
    return float(np.sort(values)[round(share * (len(values) - 1))])


def first_verdict(losses: np.ndarray) -> tuple[int, str] | None:
    """After how many losses the sequence has diverged, and how, from the docstring's four rules."""
    lowest = np.inf
    for count in range(1, len(losses) + 1):
        seen = losses[:count]
        if count > 6:
            ups = np.diff(seen[-7:])
            if (ups > 0).all() and (ups[1:] >= 1.5 * ups[:-1]).all() and seen[-1] > seen[0]:
                return count, "grew faster and faster"
        if count < 15:
            continue
        base, before, last = ordered(seen[:10], 0.5), seen[:-5], seen[-5:]
        lowest = min(lowest, ordered(last, 0.5))
        drop = max(base - lowest, 0.0)
        usual = ordered(before, 0.95)
        sigma = max(noise_scale(seen), 0.1 * (usual - ordered(before, 0.05)))
        if last[-2:].min() > base + max(100 * sigma, 3 * drop):
            return count, "exploded"
        if last.min() > max(base + max(6 * sigma, drop / 2), usual):
            return count, "above its start"
        if drop > 6 * sigma and last.min() > base - drop / 10:
            return count, "losing all"
    return None


def sequences() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 120)
    shapes = {
        "flat": 0 * x,
        "faster and faster": np.exp(8 * x) * 2.0 ** np.arange(120),
        "a jump up": np.where(x > 0.7, 6.0, 0.0),
        "a slow rise": -np.tanh(4 * x) + 6 * np.maximum(0, x - 0.6),
        "all lost again": -np.tanh(8 * x) * (x < 0.8),
        "a walk": np.cumsum(rng.normal(size=120)) / 5,
    }
    return {
        f"{name}, noise {noise:g}": (shape + noise * rng.normal(size=120)) * scale
        for name, shape in shapes.items()
        for noise, scale in ((0.0, 1.0), (0.02, 1e-6), (0.3, 1e5))
    }


@pytest.mark.parametrize("name", sequences())
def test_each_verdict_is_that_of_the_formula(name: str) -> None:
    losses = sequences()[name]
    expected = first_verdict(losses)
    test = DivergenceTest()
    verdicts = [test.update(loss) for loss in losses.tolist()]
    count = next((i + 1 for i, verdict in enumerate(verdicts) if verdict), None)
    assert count == (expected and expected[0])
    if expected is not None:
        assert expected[1] in str(verdicts[expected[0] - 1])


def test_the_sequences_meet_every_rule() -> None:
    found = {verdict and verdict[1] for verdict in map(first_verdict, sequences().values())}
    assert found == {None, "grew faster and faster", "exploded", "above its start", "losing all"}
