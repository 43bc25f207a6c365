"""What a sweep notices beside the rate: said when true, silent when not, and free of charge."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool import RangeTestResult
from lrtool.callbacks import LRRangeTest
from lrtool.callbacks._diagnose import GradientNorms
from support.tiny import TinyModel, tiny_data, tiny_loader, tiny_trainer

X, Y = tiny_data().tensors
Wrapping = tuple[Callable[[Tensor, Tensor], Any], Callable[[Any], Any]]


def measured(model: Any, loader: Any, **options: Any) -> RangeTestResult:
    defaults = {"min_lr": 1e-6, "max_lr": 1e-3, "num_steps": 12, "early_stop": None}
    finder = LRRangeTest(**{**defaults, "apply": False, **options})
    trainer = tiny_trainer(callbacks=[finder], max_epochs=1, limit_train_batches=8)
    trainer.fit(model, loader)
    assert finder.result is not None
    return finder.result


def said(inputs: Tensor, collate: Any = None, unwrap: Any = None) -> tuple[str, ...]:
    """The diagnosis of a sweep over `inputs`, whose batches `collate(x, y)` makes."""

    class Model(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = unwrap(batch) if unwrap else batch
            return self.loss((x.float().flatten(1)[:, :4], y))

    def join(items: list[tuple[Tensor, Tensor]]) -> Any:
        x, y = (torch.stack(part) for part in zip(*items, strict=True))
        return collate(x, y) if collate else (x, y)

    loader = DataLoader(TensorDataset(inputs, Y), 32, collate_fn=join)
    return measured(Model(), loader).diagnosis


# --- inputs -------------------------------------------------------------------------------------


def test_raw_inputs_are_reported_with_the_first_batchs_own_numbers_and_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raw = X.clone()
    raw[:, 2] = 300 * X[:, 2] + 40
    (sentence,) = said(raw)
    first = raw[:32, 2].double()
    numbers = f"mean {first.mean():.3g} and std {first.std(correction=0):.3g}"
    assert f"1 of 4 features, the farthest feature 2 with {numbers}" in sentence
    assert "standardize them" in sentence
    assert sentence in caplog.text  # told too, and not as a warning, which would end a strict run


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_inputs_of_about_unit_scale_get_no_word(scale: float) -> None:
    assert said(scale * X) == ()


def test_inputs_that_are_all_tiny_are_reported() -> None:
    (sentence,) = said(0.001 * X)
    assert "4 of 4 features" in sentence


def test_edge_pixels_and_rare_indicators_are_no_finding() -> None:
    pixels = torch.cat([X, 0.01 * X.abs()], 1)
    assert said(pixels) == ()
    indicators = nn.functional.one_hot(torch.arange(64) * 31 % 1000, 1000).float()
    assert said(indicators) == ()


def test_images_are_judged_by_channel_and_sequences_by_their_last_dimension() -> None:
    images = torch.randn(64, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    assert said(images) == ()
    images[:, 1] = 255 * images[:, 1].abs()
    (sentence,) = said(images)
    assert "1 of 3 features, the farthest channel 1" in sentence
    sequences = torch.randn(64, 7, 4, generator=torch.Generator().manual_seed(0))
    sequences[:, :, 3] += 1000
    (sentence,) = said(sequences)
    assert "1 of 4 features, the farthest feature 3 with mean 1e+03" in sentence


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_text_and_other_integers_are_silent(dtype: torch.dtype) -> None:
    tokens = (200 + 10 * X).clamp(0, 255).to(dtype)
    assert said(tokens) == ()
    with_floats_after = lambda x, y: {"ids": x, "y": 1000 * y}  # noqa: E731
    assert said(tokens, with_floats_after, lambda b: (b["ids"], b["y"])) == ()


class Custom:
    """A batch of the user's own class."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.pair = (x, y)

    def to(self, device: Any) -> "Custom":
        return self


def test_every_kind_of_batch_passes_and_the_readable_ones_are_read() -> None:
    raw = 300 * X
    (plain,) = said(raw)
    read: list[Wrapping] = [
        (lambda x, y: {"row": y[:, 0], "x": x, "y": y}, lambda b: (b["x"], b["y"])),
        (lambda x, y: [[x, x], {"y": y}], lambda b: (b[0][0], b[1]["y"])),
    ]
    for collate, unwrap in read:
        assert said(raw, collate, unwrap) == (plain,)
    unread: list[Wrapping] = [
        (Custom, lambda b: b.pair),
        (lambda x, y: ("name", x, y), lambda b: b[1:]),
        (lambda x, y: ([], x, y), lambda b: b[1:]),
        (lambda x, y: (x[:, 0], x, y), lambda b: b[1:]),
    ]
    for collate, unwrap in unread:
        assert said(raw, collate, unwrap) == ()


def test_large_targets_are_no_inputs() -> None:
    assert said(X, lambda x, y: (x, 1000 * y)) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_break_nothing(value: float) -> None:
    broken = X.clone()
    broken[3, 1] = value
    assert said(broken) == ()


def test_what_the_batch_hooks_make_of_the_inputs_is_what_counts() -> None:
    class Standardizing(TinyModel):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch[0] / 300, batch[1]

    raw = DataLoader(TensorDataset(300 * X, Y), 32)
    assert measured(Standardizing(), raw).diagnosis == ()
    assert len(measured(TinyModel(), raw).diagnosis) == 1


def test_only_the_first_batch_is_measured_and_no_batch_is_kept() -> None:
    batches: list[weakref.ref[Tensor]] = []

    class Growing(TinyModel):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            x = batch[0] * 1000 ** (len(batches) > 0)
            batches.append(weakref.ref(x))
            return x, batch[1]

    result = measured(Growing(), tiny_loader())
    gc.collect()
    assert len(batches) == 12 + 8
    assert result.diagnosis == ()
    assert [one() for one in batches if one() is not None] == []


# --- parameters ---------------------------------------------------------------------------------


class WithSpare(TinyModel):
    """Has a layer `spare`, which the loss meets at the micro-batches in `used`, times `weight`."""

    def __init__(self, used: Any = (), weight: float = 1.0) -> None:
        super().__init__()
        self.spare = nn.Linear(4, 1)
        self.used, self.weight, self.calls = used, weight, 0

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        if self.calls in self.used:
            loss = loss + self.weight * self.spare(batch[0]).mean()
        self.calls += 1
        return loss


def test_a_parameter_frozen_by_accident_is_reported_by_name() -> None:
    (sentence,) = measured(WithSpare(), tiny_loader()).diagnosis
    assert "2 of 8 trainable parameters got no gradient" in sentence
    assert "(spare.weight, spare.bias)" in sentence


def test_units_that_never_fire_are_reported() -> None:
    (sentence,) = measured(WithSpare(range(99), weight=0.0), tiny_loader()).diagnosis
    assert "(spare.weight, spare.bias)" in sentence


@pytest.mark.parametrize("step", [0, 5, 11])
def test_one_gradient_anywhere_in_the_sweep_is_enough(step: int) -> None:
    assert measured(WithSpare([step]), tiny_loader()).diagnosis == ()


def test_one_gradient_after_the_sweep_is_too_late() -> None:
    assert len(measured(WithSpare([12]), tiny_loader()).diagnosis) == 1


def test_parameters_frozen_on_purpose_or_left_to_another_optimizer_are_silent() -> None:
    model = WithSpare()
    model.spare.requires_grad_(False)
    assert measured(model, tiny_loader()).diagnosis == ()
    model = WithSpare()
    model.make_optimizer = lambda m: torch.optim.SGD(m.net.parameters(), lr=0.1)
    assert measured(model, tiny_loader()).diagnosis == ()


def test_manual_optimization_is_watched_just_the_same() -> None:
    class Manual(WithSpare):
        def __init__(self, used: Any = ()) -> None:
            super().__init__(used)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            optimizer: Any = self.optimizers()
            loss = super().training_step(batch, batch_idx)
            self.manual_backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            return loss

    assert measured(Manual([3]), tiny_loader()).diagnosis == ()
    assert len(measured(Manual(), tiny_loader()).diagnosis) == 1


def test_gradients_seen_once_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Tensor] = []
    whole = torch.Tensor.any

    def spying(self: Tensor, *args: Any, **options: Any) -> Tensor:
        looks.append(self)
        return whole(self, *args, **options)

    monkeypatch.setattr(torch.Tensor, "any", spying)
    measured(TinyModel(), tiny_loader())
    assert len(looks) == 6  # each parameter's, at the first step


# --- the gradient's norm ------------------------------------------------------------------------


class Steep(WithSpare):
    """From lr 1e-2 on the gradient of `spare` is huge; the loss shows nothing of any step."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        (group,) = self.trainer.optimizers[0].param_groups
        idle = self.spare.weight.sum() + self.spare.bias.sum()
        moved: Tensor = loss + (1e6 if group["lr"] > 0.99e-2 else 1.0) * idle
        return 1 + (moved - moved.detach())


WIDE: dict[str, Any] = {"min_lr": 1e-5, "max_lr": 0.1, "num_steps": 41}


def test_a_gradient_that_explodes_before_the_loss_is_reported_with_its_rate() -> None:
    (sentence,) = measured(Steep(), tiny_loader(), **WIDE).diagnosis
    assert "gradient norm exploded at lr 0.01" in sentence
    assert "gradient_clip_val" in sentence


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("sizes", "said"), [((1.0, 1e6), 0), ((1e6, 1.0), 1)])
def test_the_first_pass_alone_is_judged(
    dtype: torch.dtype, sizes: tuple[float, float], said: int
) -> None:
    """Its gradients grow half-way, or those of the pass that follows, over the same rates."""
    parameter = nn.Parameter(torch.zeros(2, dtype=dtype))
    norms = GradientNorms([parameter])
    for size in sizes:
        for step, lr in enumerate(np.geomspace(1e-4, 1.0, 40)):
            parameter.grad = torch.full_like(parameter, size if step >= 20 else 1.0)
            norms.take()
            norms.keep(float(lr), 1.0)
    assert len(norms.sentences) == said


def test_a_pass_taken_twice_is_judged_once() -> None:
    assert len(measured(Steep(), tiny_loader(), **WIDE, repeats=2).diagnosis) == 1


def test_gradients_that_are_clipped_or_sparse_are_silent() -> None:
    finder = LRRangeTest(apply=False, early_stop=None, **WIDE)
    tiny_trainer(callbacks=[finder], gradient_clip_val=1.0).fit(Steep(), tiny_loader())
    assert finder.result is not None
    assert finder.result.diagnosis == ()

    class Sparse(TinyModel):
        def __init__(self) -> None:
            super().__init__(lambda m: torch.optim.SGD(m.parameters(), lr=0.1))
            self.table = nn.Embedding(8, 1, sparse=True)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss: Tensor = self.loss(batch) + self.table(torch.arange(4)).square().mean()
            return loss

    assert measured(Sparse(), tiny_loader(), **WIDE).diagnosis == ()


def test_the_norm_is_the_whole_gradients() -> None:
    parameters = [
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(2, 2)),
        *WithSpare().spare.parameters(),
    ]
    norms = GradientNorms(parameters)
    for step in range(10):
        for one in parameters[:2]:
            one.grad = torch.full_like(one, float(step + 1))
        norms.take()
        norms.keep(10.0**step, 1.0)
    kept = {step: row[2] for step, row in enumerate(norms._rows) if row[2]}
    whole = {step: float(torch.stack(list(each)).norm()) for step, each in kept.items()}
    assert whole == {step: pytest.approx((step + 1) * 7**0.5) for step in (0, 4, 8)}


def test_a_sweep_to_divergence_of_an_ordinary_model_is_silent() -> None:
    assert measured(TinyModel(), tiny_loader(), max_lr=None, num_steps=100).diagnosis == ()


# --- no trace -----------------------------------------------------------------------------------


def test_noticing_something_draws_nothing_and_changes_no_weight() -> None:
    def weights(find: bool) -> tuple[list[Tensor], Tensor]:
        torch.manual_seed(0)
        model = WithSpare()
        raw = DataLoader(TensorDataset(300 * X, Y), 8, shuffle=True)
        finder = LRRangeTest(num_steps=12, max_steps=20, apply=False)
        trainer = tiny_trainer(callbacks=[finder] if find else [], max_epochs=2)
        trainer.fit(model, raw)
        assert not find or (finder.result is not None and len(finder.result.diagnosis) == 2)
        return [one.detach() for one in model.parameters()], torch.get_rng_state()

    plain, swept = weights(False), weights(True)
    assert all(torch.equal(one, two) for one, two in zip(plain[0], swept[0], strict=True))
    assert torch.equal(plain[1], swept[1])
