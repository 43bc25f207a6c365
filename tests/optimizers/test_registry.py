"""create, names, capabilities and capabilities_of."""

import json
import subprocess
import sys
from typing import Any

import pytest
import pytorch_optimizer
import torch
from torch import nn

from lrtool import optimizers, param_groups
from lrtool.errors import ArgumentError, MissingDependencyError
from support.steps import tiny_net, train

NAMES = optimizers.names()
WRAPPED = [*NAMES, "lookahead_sgd", "lookahead_adam", "lookahead_radam"]


@pytest.mark.parametrize("name", WRAPPED)
def test_every_name_builds_and_learns(name: str) -> None:
    model = tiny_net()
    optimizer = optimizers.create(name, model)
    losses = train(model, optimizer, 60)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", WRAPPED)
def test_capabilities_of_finds_what_create_built(name: str) -> None:
    can = optimizers.capabilities_of(optimizers.create(name, tiny_net()))
    assert can == optimizers.capabilities(name)


@pytest.mark.parametrize("name", WRAPPED)
def test_momentum_is_the_knob_the_table_names(name: str) -> None:
    can = optimizers.capabilities(name)
    optimizer = optimizers.create(name, tiny_net())
    group = optimizer.param_groups[0]
    if name == "muon":
        group = next(group for group in optimizer.param_groups if group["use_muon"])
    knob = {"momentum": "momentum", "betas": "beta1", None: None}[param_groups.momentum_key(group)]
    assert knob == can.momentum
    if can.momentum:
        built = optimizers.create(name, tiny_net(), momentum=0.7)
        assert param_groups.get(built, "momentum") == 0.7 or name == "muon"


@pytest.mark.parametrize("name", NAMES)
def test_default_rate_is_inside_the_sane_range_and_written(name: str) -> None:
    can = optimizers.capabilities(name)
    assert can.lr_range[0] <= can.default_lr <= can.lr_range[1]
    assert param_groups.get(optimizers.create(name, tiny_net()), "lr") == can.default_lr
    lower = can.default_lr / 2
    assert param_groups.get(optimizers.create(name, tiny_net(), lr=lower), "lr") == lower


@pytest.mark.parametrize("name", NAMES)
def test_decay_is_decoupled_where_the_table_says_so(name: str) -> None:
    """Decoupled decay shrinks a weight whose gradient is zero, in proportion to the weight."""
    can = optimizers.capabilities(name)
    if name in {"lbfgs", "rprop", "muon", "asgd"}:
        pytest.skip("no weight decay, or none on a bare parameter")
    moved = []
    for size in (1.0, 10.0):
        parameter = nn.Parameter(torch.full((3, 3), size))
        optimizer = optimizers.create(name, [parameter], lr=0.01, weight_decay=0.1)
        for _ in range(12):
            parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
        moved.append(float(size - parameter.detach().mean()))
    proportional = moved[1] == pytest.approx(10 * moved[0], rel=1e-3) and moved[0] > 0
    plain_sgd = name in {"sgd", "sgdm", "nag", "schedule_free_sgd"}  # L2 and decay are one there
    if name == "prodigy":  # its d stays at 1e-6 under zero gradients
        return
    assert proportional == (can.decoupled or plain_sgd)


def test_unknown_name_is_guessed() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'adamw'"):
        optimizers.create("adamww", tiny_net())


@pytest.mark.parametrize(
    ("alias", "name"), [("Nesterov", "nag"), ("schedule-free", "schedule_free_adamw")]
)
def test_aliases(alias: str, name: str) -> None:
    assert optimizers.capabilities(alias).name == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "0 < lr < inf must hold, got lr=0.0"),
        ({"lr": float("nan")}, "0 < lr < inf must hold, got lr=nan"),
        ({"momentum": 1.0}, "0 <= momentum < 1 must hold, got momentum=1.0"),
        ({"weight_decay": -1.0}, "0 <= weight_decay < inf must hold, got weight_decay=-1.0"),
        ({"layer_decay": 2.6}, "0 < layer_decay <= 1 must hold, got layer_decay=2.6"),
        ({"beta": (0.9, 0.99)}, "adamw takes no option 'beta'; did you mean 'betas'"),
    ],
)
def test_bad_values_are_refused_with_their_numbers(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        optimizers.create("adamw", tiny_net(), **arguments)
    assert message in str(raised.value)


def test_an_option_the_class_would_swallow_is_refused() -> None:
    pytorch_optimizer.Lion([nn.Parameter(torch.ones(1))], weight_decya=0.1)  # taken without a word
    with pytest.raises(ArgumentError, match="did you mean 'weight_decay'"):
        optimizers.create("lion", tiny_net(), weight_decya=0.1)


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ArgumentError, match="use 'sgd' for no momentum"):
        optimizers.create("nag", tiny_net(), momentum=0.0)


@pytest.mark.parametrize("name", ["adagrad", "adadelta", "adafactor"])
def test_momentum_where_there_is_none_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="it has no momentum"):
        optimizers.create(name, tiny_net(), momentum=0.9)


def test_bare_parameters_and_groups_pass_through() -> None:
    model = tiny_net()
    groups = [
        {"params": list(model[0].parameters()), "lr": 0.5},
        {"params": list(model[3].parameters())},
    ]
    optimizer = optimizers.create("sgdm", groups, lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert len(optimizers.create("adam", model.parameters()).param_groups) == 1
    with pytest.raises(ArgumentError, match="pass the module itself"):
        optimizers.create("adam", model.parameters(), layer_decay=0.5)


def test_lookahead_over_anything() -> None:
    optimizer: Any = optimizers.create(
        "lookahead", tiny_net(), base="nag", k=3, alpha=0.8, momentum=0.7
    )
    assert (optimizer.k, optimizer.alpha) == (3, 0.8)
    assert optimizer.param_groups[0]["momentum"] == 0.7
    assert optimizers.capabilities_of(optimizer).name == "lookahead_nag"


def test_capabilities_of_a_stranger_is_read_off_its_groups() -> None:
    class Mine(torch.optim.SGD):
        pass

    can = optimizers.capabilities_of(Mine([nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.5))
    assert (can.momentum, can.name) == ("momentum", "sgdm")
    stranger = pytorch_optimizer.LaProp([nn.Parameter(torch.ones(1))])
    can = optimizers.capabilities_of(stranger)
    assert can.momentum == "beta1"
    assert "not in the table" in can.note


def test_capabilities_import_nothing_heavy() -> None:
    code = (
        "import json, sys; from lrtool import optimizers; optimizers.capabilities('swats'); "
        "print(json.dumps([m for m in ('torch', 'pytorch_optimizer') if m in sys.modules]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == []


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lrtool\[optimizers\]'"):
        optimizers.create("lion", tiny_net())


@pytest.mark.parametrize("name", NAMES)
def test_every_no_has_a_reason(name: str) -> None:
    can = optimizers.capabilities(name)
    for verdict in (can.range_test, can.cycle, can.momentum_cycle, can.group_rates):
        assert bool(verdict) or len(verdict.reason) > 20
    assert name in str(can) or name == "lookahead"
    assert (can.momentum_prior is None) == (can.momentum is None)
    for prior in (can.momentum_prior, can.weight_decay_prior):
        assert prior is None or 0 < prior.low < prior.median < prior.high <= 1
