"""Traps of the optimizers themselves: first the trap as it is, then that the guard closes it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytorch_optimizer
import torch
from torch import nn

from lrtool import optimizers, param_groups
from lrtool.errors import ArgumentError
from support.steps import identical, tiny_net, train, updates, weights


def matrix(value: float = 3.0, size: int = 4) -> nn.Parameter:
    return nn.Parameter(torch.full((size, size), value))


# ---------------------------------------------------------------- RMSprop


def test_T3_rmsprop_momentum_raised_from_zero_breaks_torch() -> None:
    parameter = matrix()
    optimizer = torch.optim.RMSprop([parameter], lr=0.1)
    updates(optimizer, parameter, 2)
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(KeyError, match="momentum_buffer"):
        updates(optimizer, parameter, 1)


def test_T3_rmsprop_momentum_raised_from_zero_starts_from_rest() -> None:
    """From rest, the first step under momentum is the step without it; the second has 1.9 of it."""
    moved = {}
    for momentum in (0.0, 0.9):
        parameter = matrix()
        optimizer = optimizers.create("rmsprop", [parameter], lr=0.1)
        updates(optimizer, parameter, 2)
        param_groups.set_value(optimizer, "momentum", momentum)
        moved[momentum] = updates(optimizer, parameter, 2)
    assert moved[0.9][0] == moved[0.0][0]
    assert moved[0.9][1] == pytest.approx(moved[0.0][1] + 0.9 * moved[0.0][0], rel=1e-5)


# ---------------------------------------------------------------- no momentum at all


@pytest.mark.parametrize("name", ["adagrad", "adadelta", "adafactor"])
def test_T3_a_momentum_written_where_there_is_none_is_left_alone(name: str) -> None:
    parameter = matrix()
    optimizer = optimizers.create(name, [parameter])
    keys = set(optimizer.param_groups[0])
    param_groups.set_value(optimizer, "momentum", 0.9)
    assert set(optimizer.param_groups[0]) == keys
    assert param_groups.get(optimizer, "momentum") is None
    assert not optimizers.capabilities_of(optimizer).momentum_cycle
    with pytest.raises(ValueError, match="momentum"):  # what torch's own cycles do by default
        torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)


# ---------------------------------------------------------------- AMSGrad


@pytest.mark.parametrize("name", ["adam", "adamw", "adabound", "swats", "nadam"])
@pytest.mark.parametrize("flag", ["amsgrad", "ams_bound"])
def test_T3_amsgrad_goes_by_either_name(name: str, flag: str) -> None:
    model = tiny_net()
    options: dict[str, Any] = {flag: True}
    if name == "nadam":
        with pytest.raises(ArgumentError, match="takes no option"):
            optimizers.create(name, model, **options)
        return
    optimizer = optimizers.create(name, model, **options)
    train(model, optimizer, 1)
    state = optimizer.state[next(model.parameters())]
    assert "max_exp_avg_sq" in state


# ---------------------------------------------------------------- beta1 and Adam's bias correction

CORRECTED: dict[str, Callable[[list[nn.Parameter]], Any]] = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.95, 0.999)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.95, 0.999), weight_decay=0.0),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.1, betas=(0.95, 0.999)),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.95, 0.999), amsgrad=True),
    "adabound": lambda p: pytorch_optimizer.AdaBound(p, lr=0.1, betas=(0.95, 0.999)),
    "swats": lambda p: pytorch_optimizer.SWATS(p, lr=0.1, betas=(0.95, 0.999)),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_T3_beta1_moved_early_shrinks_torchs_step(name: str) -> None:
    parameter = matrix()
    optimizer = CORRECTED[name]([parameter])

    def move() -> None:
        for group in optimizer.param_groups:
            group["betas"] = (0.85, *group["betas"][1:])

    moved = updates(optimizer, parameter, 8, at={6: move})
    assert moved[5] == pytest.approx(0.1, rel=1e-4)
    assert moved[6] == pytest.approx(0.055, rel=0.01)


@pytest.mark.parametrize("name", CORRECTED)
def test_T3_beta1_written_by_us_keeps_the_step_at_lr(name: str) -> None:
    """Under a constant gradient a corrected Adam moves by exactly lr, however beta1 wanders."""
    parameter = matrix()
    optimizer = CORRECTED[name]([parameter])

    def write(value: float) -> Callable[[], None]:
        return lambda: param_groups.set_value(optimizer, "momentum", value)

    moved = updates(optimizer, parameter, 30, at={k: write(0.95 - 0.01 * k) for k in range(1, 12)})
    assert moved == pytest.approx([0.1] * 30, rel=1e-4)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("name", ["radam", "muon", "adabound"])
def test_T3_a_moving_beta1_does_not_change_the_steps_of_a_constant_gradient(name: str) -> None:
    """Where steps differ in size, they still equal those of a constant beta1."""
    moved = []
    for moves in (False, True):
        bias = nn.Parameter(torch.full((4,), 3.0))
        if name == "muon":  # its AdamW part
            group = {"params": [bias], "use_muon": False, "lr": 0.1}
            optimizer: Any = pytorch_optimizer.Muon([group])
        else:
            optimizer = optimizers.create(name, [bias], lr=0.1)

        def write(value: float, optimizer: Any = optimizer) -> Callable[[], None]:
            return lambda: param_groups.set_value(optimizer, "momentum", value)

        path = {k: write(0.9 - 0.03 * k) for k in range(8)} if moves else {}
        moved.append(updates(optimizer, bias, 20, at=path))
    assert moved[1] == pytest.approx(moved[0], rel=1e-4)


def test_T3_adabounds_bounds_do_not_move_with_beta1() -> None:
    """A bound that cuts is a rate by itself, which no bias correction is part of."""
    parameter = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    final, path = 1e-3, [0.9 - 0.03 * k for k in range(12)]
    optimizer = pytorch_optimizer.AdaBound([parameter], lr=0.1, final_lr=final, gamma=1.0)

    def write(value: float) -> Callable[[], None]:
        return lambda: param_groups.set_value(optimizer, "momentum", value)

    moved = updates(optimizer, parameter, 12, at={k: write(beta) for k, beta in enumerate(path)})
    mean = [1 - float(np.prod(path[: k + 1])) for k in range(12)]  # of gradients of one
    upper = [final * (1 + 1 / (k + 1)) for k in range(12)]
    assert moved == pytest.approx([a * b for a, b in zip(upper, mean, strict=True)], rel=1e-9)
    assert optimizer.param_groups[0]["final_lr"] == final


def test_T3_beta1_guard_leaves_weight_decay_alone() -> None:
    """Under zero gradients only the decay acts: the same with and without a moving beta1."""
    ends = []
    for moves in (False, True):
        parameter = matrix()
        optimizer = torch.optim.AdamW([parameter], lr=0.1, betas=(0.95, 0.999), weight_decay=0.1)
        for step in range(10):
            if moves:
                param_groups.set_value(optimizer, "momentum", 0.95 - 0.02 * step)
            parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
        ends.append(parameter.detach().clone())
    assert torch.allclose(ends[0], ends[1], rtol=1e-6)
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


def test_T3_beta1_guard_is_invisible_inside_the_closure() -> None:
    """Lightning runs the training step inside optimizer.step: there the rate reads as written."""
    model = tiny_net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, betas=(0.95, 0.999))
    seen = []
    for step in range(5):
        param_groups.set_value(optimizer, "momentum", 0.95 - 0.02 * step)

        def closure() -> torch.Tensor:
            seen.append(optimizer.param_groups[0]["lr"])
            if len(seen) == 4:
                raise RuntimeError("stop")
            loss = model(torch.ones(2, 4)).sum()
            loss.backward()
            return loss  # type: ignore[no-any-return]

        if step == 3:
            with pytest.raises(RuntimeError, match="stop"):
                optimizer.step(closure)
        else:
            optimizer.step(closure)
        assert optimizer.param_groups[0]["lr"] == 0.1
    assert seen == [0.1] * 5


@pytest.mark.parametrize("name", ["adam", "adamw", "swats", "muon", "lookahead_adam"])
def test_T3_beta1_guard_resumes_bit_exact(name: str) -> None:
    def run(model: nn.Module, optimizer: Any, first: int, last: int) -> None:
        for step in range(first, last):
            param_groups.set_value(optimizer, "momentum", 0.95 - 0.02 * step)
            train(model, optimizer, 1)

    whole = tiny_net()
    run(whole, optimizers.create(name, whole), 0, 10)
    part = tiny_net()
    optimizer = optimizers.create(name, part)
    run(part, optimizer, 0, 4)
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = tiny_net(seed=1)
    resumed.load_state_dict(part.state_dict())
    again = optimizers.create(name, resumed)
    again.load_state_dict(saved)
    run(resumed, again, 4, 10)
    assert identical(weights(whole), weights(resumed))


def test_T3_a_constant_beta1_installs_nothing() -> None:
    optimizer = torch.optim.Adam([matrix()], lr=0.1)
    param_groups.set_value(optimizer, "momentum", 0.9)
    assert "beta1_product" not in optimizer.param_groups[0]


def test_T3_nadam_keeps_its_own_product() -> None:
    """NAdam multiplies its momenta up itself: the guard must not correct twice."""
    optimizer = torch.optim.NAdam([matrix()], lr=0.1)
    param_groups.set_value(optimizer, "momentum", 0.8)
    assert "beta1_product" not in optimizer.param_groups[0]


@pytest.mark.parametrize("name", ["soap", "lamb", "adan", "prodigy", "schedule_free_adamw"])
def test_T3_where_beta1_cannot_be_corrected_the_table_says_no(name: str) -> None:
    assert not optimizers.capabilities(name).momentum_cycle


# ---------------------------------------------------------------- RAdam


def test_T3_radam_without_early_updates_is_flagged_and_never_built() -> None:
    parameter = matrix()
    silent = pytorch_optimizer.RAdam([parameter], lr=0.1)
    assert updates(silent, parameter, 6)[:5] == [0.0] * 5
    assert optimizers.capabilities_of(silent).silent_steps == 5
    ours = optimizers.create("radam", [parameter], lr=0.1)
    assert optimizers.capabilities_of(ours).silent_steps == 0
    assert all(step > 0 for step in updates(ours, parameter, 6))


def test_T3_silent_steps_are_counted_right() -> None:
    for name in optimizers.names():
        if name in {"muon", "lbfgs", "rprop"}:  # a module's, a closure's, a sign's
            continue
        parameter = matrix()
        moved = updates(optimizers.create(name, [parameter]), parameter, 8)
        silent = next(index for index, step in enumerate(moved) if step != 0)
        assert silent == optimizers.capabilities(name).silent_steps, name


# ---------------------------------------------------------------- AdaBound


def adabound_bound(optimizer: Any, group: int = 0) -> float:
    """The step size AdaBound tends to: final_lr * lr / base_lr."""
    options = optimizer.param_groups[group]
    return float(options["final_lr"] * options["lr"] / optimizer.base_lrs[group])


def test_T3_adabounds_base_rate_is_lost_without_the_guard() -> None:
    first = pytorch_optimizer.AdaBound([matrix()], lr=0.01)
    second = pytorch_optimizer.AdaBound([matrix()], lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert adabound_bound(first) == pytest.approx(0.1)
    assert adabound_bound(second) == pytest.approx(0.01)  # ten times too tight


def test_T3_adabounds_base_rate_survives_a_resume() -> None:
    parameter = matrix()
    first: Any = optimizers.create("adabound", [parameter], lr=0.01)
    updates(first, parameter, 1)
    other = matrix()
    second: Any = optimizers.create("adabound", [other], lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    updates(second, other, 1)
    assert adabound_bound(second) == adabound_bound(first)


def test_T3_adabound_follows_an_applied_rate_but_scales_with_a_schedule() -> None:
    parameter = matrix()
    optimizer: Any = optimizers.create("adabound", [parameter], lr=1e-3)
    param_groups.set_value(optimizer, "lr", 0.02)
    optimizers.rebase(optimizer)
    updates(optimizer, parameter, 1)
    assert adabound_bound(optimizer) == pytest.approx(0.1)
    param_groups.set_value(optimizer, "lr", 0.002)
    updates(optimizer, parameter, 1)
    assert adabound_bound(optimizer) == pytest.approx(0.01)


def test_T3_adabound_built_at_zero_takes_its_first_rate_as_the_base() -> None:
    """And keeps it when the rate moves on."""
    parameter = matrix()
    optimizer: Any = optimizers.guard(pytorch_optimizer.AdaBound([parameter], lr=0.0))
    param_groups.set_value(optimizer, "lr", 0.01)
    assert updates(optimizer, parameter, 3) == pytest.approx([0.01] * 3, rel=1e-4)
    param_groups.set_value(optimizer, "lr", 0.001)
    updates(optimizer, parameter, 1)
    assert optimizer.base_lrs == [0.01]


def test_T3_adabound_takes_a_late_group() -> None:
    parameter, late = matrix(), matrix()
    unguarded = pytorch_optimizer.AdaBound([parameter], lr=0.1)
    unguarded.add_param_group({"params": [late]})
    late.grad = torch.ones_like(late)
    with pytest.raises(IndexError):
        updates(unguarded, parameter, 1)
    optimizer: Any = optimizers.create("adabound", [parameter], lr=0.1)
    updates(optimizer, parameter, 1)
    optimizer.add_param_group({"params": [late], "lr": 0.05})
    updates(optimizer, parameter, 1)
    assert optimizer.base_lrs == [0.1, 0.05]


# ---------------------------------------------------------------- SWATS


def swats(parameter: nn.Parameter) -> Any:
    """A SWATS that switches at its second step (a wide tolerance)."""
    return optimizers.create("swats", [parameter], lr=0.1, eps=1.0)


def test_T3_a_scheduler_overwrites_swats_own_rate() -> None:
    parameter = matrix()
    optimizer = swats(parameter)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    for _ in range(5):
        updates(optimizer, parameter, 1)
        scheduler.step()
    assert optimizer.param_groups[0]["phase"] == "sgd"
    assert optimizer.param_groups[0]["lr"] == 0.05  # the rate SWATS found is gone


def test_T3_a_schedule_goes_on_in_proportion_to_swats_own_rate() -> None:
    parameter = matrix()
    optimizer = swats(parameter)
    group = optimizer.param_groups[0]
    written = [0.1 * 0.9**k for k in range(12)]
    read = []
    for value in written:
        param_groups.set_value(optimizer, "lr", value)
        read.append(group["lr"])
        before = group["phase"]
        updates(optimizer, parameter, 1)
        if before == "adam" and group["phase"] == "sgd":
            switched, own = len(read), group["lr"]
    assert 1 < switched < 10
    assert own != written[switched - 1]
    expected = [value * own / written[switched - 1] for value in written[switched:]]
    assert read[:switched] == written[:switched]
    assert read[switched:] == pytest.approx(expected, rel=1e-12)
    assert param_groups.get(optimizer, "lr") == pytest.approx(written[-1], rel=1e-12)


def test_T3_swats_switch_survives_zero_and_resume() -> None:
    """A schedule that touches zero must be able to come back; a resumed run goes on the same."""
    parameter = matrix()
    optimizer = swats(parameter)
    param_groups.set_value(optimizer, "lr", 0.1)
    updates(optimizer, parameter, 5)
    own = optimizer.param_groups[0]["lr"]
    param_groups.set_value(optimizer, "lr", 0.0)
    param_groups.set_value(optimizer, "lr", 0.05)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(own / 2)
    again = swats(matrix())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each in (optimizer, again):
        param_groups.set_value(each, "lr", 0.02)
    assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


# ---------------------------------------------------------------- Lookahead


def test_T3_lookahead_drags_loaded_weights_back_without_the_guard() -> None:
    parameter = matrix(0.0)
    optimizer = pytorch_optimizer.Lookahead(torch.optim.SGD([parameter], lr=1e-9), k=1)
    parameter.data.fill_(9.0)  # as a checkpoint, a range test or a transfer would
    updates(optimizer, parameter, 1)
    assert parameter.detach().mean() == pytest.approx(4.5)


def test_T3_lookahead_starts_from_the_weights_of_its_first_step() -> None:
    parameter = matrix(0.0)
    optimizer = optimizers.create("lookahead", [parameter], base="sgd", lr=1e-9, k=1)
    parameter.data.fill_(9.0)
    updates(optimizer, parameter, 1)
    assert parameter.detach().mean() == pytest.approx(9.0)


def test_T3_lookahead_cannot_be_copied_but_its_state_can() -> None:
    model = tiny_net()
    optimizer: Any = optimizers.create("lookahead_adam", model)
    train(model, optimizer, 7)
    with pytest.raises(AttributeError):
        copy.deepcopy(optimizer)
    before = weights(model)
    state, saved = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    first = train(model, optimizer, 7)
    model.load_state_dict(saved)
    optimizer.load_state_dict(state)
    assert identical(before, weights(model))
    assert train(model, optimizer, 7) == first


# ---------------------------------------------------------------- Muon


def test_T3_muon_gets_hidden_matrices_and_adamw_the_rest() -> None:
    model = tiny_net()
    with pytest.raises(ValueError, match="2D"):
        torch.optim.Muon(model.parameters())
    optimizer = optimizers.create("muon", model, lr=0.04, weight_decay=0.1)
    muon = [p for g in optimizer.param_groups if g["use_muon"] for p in g["params"]]
    rest = [p for g in optimizer.param_groups if not g["use_muon"] for p in g["params"]]
    first, hidden, head = model[0], model[3], model[4]
    assert isinstance(first, nn.Linear)
    assert isinstance(hidden, nn.Linear)
    assert isinstance(head, nn.Linear)
    assert {id(p) for p in muon} == {id(first.weight), id(hidden.weight)}
    assert {id(p) for p in muon} | {id(p) for p in rest} == {id(p) for p in model.parameters()}
    rates = {group["use_muon"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {True: 0.04, False: pytest.approx(0.0006)}
    param_groups.set_value(optimizer, "lr", 0.4)  # the ratio stays
    assert {g["use_muon"]: g["lr"] for g in optimizer.param_groups}[False] == pytest.approx(0.006)


def test_T3_muon_needs_a_module_and_a_hidden_matrix() -> None:
    with pytest.raises(ArgumentError, match="pass the module itself"):
        optimizers.create("muon", tiny_net().parameters())
    with pytest.raises(ArgumentError, match="use 'adamw'"):
        optimizers.create("muon", nn.Linear(3, 1))


# ---------------------------------------------------------------- Prodigy, schedule-free, Adafactor


def test_T3_prodigy_has_one_rate_whatever_its_groups_say() -> None:
    a, b = matrix(), matrix()
    optimizer = pytorch_optimizer.Prodigy([{"params": [a], "lr": 1.0}, {"params": [b], "lr": 0.1}])
    for _ in range(10):
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
        optimizer.step()
    assert torch.equal(a, b)
    with pytest.raises(ArgumentError, match="it has one rate"):
        optimizers.create("prodigy", tiny_net(), layer_decay=0.5)


def test_T3_prodigys_rate_multiplies_what_it_adapts() -> None:
    can = optimizers.capabilities("prodigy")
    assert not can.range_test
    assert "lr at 1" in can.range_test.reason


def test_T3_schedule_free_weighs_steps_by_the_highest_rate_so_far() -> None:
    """After one step at 10x, ten steps at 1x weigh as if they were at 10x: no cycles there."""
    parameter = matrix()
    optimizer = optimizers.create("schedule_free_sgd", [parameter], lr=0.01)
    group = optimizer.param_groups[0]
    updates(optimizer, parameter, 1)
    param_groups.set_value(optimizer, "lr", 0.1)
    updates(optimizer, parameter, 1)
    before = group["weight_sum"]
    param_groups.set_value(optimizer, "lr", 0.01)
    updates(optimizer, parameter, 1)
    assert group["weight_sum"] - before == pytest.approx(0.1**2)
    can = optimizers.capabilities_of(optimizer)
    assert not can.cycle
    assert not can.range_test
    assert not can.momentum_cycle
    assert can.averages


def test_T3_adafactor_hides_a_rate_above_its_cap() -> None:
    """Step 21 from one and the same state: it moves with min(lr, 1 / sqrt(21))."""

    def step_21(lr: float) -> float:
        parameter = matrix()
        optimizer = optimizers.create("adafactor", [parameter], lr=0.01)
        return updates(
            optimizer, parameter, 21, at={20: lambda: param_groups.set_value(optimizer, "lr", lr)}
        )[-1]

    cap = optimizers.capabilities("adafactor").lr_cap(21)
    assert step_21(0.1) == pytest.approx(10 * step_21(0.01), rel=1e-4)
    assert step_21(1.0) == step_21(10.0) == pytest.approx(cap / 0.01 * step_21(0.01), rel=1e-4)


@pytest.mark.parametrize("name", ["asgd", "rprop"])
def test_T3_a_rate_that_does_not_act_is_not_swept(name: str) -> None:
    parameter = matrix()
    optimizer = optimizers.create(name, [parameter], lr=0.01)
    first = updates(optimizer, parameter, 3)
    twin = matrix()
    other = optimizers.create(name, [twin], lr=0.01)
    second = updates(other, twin, 3, at={2: lambda: param_groups.set_value(other, "lr", 0.1)})
    assert second[2] == first[2]  # ten times the rate, the same step
    assert not optimizers.capabilities(name).range_test


@pytest.mark.parametrize(
    "name", [n for n in optimizers.names() if optimizers.capabilities(n).range_test]
)
def test_T3_a_rate_that_may_be_swept_acts_on_the_very_next_step(name: str) -> None:
    model, twin = tiny_net(), tiny_net()
    first, other = optimizers.create(name, model), optimizers.create(name, twin)
    train(model, first, 8)
    train(twin, other, 8)
    lr = param_groups.get(first, "lr")
    assert lr is not None
    param_groups.set_value(other, "lr", lr / 10)
    before = weights(model)
    train(model, first, 1)
    train(twin, other, 1)
    far = sum((a - b).norm() ** 2 for a, b in zip(weights(model), before, strict=True)) ** 0.5
    near = sum((a - b).norm() ** 2 for a, b in zip(weights(twin), before, strict=True)) ** 0.5
    assert float(far / near) == pytest.approx(10, rel=0.02)


# ---------------------------------------------------------------- LBFGS


def test_T3_lbfgs_gets_a_single_group_and_is_not_swept() -> None:
    model = tiny_net()
    groups = [{"params": [parameter]} for parameter in model.parameters()]
    with pytest.raises(ValueError, match="per-parameter options"):
        torch.optim.LBFGS(groups)
    optimizer = optimizers.create("lbfgs", model)
    assert len(optimizer.param_groups) == 1
    with pytest.raises(ArgumentError, match="it takes a single group"):
        optimizers.create("lbfgs", model, layer_decay=0.5)
    can = optimizers.capabilities_of(optimizer)
    assert not can.range_test
    assert not can.cycle


def test_T3_lbfgs_looks_at_the_loss_many_times_a_step() -> None:
    """Why no sweep judges it: one step is up to 20 evaluations, each at the same rate."""
    model = tiny_net()
    losses: list[float] = []
    optimizer: Any = optimizers.create("lbfgs", model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(torch.ones(2, 4)) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        return loss  # type: ignore[no-any-return]

    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    optimizer.step(closure)
    assert len(losses) > 1
