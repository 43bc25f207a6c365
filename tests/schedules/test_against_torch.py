"""Every schedule that torch has too is torch's, stepped in order, to 1e-9 of the largest value."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.optim import SGD, Optimizer, lr_scheduler

from lrtool import schedules
from lrtool.schedules import Schedule

RATE = st.floats(1e-4, 10.0)
STEPS = st.integers(2, 60)
GAMMA = st.floats(0.1, 1.0)

OURS = settings(max_examples=60, deadline=None)


def torch_values(
    lr: float, make: Callable[[Optimizer], Any], count: int, key: str = "lr"
) -> Iterator[float]:
    """What torch's scheduler writes at steps 0 .. count - 1."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scheduler.step() without optimizer.step()
        scheduler = make(optimizer)
        for _ in range(count):
            yield optimizer.param_groups[0][key]
            scheduler.step()


def same(schedule: Schedule, expected: Iterator[float], lr: float) -> None:
    for step, value in enumerate(expected):
        assert schedule(step) == pytest.approx(value, rel=1e-9, abs=1e-9 * lr), step


@OURS
@given(lr=RATE, steps=STEPS, end=st.floats(0.01, 1.0))
def test_linear(lr: float, steps: int, end: float) -> None:
    expected = torch_values(
        lr, lambda opt: lr_scheduler.LinearLR(opt, 1.0, end, total_iters=steps), steps + 5
    )
    same(schedules.linear(lr, steps, end_lr=lr * end), expected, lr)


@OURS
@given(lr=RATE, steps=STEPS, power=st.floats(0.5, 4.0))
def test_polynomial(lr: float, steps: int, power: float) -> None:
    expected = torch_values(lr, lambda opt: lr_scheduler.PolynomialLR(opt, steps, power), steps + 5)
    same(schedules.polynomial(lr, steps, power=power), expected, lr)


@OURS
@given(lr=RATE, gamma=GAMMA)
def test_exponential(lr: float, gamma: float) -> None:
    same(
        schedules.exponential(lr, gamma),
        torch_values(lr, lambda opt: lr_scheduler.ExponentialLR(opt, gamma), 50),
        lr,
    )


@OURS
@given(lr=RATE, size=st.integers(1, 20), gamma=GAMMA)
def test_step(lr: float, size: int, gamma: float) -> None:
    expected = torch_values(lr, lambda opt: lr_scheduler.StepLR(opt, size, gamma), 60)
    same(schedules.step(lr, size, gamma), expected, lr)


@OURS
@given(lr=RATE, milestones=st.lists(st.integers(1, 50), max_size=4), gamma=GAMMA)
def test_multi_step(lr: float, milestones: list[int], gamma: float) -> None:
    milestones = sorted(milestones)
    expected = torch_values(lr, lambda opt: lr_scheduler.MultiStepLR(opt, milestones, gamma), 60)
    same(schedules.multi_step(lr, milestones, gamma), expected, lr)


@OURS
@given(lr=RATE, steps=STEPS, low=st.floats(0.0, 0.5))
def test_cosine(lr: float, steps: int, low: float) -> None:
    expected = torch_values(
        lr, lambda opt: lr_scheduler.CosineAnnealingLR(opt, steps, lr * low), steps + 1
    )
    same(schedules.cosine(lr, steps, eta_min=lr * low), expected, lr)


@OURS
@given(lr=RATE, first=st.integers(1, 20), factor=st.integers(1, 4), low=st.floats(0.0, 0.5))
def test_sgdr(lr: float, first: int, factor: int, low: float) -> None:
    expected = torch_values(
        lr,
        lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, first, factor, lr * low),
        200,
    )
    same(schedules.sgdr(lr, first, factor, eta_min=lr * low), expected, lr)


@OURS
@given(
    mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
    lr=RATE,
    low=st.floats(0.0, 0.9),
    up=st.integers(1, 20),
    down=st.none() | st.integers(1, 20),
    gamma=st.floats(0.9, 1.0),
)
def test_cyclical(
    mode: str, lr: float, low: float, up: int, down: int | None, gamma: float
) -> None:
    def make(opt: Optimizer) -> Any:
        return lr_scheduler.CyclicLR(opt, lr * low, lr, up, down, mode, gamma)  # type: ignore[arg-type]

    params: dict[str, Any] = {
        "max_lr": lr,
        "min_lr": lr * low,
        "step_size_up": up,
        "step_size_down": down,
    }
    if mode == "exp_range":
        params["gamma"] = gamma
    cycle = schedules.create(mode, **params)
    same(cycle, torch_values(lr, make, 120), lr)
    same(schedules.opposed(cycle, low=0.8, high=0.9), torch_values(lr, make, 120, "momentum"), 1.0)


@OURS
@given(
    scale_mode=st.sampled_from(["cycle", "iterations"]),
    lr=RATE,
    up=st.integers(1, 20),
    down=st.none() | st.integers(1, 20),
)
def test_custom_scale_function(scale_mode: Any, lr: float, up: int, down: int | None) -> None:
    def fade(x: float) -> float:
        return 1 / (1 + x / 7)

    def make(opt: Optimizer) -> Any:
        return lr_scheduler.CyclicLR(
            opt, lr / 4, lr, up, down, scale_fn=fade, scale_mode=scale_mode
        )

    cycle = schedules.cyclical(lr, lr / 4, up, down, scale_fn=fade, scale_mode=scale_mode)
    same(cycle, torch_values(lr, make, 120), lr)


@settings(max_examples=200, deadline=None)
@given(
    lr=RATE,
    steps=st.integers(1, 80),
    pct_start=st.floats(0.02, 0.5),
    line=st.sampled_from(["cos", "linear"]),
    div=st.floats(1.0, 100.0),
    final=st.floats(1.0, 1e5),
    three=st.booleans(),
)
@example(lr=1.0, steps=1, pct_start=0.3, line="cos", div=25.0, final=1e4, three=False)
@example(lr=1.0, steps=2, pct_start=0.3, line="linear", div=25.0, final=1e4, three=True)
def test_one_cycle_and_its_momentum(
    lr: float, steps: int, pct_start: float, line: Any, div: float, final: float, three: bool
) -> None:
    def make(opt: Optimizer) -> Any:
        return lr_scheduler.OneCycleLR(
            opt,
            lr,
            total_steps=steps,
            pct_start=pct_start,
            anneal_strategy=line,
            div_factor=div,
            final_div_factor=final,
            three_phase=three,
        )

    policy = schedules.one_cycle(
        lr,
        steps,
        pct_start=pct_start,
        anneal_strategy=line,
        div_factor=div,
        final_div_factor=final,
        three_phase=three,
    )
    momentum = schedules.opposed(policy, low=0.85, high=0.95)
    for ours, key, size in ((policy, "lr", lr), (momentum, "momentum", 1.0)):
        try:
            expected = list(torch_values(lr, make, steps, key))
        except ZeroDivisionError:  # torch cannot place a peak on its first step
            assert ours(steps) == ours(steps - 1)
            return
        same(ours, iter(expected), size)


@OURS
@given(lr=RATE, warm=st.integers(1, 20), start=st.floats(0.01, 1.0), steps=STEPS)
def test_warmup(lr: float, warm: int, start: float, steps: int) -> None:
    def make(opt: Optimizer) -> Any:
        return lr_scheduler.LinearLR(opt, start, 1.0, total_iters=warm)

    ours = schedules.warmup(schedules.constant(lr), warm, start_factor=start)
    same(ours, torch_values(lr, make, warm + steps), lr)


@OURS
@given(lr=RATE, factor=st.floats(0.1, 0.9))
def test_lambda_and_constant(lr: float, factor: float) -> None:
    def fn(step: float) -> float:
        return factor / (1 + step)

    expected = torch_values(lr, lambda opt: lr_scheduler.LambdaLR(opt, fn), 50)
    same(schedules.lambda_(fn, lr), expected, lr)
    held = torch_values(lr, lambda opt: lr_scheduler.ConstantLR(opt, factor, 7), 20)
    same(schedules.join([schedules.constant(lr * factor), schedules.constant(lr)], [7]), held, lr)


@OURS
@given(
    metrics=st.lists(st.floats(-100, 100), min_size=1, max_size=80),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    cooldown=st.integers(0, 3),
    threshold_mode=st.sampled_from(["rel", "abs"]),
)
def test_plateau(
    metrics: list[float], mode: Any, patience: int, cooldown: int, threshold_mode: Any
) -> None:
    """As torch's, whose "rel" is wrong for negative metrics only: those are made positive."""
    if threshold_mode == "rel":
        metrics = [abs(metric) for metric in metrics]
    optimizer = SGD([torch.zeros(1)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode,
        factor=0.5,
        patience=patience,
        threshold=0.01,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        min_lr=0.01,
        eps=0.0,
    )
    rule = schedules.plateau(
        1.0,
        mode=mode,
        factor=0.5,
        patience=patience,
        threshold=0.01,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        min_lr=0.01,
    )
    state = rule.init()
    for metric in metrics:
        theirs.step(metric)
        state = rule.update(state, metric)
        assert state.lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
