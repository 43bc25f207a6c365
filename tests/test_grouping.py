"""Parameter groups: what decays, at which rate, nothing twice, nothing left out."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lrtool import optimizers
from lrtool.errors import ArgumentError
from lrtool.grouping import GroupPlan, groups_of, param_groups
from support.nets import GPT, Recurrent, ResNet, ViT, Wrapped

MODELS = [ResNet, ViT, GPT, Recurrent, lambda: Wrapped(ViT())]


def of(plan: GroupPlan) -> dict[str, tuple[float, float]]:
    """Parameter name -> (lr, weight decay)."""
    return {name: (row.lr, row.weight_decay) for row in plan.rows for name, _ in row.members}


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("layer_decay", [None, 0.5])
@pytest.mark.parametrize("no_decay", ["bias_and_norm", None])
def test_nothing_twice_nothing_left_out(make: Any, layer_decay: Any, no_decay: Any) -> None:
    model = make()
    plan = param_groups(
        model, lr=0.1, weight_decay=0.01, layer_decay=layer_decay, no_decay=no_decay
    )
    grouped = [id(p) for group in plan.groups() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    names = [group["name"] for group in plan.groups()]
    assert len(names) == len(set(names))
    torch.optim.AdamW(plan.groups())  # torch refuses a parameter in two groups


def test_no_decay_goes_by_module_type() -> None:
    model = nn.ModuleDict(
        {
            "bias_head": nn.Linear(2, 2),  # its name lies
            "norm_like": nn.Linear(2, 2, bias=False),
            "plain": nn.BatchNorm1d(2),
            "activation": nn.PReLU(),
            "attention": nn.MultiheadAttention(2, 1),
            "rnn": nn.LSTM(2, 2),
        }
    )
    decays = {
        name
        for name, (_, decay) in of(param_groups(model, lr=0.1, weight_decay=1.0)).items()
        if decay
    }
    assert decays == {
        "bias_head.weight", "norm_like.weight", "attention.in_proj_weight",
        "attention.out_proj.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0",
    }  # fmt: skip


def test_no_decay_by_pattern_or_function() -> None:
    model = ViT()
    plan = of(param_groups(model, lr=0.1, weight_decay=1.0, no_decay=["*_token", "head.*"]))
    assert plan["cls_token"][1] == plan["head.weight"][1] == plan["head.bias"][1] == 0.0
    assert plan["norm.bias"][1] == 1.0
    plan = of(param_groups(model, lr=0.1, weight_decay=1.0, no_decay=lambda name, p: p.ndim == 3))
    assert {name for name, (_, decay) in plan.items() if not decay} == {"cls_token", "pos_embed"}
    with pytest.raises(
        ArgumentError, match="matches some parameter's name must hold, got pattern='heda"
    ):
        param_groups(model, lr=0.1, no_decay=["heda.*"])
    with pytest.raises(ArgumentError, match="put a single pattern in a list"):
        param_groups(model, lr=0.1, no_decay="head.*")


@given(st.floats(0.01, 1.0), st.floats(1e-6, 1.0))
def test_layer_rates_are_a_geometric_ladder(layer_decay: float, lr: float) -> None:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    plan = of(param_groups(model, lr=lr, layer_decay=layer_decay))
    for layer in range(4):
        assert plan[f"{layer}.weight"][0] == pytest.approx(lr * layer_decay ** (3 - layer))
    assert plan["3.weight"][0] == lr


def test_ulmfits_factor() -> None:
    plan = of(param_groups(ViT(depth=2), lr=2.6**3, layer_decay=1 / 2.6))
    assert plan["head.weight"][0] == 2.6**3
    assert plan["cls_token"][0] == pytest.approx(1.0)
    assert plan["blocks.0.norm1.weight"][0] == pytest.approx(2.6)


def test_your_own_layer_groups() -> None:
    model = Wrapped(ViT())
    backbone = model.backbone
    plan = of(param_groups(model, lr=1.0, layer_decay=0.1, layer_groups=[backbone, model.head]))
    assert {rate for name, (rate, _) in plan.items() if name.startswith("backbone")} == {0.1}
    assert plan["head.weight"][0] == 1.0
    plan = of(param_groups(model, lr=1.0, layer_decay=0.1, layer_groups=[[model.head.bias]]))
    assert {rate for rate, _ in plan.values()} == {1.0}  # the rest joins the last group


def test_layer_groups_must_not_overlap_or_be_strangers() -> None:
    model = Wrapped(ViT())
    with pytest.raises(ArgumentError, match="each parameter in one layer group"):
        param_groups(model, lr=1.0, layer_groups=[model.backbone, model])
    with pytest.raises(ArgumentError, match="strangers=2"):
        param_groups(model, lr=1.0, layer_groups=[nn.Linear(1, 1)])


def test_overrides_cannot_take_a_parameter_out_of_its_group() -> None:
    with pytest.raises(ArgumentError, match="overrides without params must hold, got pattern='wei"):
        param_groups(nn.Linear(1, 1), lr=1.0, overrides={"weight": {"params": []}})


def test_overrides_multiply_and_set_as_torch_takes_them() -> None:
    model = Wrapped(ViT())
    plan = param_groups(
        model, lr=0.1, weight_decay=0.2,
        overrides={
            "head.*": {"lr_mult": 10, "betas": (0.8, 0.9)},
            "*.bias": {"decay_mult": 0.5},
            "head.bias": {"lr": 0.7},
            "backbone.cls_token": {"weight_decay": 0.0},
        },
    )  # fmt: skip
    rates = of(plan)
    assert rates["head.weight"] == (1.0, 0.2)
    assert rates["head.bias"] == (0.7, 0.0)
    assert rates["backbone.cls_token"] == (0.1, 0.0)
    optimizer = torch.optim.AdamW(plan.groups())
    head = next(
        g for g in optimizer.param_groups if any(p is model.head.weight for p in g["params"])
    )
    assert head["betas"] == (0.8, 0.9)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overrides": {"nothing": {"lr": 1.0}}}, "got pattern='nothing'"),
        ({"overrides": {"head.*": {"lr_mult": -1.0}}}, "got lr_mult=-1.0"),
        ({"layer_decay": 0.0}, "got layer_decay=0.0"),
        ({"layer_decay": float("nan")}, "got layer_decay=nan"),
        ({"layer_decay": 2.6}, "for ULMFiT's factor 2.6 give 1 / 2.6"),
        ({"lr": -1.0}, "got lr=-1.0"),
        ({"weight_decay": float("inf")}, "got weight_decay=inf"),
    ],
)
def test_bad_values_name_themselves(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        param_groups(ViT(), **{"lr": 0.1, **options})
    assert message in str(raised.value)


def test_a_module_without_parameters_is_refused() -> None:
    with pytest.raises(ArgumentError, match="a module with parameters"):
        param_groups(nn.ReLU(), lr=0.1)


def test_frozen_parameters_are_in_their_groups() -> None:
    """They may thaw later, and a group added then would break schedulers."""
    model = Wrapped(ViT())
    model.backbone.requires_grad_(False)
    plan = param_groups(model, lr=0.1)
    assert len(of(plan)) == len(list(model.parameters()))
    trained = [line.split()[5] for line in str(plan).splitlines()[1:]]
    assert sum(map(int, trained)) == sum(p.numel() for p in model.head.parameters())


def test_the_table_reads_in_text_and_html() -> None:
    plan = param_groups(
        nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), lr=0.1, weight_decay=0.01, layer_decay=0.5
    )
    lines = str(plan).splitlines()
    assert lines[0].split("  ")[0] == "group"
    assert "layer0/decay" in lines[1]
    assert "0.05" in lines[1]
    assert len(lines) == 1 + len(plan)
    html = plan._repr_html_()
    assert html.count("<tr>") == 1 + len(plan)
    assert "layer1/no_decay" in html


def test_the_groups_of_an_optimizer_at_hand() -> None:
    model = Wrapped(ViT())
    plan = param_groups(model, lr=0.1, weight_decay=0.2, layer_decay=0.5)
    optimizer = torch.optim.AdamW(plan.groups())
    assert of(groups_of(optimizer, model)) == of(plan)
    with pytest.raises(ArgumentError, match="every parameter in a group must hold"):
        groups_of(torch.optim.SGD(model.head.parameters()), model)
    optimizer.param_groups[0]["params"].append(model.head.bias)
    with pytest.raises(ArgumentError, match="no parameter in two groups"):
        groups_of(optimizer, model)


def test_groups_are_fresh_each_time() -> None:
    plan = param_groups(nn.Linear(2, 1), lr=0.1)
    plan.groups()[0]["lr"] = 5.0
    assert plan.groups()[0]["lr"] == 0.1


@pytest.mark.parametrize("name", ["sgdm", "adamw", "lion", "muon", "lookahead_adamw"])
def test_create_passes_layers_and_decay_on(name: str) -> None:
    model = ViT(depth=2)
    optimizer = optimizers.create(name, model, lr=0.1, weight_decay=0.3, layer_decay=0.5)
    rates = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    share = 0.015 if name == "muon" else 1.0
    assert rates[id(model.head.weight)] == pytest.approx(0.1 * share)
    assert rates[id(model.blocks[1].mlp[0].weight)] == pytest.approx(0.05)  # type: ignore[index, union-attr]
    assert decay[id(model.head.bias)] == 0.0
    assert decay[id(model.head.weight)] == 0.3
