"""Layers found from the module tree."""

import pytest
from torch import nn

from lrtool.module_tree import hidden_matrices, is_norm, layers, owners
from support.nets import GPT, Recurrent, ResNet, RMSNormByHand, ViT, Wrapped


def found(model: nn.Module) -> list[set[str]]:
    """The layers as sets of module names, the first two parts of each parameter's name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [{names[p].rpartition(".")[0] or names[p] for p in layer} for layer in layers(model)]


def test_a_resnet_has_one_layer_per_residual_block() -> None:
    parts = found(ResNet())
    assert len(parts) == 6
    assert parts[0] == {"conv1", "bn1"}
    blocks = [
        {name.split(".conv")[0].split(".bn")[0].split(".down")[0] for name in p} for p in parts
    ]
    assert blocks[1:5] == [{"layer1.0"}, {"layer1.1"}, {"layer2.0"}, {"layer2.1"}]
    assert parts[5] == {"fc"}


def test_a_vit_has_one_layer_per_block_and_its_embeddings_in_the_first() -> None:
    parts = found(ViT(depth=3))
    assert len(parts) == 5
    assert parts[0] == {"cls_token", "pos_embed", "patch_embed"}
    assert all(name.startswith("blocks.1") for name in parts[2])
    assert "norm" in parts[3]
    assert parts[4] == {"head"}


def test_a_gpt_with_tied_weights_has_them_once_where_they_come_first() -> None:
    model = GPT(depth=2)
    depth = layers(model)
    assert sum(len(layer) for layer in depth) == len(list(model.parameters()))
    assert any(p is model.wte.weight for p in depth[0])
    assert any(p is model.ln_f.weight for p in depth[-1])


def test_torchs_own_transformer_opens_into_its_layers() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(
        nn.Embedding(11, 8),
        nn.TransformerEncoder(layer, 3, enable_nested_tensor=False),
        nn.Linear(8, 2),
    )
    assert [len(part) for part in layers(model)] == [13, 12, 12, 2]


def test_a_recurrent_net_keeps_its_lstm_whole() -> None:
    assert found(Recurrent()) == [{"embedding", "rnn"}, {"decoder"}]


def test_a_wrapped_backbone_opens() -> None:
    parts = found(Wrapped(ViT(depth=3)))
    assert len(parts) == 6
    assert parts[-1] == {"head"}


def test_a_norm_joins_the_layer_before_it() -> None:
    model = nn.Sequential(
        nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 2), nn.LayerNorm(2)
    )
    assert found(model) == [{"0", "1"}, {"3", "4"}]


@pytest.mark.parametrize(
    "model",
    [ResNet(), ViT(), GPT(), Recurrent(), nn.Linear(2, 1), nn.LayerNorm(3), nn.Embedding(3, 2)],
    ids=lambda m: type(m).__name__,
)
def test_every_parameter_is_in_exactly_one_layer(model: nn.Module) -> None:
    parts = [id(p) for layer in layers(model) for p in layer]
    assert sorted(parts) == sorted(id(p) for p in model.parameters())
    assert len(parts) == len(set(parts))


def test_a_module_without_parameters_has_no_layers() -> None:
    assert layers(nn.Sequential(nn.ReLU())) == []


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(3),
        nn.LayerNorm(3),
        nn.GroupNorm(1, 3),
        nn.InstanceNorm1d(3, affine=True),
        RMSNormByHand(3),
    ],
)
def test_norms_by_type_or_by_name_and_shape(norm: nn.Module) -> None:
    assert is_norm(norm)


def test_a_name_alone_makes_no_norm() -> None:
    class NormalizedLinear(nn.Linear):
        pass

    class NormalHead(nn.Sequential):
        pass

    assert not is_norm(NormalizedLinear(3, 3))
    assert not is_norm(NormalHead(nn.Linear(3, 3)))


def test_hidden_matrices_leave_out_embeddings_head_and_vectors() -> None:
    model = GPT(depth=2)
    hidden = hidden_matrices(model)
    assert any(p is model.h[1].mlp[2].weight for p in hidden)  # type: ignore[index, union-attr]
    assert model.wte.weight not in hidden
    assert model.wpe.weight not in hidden
    assert all(p.ndim >= 2 for p in hidden)
    vit = ViT()
    assert vit.head.weight not in hidden_matrices(vit)
    assert {vit.cls_token, vit.pos_embed} & hidden_matrices(vit) == set()


def test_owners_know_the_first_module_of_a_tied_weight() -> None:
    model = GPT()
    where = {id(parameter): owner for parameter, owner in owners(model).items()}
    assert where[id(model.lm_head.weight)].module is model.wte
