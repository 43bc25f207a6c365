"""The sweep itself: exactly the steps asked for, each at its rate, each with its own loss."""

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool import LossCurve, StopReason
from lrtool.callbacks import LRRangeTest
from lrtool.errors import ArgumentError, UnsupportedError
from support.tiny import TinyModel, Untouched, silent_trainer, tiny_data, tiny_loader, tiny_trainer
from support.trace import NAMESPACES, OneShot, differences, make_model


def sweep(
    model: Any, loader: Any = None, finder: LRRangeTest | None = None, **options: Any
) -> LRRangeTest:
    finder = finder or exact()
    trainer = tiny_trainer(callbacks=[finder], **{"max_epochs": 1, **options})
    trainer.fit(model, tiny_loader() if loader is None else loader)
    return finder


def exact(num_steps: int = 20, **options: Any) -> LRRangeTest:
    """Sweeps exactly num_steps from 1e-6 to 1e-1."""
    return LRRangeTest(
        **{
            "min_lr": 1e-6,
            "max_lr": 1e-1,
            "num_steps": num_steps,
            "early_stop": None,
            "apply": False,
            **options,
        }
    )


def curve_of(finder: LRRangeTest) -> LossCurve:
    assert finder.result is not None
    return finder.result.curve


class Scripted(TinyModel):
    """A model whose k-th training loss is `script(k)`."""

    script: Callable[[int], Any]
    calls = 0

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        value = self.script(self.calls)
        self.calls += 1
        return None if value is None else self.loss(batch) * 0 + value


def scripted(script: Callable[[int], Any]) -> Scripted:
    model = Scripted()
    model.script = script
    return model


class Straight(pl.LightningModule):
    """y = w x without noise of any kind: the loss is a function of w and the batch alone."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)
        self.lr = lr

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# --- length and stop reason -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"max_epochs": 1},
        {"max_steps": 3},
        {"limit_train_batches": 2},
        {"fast_dev_run": True},
        {"accumulate_grad_batches": 3},
        {"overfit_batches": 1},
        {"min_steps": 4, "max_steps": 4},
    ],
    ids=str,
)
def test_A5_exactly_the_steps_asked_for_whatever_the_limits(options: dict[str, Any]) -> None:
    curve = curve_of(sweep(TinyModel(), finder=exact(30), **options))
    assert len(curve) == 30
    assert curve.stop_reason is StopReason.COMPLETED


def test_A5_A18_longer_than_the_loader_and_warned_of_many_rounds() -> None:
    short = DataLoader(TensorDataset(*tiny_data()[:16]), 8)
    assert len(curve_of(sweep(TinyModel(), short, exact(60)))) == 60
    with pytest.warns(UserWarning, match="went over the training data 60 times, 2 batches each"):
        finder = sweep(TinyModel(), short, exact(120))
    assert finder.result is not None
    assert len(finder.result.diagnosis) == 1


def test_A6_the_curve_does_not_depend_on_the_step_it_starts_at(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = Straight(lr=0.0)
    early = sweep(model)
    trainer = tiny_trainer(max_epochs=63)  # 504 steps at rate 0
    trainer.fit(model, tiny_loader())
    trainer.save_checkpoint(tmp_path / "late.ckpt")
    late = exact(on_resume="run")
    tiny_trainer(callbacks=[late], max_epochs=64).fit(
        model, tiny_loader(), ckpt_path=tmp_path / "late.ckpt"
    )
    assert late.result is not None
    assert late.result.context["global_step"] == 504
    assert curve_of(late) == curve_of(early)


@pytest.mark.parametrize("early_stop", [None, False])
def test_A7_without_early_stop_every_step_is_taken(early_stop: bool | None) -> None:
    model = scripted(lambda k: 10.0**k)
    curve = curve_of(sweep(model, finder=exact(25, early_stop=early_stop)))
    assert len(curve) == 25
    assert curve.stop_reason is StopReason.COMPLETED


@pytest.mark.parametrize("seed", range(5))
def test_A7_a_flat_noisy_start_is_not_divergence(seed: int) -> None:
    noise = np.random.default_rng(seed).lognormal(0.0, 0.5, 400)
    curve = curve_of(sweep(scripted(lambda k: noise[k]), finder=exact(100, early_stop=True)))
    assert curve.stop_reason is StopReason.COMPLETED


def test_A8_shift_and_scale_of_the_loss_change_nothing() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.05, 400)

    def losses(k: int) -> float:
        return float(2.0 + noise[k] + (4.0 ** max(0, k - 60)) - 0.02 * min(k, 60))

    def run(change: Callable[[float], float]) -> LossCurve:
        finder = exact(100, early_stop=True, max_lr=10.0)
        return curve_of(sweep(scripted(lambda k: change(losses(k))), finder=finder, precision=64))

    plain = run(lambda loss: loss)
    assert plain.stop_reason is StopReason.DIVERGED
    assert 60 < len(plain) < 70
    for change in (lambda x: x - 100, lambda x: 1000 * x, lambda x: 0.001 * x - 7):
        assert len(run(change)) == len(plain)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": lambda out, y: nn.functional.cross_entropy(out, y),
    "nll": lambda out, y: nn.functional.nll_loss(out.log_softmax(1), y),
    "bce": lambda out, y: nn.functional.binary_cross_entropy_with_logits(out[:, 0], (y > 1) * 1.0),
    "kl": lambda out, y: nn.functional.kl_div(
        out.log_softmax(1), nn.functional.one_hot(y, 3) * 0.9 + 0.1 / 3, reduction="batchmean"
    ),
    "mse": lambda out, y: nn.functional.mse_loss(out[:, 0], y * 1.0),
    "l1": lambda out, y: nn.functional.l1_loss(out[:, 0], y * 1.0),
    "cosine": lambda out, y: -nn.functional.cosine_similarity(
        out, nn.functional.one_hot(y, 3) * 1.0
    ).mean(),
    "negative log density": lambda out, y: (
        (out[:, 0] - y) ** 2 / 2 * 100 - np.log(100.0)
    ).mean(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_A8_the_losses_people_use_all_get_a_whole_sweep(name: str) -> None:
    class Classifier(Straight):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = batch
            return LOSSES[name](self.layer(x), y)

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 4, generator=generator)
    y = x[:, :3].argmax(1)
    torch.manual_seed(0)
    finder = exact(80, max_lr=1e-2, early_stop=True)
    sweep(Classifier(), DataLoader(TensorDataset(x, y), 32), finder)
    assert curve_of(finder).stop_reason is StopReason.COMPLETED
    assert len(curve_of(finder)) == 80
    assert np.isfinite(curve_of(finder).loss).all()


@pytest.mark.parametrize("step", [0, 1, 7, 19])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_A9_the_first_nonfinite_loss_ends_the_sweep_aligned(step: int, value: float) -> None:
    model = scripted(lambda k: value if k == step else 1.0)
    curve = curve_of(sweep(model, finder=exact(20, early_stop=True)))
    assert len(curve.lr) == len(curve.loss) == step + 1
    assert curve.stop_reason is StopReason.NONFINITE
    assert not np.isfinite(curve.loss[-1])
    assert np.isfinite(curve.loss[:-1]).all()


@pytest.mark.filterwarnings("ignore:.*returned `None`")
def test_A10_none_now_and_then_misaligns_nothing() -> None:
    model = scripted(lambda k: None if k % 3 == 1 else float(k))
    curve = curve_of(sweep(model, finder=exact(10)))
    assert curve.loss.tolist() == [k for k in range(100) if k % 3 != 1][:10]
    assert len(curve.lr) == 10


@pytest.mark.filterwarnings("ignore:.*returned `None`")
def test_A10_always_none_ends_as_nonfinite() -> None:
    curve = curve_of(sweep(scripted(lambda k: None), finder=exact(10)))
    assert curve.stop_reason is StopReason.NONFINITE


# --- what a step is ---------------------------------------------------------------------------


RATES: list[float] = []  # not in reach of the model: what a sweep leaves there is taken back


def test_A11_the_loss_is_the_mean_of_the_micro_batches_and_the_rate_moves_per_step() -> None:
    losses = np.random.default_rng(0).random(400)
    RATES.clear()

    def script(k: int) -> float:
        RATES.append(model.trainer.optimizers[0].param_groups[0]["lr"])
        return float(losses[k])

    model = scripted(script)
    finder = sweep(model, finder=exact(10), accumulate_grad_batches=4)
    expected = losses[:40].reshape(10, 4).mean(1)
    np.testing.assert_allclose(curve_of(finder).loss, expected, rtol=1e-6)
    assert np.array(RATES[:40]).reshape(10, 4).tolist() == [
        [lr] * 4 for lr in curve_of(finder).lr.tolist()
    ]


def test_A11_accumulation_takes_the_step_that_the_trainer_would() -> None:
    """Four micro-batches of 4 make the step of one batch of 16."""
    torch.manual_seed(0)
    model = Straight()
    many = exact(10, then="stop")
    sweep(model, tiny_loader(batch_size=4), many, accumulate_grad_batches=4)
    one = sweep(model, tiny_loader(batch_size=16), exact(10))
    np.testing.assert_allclose(curve_of(many).loss, curve_of(one).loss, rtol=1e-5)


def test_A12_each_recorded_rate_is_the_one_its_step_was_taken_at() -> None:
    taken: list[float] = []

    class Spying(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            result = super().step(closure)
            taken.append(self.param_groups[0]["lr"])
            return result

    torch.manual_seed(0)
    model = TinyModel(lambda m: Spying(m.parameters(), lr=0.5, momentum=0.9))
    finder = sweep(model, finder=LRRangeTest(num_steps=40, max_steps=60, apply=False))
    assert finder.result is not None
    assert taken[: finder.result.num_steps] == finder.result.curve.lr.tolist()


def test_A12_the_curve_is_that_of_a_loop_written_by_hand() -> None:
    """An independent oracle: plain torch, no Trainer, bit for bit."""
    torch.manual_seed(0)
    model = Straight()
    layer = nn.Linear(4, 1)
    layer.load_state_dict(model.layer.state_dict())
    curve = curve_of(sweep(model, finder=exact(24)))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    losses = []
    batches = list(tiny_loader()) * 3
    for lr, (x, y) in zip(curve.lr.tolist(), batches, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        loss = nn.functional.mse_loss(layer(x), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert curve.loss.tolist() == losses


@pytest.mark.parametrize("groups", [1, 2])
def test_A12_a_module_that_writes_the_rate_itself_is_refused_before_the_first_update(
    groups: int,
) -> None:
    class WarmUp(TinyModel):
        def optimizer_step(
            self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
        ) -> None:
            optimizer.param_groups[-1]["lr"] = 0.123
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

        def configure_optimizers(self) -> Any:
            halves = [{"params": list(self.parameters())[i::groups]} for i in range(groups)]
            return torch.optim.SGD(halves, lr=0.1)

    model = WarmUp()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UnsupportedError, match=r"got lr=0\.123 in place of 1e-06"):
        sweep(model)
    assert differences(before, dict(model.state_dict())) == []


def test_A13_the_same_seed_gives_the_same_curve_and_repeats_differ_in_their_data() -> None:
    def run() -> LossCurve:
        torch.manual_seed(5)
        return curve_of(sweep(TinyModel(), tiny_loader(shuffle=True), exact(20, repeats=3)))

    one, two = run(), run()
    assert one == two
    assert one.passes is not None
    assert one.passes.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    losses = one.loss.reshape(3, 20)
    assert not np.array_equal(losses[0], losses[1])


def test_A13_every_pass_starts_from_the_same_weights_and_optimizer_state() -> None:
    starts: list[Any] = []

    class Watching(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            lr = self.trainer.optimizers[0].param_groups[0]["lr"]
            if lr == 1e-6:
                state = self.trainer.optimizers[0].state_dict()["state"]
                weights = {k: v.clone() for k, v in self.state_dict().items()}
                starts.append((weights, {k: dict(v) for k, v in state.items()}))
            return super().training_step(batch, batch_idx)

    sweep(Watching(), finder=exact(20, repeats=3))
    assert len(starts) == 3
    assert differences(starts[0], starts[1]) == []
    assert differences(starts[0], starts[2]) == []


def test_A12_A15_the_result_exposes_the_bounds_of_a_cycle() -> None:
    torch.manual_seed(0)
    finder = sweep(TinyModel(), finder=LRRangeTest(apply=False))
    assert finder.result is not None
    assert finder.result.min_lr < finder.result.lr < finder.result.max_lr
    assert finder.result.curve.lr.min() <= finder.result.lr <= finder.result.curve.lr.max()


# --- validation loss ----------------------------------------------------------------------------


class Validated(TinyModel):
    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        assert not self.training
        loss = self.loss(batch)
        self.log("val_loss", loss)
        return loss


@pytest.mark.parametrize("options", [{}, {"monitor": "val_loss"}], ids=str)
def test_A16_the_loss_of_fixed_validation_batches_is_that_of_the_same_model(
    options: dict[str, Any],
) -> None:
    torch.manual_seed(0)
    model = Validated()
    model.eval()
    with torch.no_grad():
        batches = list(tiny_loader(rows=24))
        expected = float(torch.stack([model.loss(batch) for batch in batches[:2]]).mean())
    model.train()
    finder = exact(20, val_batches=2, **options)
    trainer = tiny_trainer(callbacks=[finder], max_epochs=1, num_sanity_val_steps=0)
    trainer.fit(model, tiny_loader(), tiny_loader(rows=24))
    losses = curve_of(finder).loss
    assert losses[0] == pytest.approx(expected, rel=1e-6)
    assert len(set(losses[:3].tolist())) == 3  # it moves with the weights


def test_A16_a_metric_to_maximize_is_swept_as_its_negative() -> None:
    class Scored(Validated):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().validation_step(batch, batch_idx)
            self.log("score", 5 - 2 * loss)
            return loss

    curves = []
    torch.manual_seed(0)
    model = Scored()
    for options in ({}, {"monitor": "score", "mode": "max"}):
        finder = LRRangeTest(apply=False, val_batches=2, then="stop", **options)  # type: ignore[arg-type]
        torch.manual_seed(1)
        tiny_trainer(callbacks=[finder]).fit(model, tiny_loader(), tiny_loader(rows=24))
        curves.append(finder.result)
    loss, score = curves
    assert loss is not None
    assert score is not None
    assert score.curve.loss == pytest.approx(2 * loss.curve.loss - 5, rel=1e-5, abs=1e-5)
    assert score.lr == pytest.approx(loss.lr, rel=1e-3)
    assert [one.plot().get_ylabel() for one in (loss, score)] == ["validation loss", "-score"]


def test_A16_needs_validation_data_and_a_loss() -> None:
    with pytest.raises(ArgumentError, match="needs validation data"):
        sweep(Validated(), finder=exact(val_batches=2))
    finder = exact(val_batches=2)
    trainer = tiny_trainer(callbacks=[finder], max_epochs=1)
    with pytest.raises(UnsupportedError, match=r"monitor=: val_loss"):
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader())

    class Named(TinyModel):
        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return {"val_loss": self.loss(batch)}

    with pytest.raises(UnsupportedError, match=r"return it, or name .*: none is logged"):
        trainer.fit(Named(), tiny_loader(), tiny_loader())
    finder.monitor = "nonsense"
    with pytest.raises(ArgumentError, match=r"got 'nonsense'; it logs val_loss"):
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader())


# --- data ---------------------------------------------------------------------------------------


def test_A17_a_short_last_batch_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes: list[int] = []

    class Watching(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            sizes.append(len(batch[0]))
            return super().training_step(batch, batch_idx)

    # Told in the log: most data sets have such a batch, and where warnings are errors, as here, one
    # would end every training.
    sweep(Watching(), tiny_loader(rows=34), exact(20))
    assert "holds only 2 rows" in caplog.text
    assert set(sizes[:20]) == {8}
    assert sizes[20:] == [8, 8, 8, 8, 2]  # training itself sees it


def test_not_restored_a_stream_that_cannot_be_rewound_is_said() -> None:
    with pytest.warns(UserWarning, match="OneShot cannot be rewound: 20 batches"):
        finder = sweep(TinyModel(), DataLoader(OneShot(), 8), exact(20), max_steps=3)
    assert finder.result is not None
    assert finder.result.not_restored[0].startswith("the training stream OneShot cannot be rewound")


def test_data_that_runs_out_for_good_interrupts_the_sweep() -> None:
    with pytest.warns(UserWarning, match="cannot be rewound"):
        finder = sweep(TinyModel(), DataLoader(OneShot(80), 8), exact(20, apply=True))
    assert curve_of(finder).stop_reason is StopReason.INTERRUPTED
    assert len(curve_of(finder)) == 9  # the tenth batch had been fetched ahead by the Trainer
    assert finder.result is not None
    assert not finder.result.applied


class Custom:
    """A batch of the user's own class."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair

    def to(self, device: Any) -> "Custom":
        return self


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda x, y: {"x": x, "y": y}, lambda b: (b["x"], b["y"])),
        (lambda x, y: [x, [y]], lambda b: (b[0], b[1][0])),
        (lambda x, y: Custom((x, y)), lambda b: b.pair),
    ],
    ids=["dict", "nested list", "custom"],
)
def test_G9_only_training_step_looks_into_the_batch(wrap: Any, unwrap: Any) -> None:
    class Model(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.loss(unwrap(batch))

    def collate(items: list[tuple[Tensor, Tensor]]) -> Any:
        return wrap(torch.stack([x for x, _ in items]), torch.stack([y for _, y in items]))

    assert len(curve_of(sweep(Model(), tiny_loader(collate_fn=collate)))) == 20


def test_several_loaders_and_dataloader_iter() -> None:
    class Two(TinyModel):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.loss(batch["a"]) + self.loss(batch["b"])

    loaders = {"a": tiny_loader(), "b": tiny_loader(rows=32, shuffle=True)}
    assert len(curve_of(sweep(Two(), loaders))) == 20

    class Pulls(TinyModel):
        def training_step(self, dataloader_iter: Any) -> Tensor:  # type: ignore[override]
            batch, _, _ = next(dataloader_iter)
            return self.loss(batch)

    with pytest.warns(UserWarning, match="dataloader_iter"):
        finder = sweep(Pulls())
    assert len(curve_of(finder)) == 20


@pytest.mark.parametrize("accumulate", [1, 3])
def test_batches_are_numbered_as_in_training_however_often_the_sweep_goes_over_them(
    accumulate: int,
) -> None:
    numbers: list[int] = []  # not on the model: a sweep puts the model's attributes back

    class Weighted(TinyModel):
        """Knows each batch of an epoch by its number."""

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            numbers.append(batch_idx)
            return super().training_step(batch, batch_idx) * ([1.0] * 8)[batch_idx]

    sweep(Weighted(), finder=exact(20), accumulate_grad_batches=accumulate)
    assert numbers == [*(list(range(8)) * 8)[: 20 * accumulate], *range(8)]


def test_an_iterator_of_batches_numbers_them_as_in_training() -> None:
    numbers: list[int] = []

    class Pulls(TinyModel):
        def training_step(self, dataloader_iter: Any) -> Tensor:  # type: ignore[override]
            batch, batch_idx, _ = next(dataloader_iter)
            numbers.append(batch_idx)
            return self.loss(batch)

    with pytest.warns(UserWarning, match="dataloader_iter"):
        sweep(Pulls())
    assert numbers[:20] == (list(range(8)) * 3)[:20]


# --- manual optimization, several optimizers ------------------------------------------------------


class Manual(TinyModel):
    """Manual optimization; `returns` decides whether training_step returns its loss."""

    def __init__(self, returns: bool = True, every: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.returns, self.every = returns, every

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        optimizer: Any = self.optimizers()
        loss = self.loss(batch) / self.every
        self.manual_backward(loss)
        if (batch_idx + 1) % self.every == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss if self.returns else None


@pytest.mark.parametrize("returns", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_A19_manual_optimization_sweeps_as_automatic_does(returns: bool, every: int) -> None:
    torch.manual_seed(0)
    manual = Manual(returns, every)
    automatic = TinyModel()
    automatic.load_state_dict(manual.state_dict())
    torch.manual_seed(1)
    one = curve_of(sweep(manual, finder=exact(20)))
    torch.manual_seed(1)
    options = {} if every == 1 else {"accumulate_grad_batches": every}
    two = curve_of(sweep(automatic, finder=exact(20), **options))
    assert one.lr.tolist() == two.lr.tolist()
    np.testing.assert_allclose(one.loss, two.loss, rtol=1e-5)


def test_A19_a_loss_that_nobody_sees_is_an_error() -> None:
    class Hidden(Manual):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            optimizer: Any = self.optimizers()
            optimizer.zero_grad()
            self.loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    with pytest.raises(UnsupportedError, match="do one of the two"):
        sweep(Hidden())


def test_A19_schedulers_stepped_by_hand_stay_where_they_were() -> None:
    class Stepping(Manual):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            scheduler: Any = self.lr_schedulers()
            scheduler.step()
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]

    finder = exact(20)
    trainer = tiny_trainer(callbacks=[finder], max_epochs=1)
    trainer.fit(Stepping(), tiny_loader())
    assert len(set(curve_of(finder).lr.tolist())) == 20
    assert trainer.lr_scheduler_configs[0].scheduler.last_epoch == 8


class Adversaries(pl.LightningModule):
    """Two optimizers, two losses."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = nn.Linear(4, 1), nn.Linear(4, 1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        optimizers: Any = self.optimizers()
        one, two = optimizers
        losses = []
        for optimizer, layer, scale in ((one, self.first, 1.0), (two, self.second, 100.0)):
            loss = scale * nn.functional.mse_loss(layer(x), y)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
        PAIRS.append((one.param_groups[0]["lr"], two.param_groups[0]["lr"]))
        SEEN.append((losses[0], losses[1]))

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.first.parameters(), lr=0.01),
            torch.optim.SGD(self.second.parameters(), lr=0.0002),
        ]


PAIRS: list[tuple[float, float]] = []
SEEN: list[tuple[float, float]] = []


@pytest.mark.parametrize("index", [0, 1])
def test_A20_one_of_two_optimizers_is_swept_and_the_other_held(index: int) -> None:
    PAIRS.clear()
    SEEN.clear()
    finder = exact(20, max_lr=1e-3, optimizer=index)
    sweep(Adversaries(), finder=finder)
    swept = [rates[index] for rates in PAIRS[:20]]
    held = {rates[1 - index] for rates in PAIRS[:20]}
    assert swept == curve_of(finder).lr.tolist()
    assert held == {(0.0002, 0.01)[index]}
    expected = [losses[index] for losses in SEEN[:20]]
    np.testing.assert_allclose(curve_of(finder).loss, expected, rtol=1e-6)


@pytest.mark.parametrize("max_lr", [1e-3, 1e-8])
def test_a_loss_that_another_optimizer_moves_is_not_blamed_on_the_rate_alone(
    max_lr: float, caplog: pytest.LogCaptureFixture
) -> None:
    finder = sweep(Adversaries(), finder=exact(20, min_lr=1e-9, max_lr=max_lr, apply=True))
    assert finder.result is not None
    said = "other optimizers train along" in " ".join(finder.result.diagnosis)
    assert said is ("other optimizers train along" in caplog.text)
    assert said is not finder.result.suggestion.has_pick


class Shared(Adversaries):
    """One loss, one backward, then both optimizers step."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        loss = nn.functional.mse_loss(self.second(x) + self.first(x), y)
        self.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.step()
        SEEN.append((float(loss.detach()),) * 2)


@pytest.mark.parametrize("index", [0, 1])
def test_optimizers_that_share_a_backward_share_its_loss(index: int) -> None:
    SEEN.clear()
    finder = exact(20, max_lr=1e-3, optimizer=index)
    sweep(Shared(), finder=finder)
    expected = [losses[index] for losses in SEEN[:20]]
    np.testing.assert_allclose(curve_of(finder).loss, expected, rtol=1e-6)


@pytest.mark.parametrize("epochs", [3, (-1,), (0.5,), None])
def test_A24_epochs_that_are_none_are_refused(epochs: Any) -> None:
    with pytest.raises(ArgumentError, match="at_epochs"):
        LRRangeTest(at_epochs=epochs)


def test_A20_an_optimizer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"optimizer < 2 must hold, got optimizer=2"):
        sweep(Adversaries(), finder=exact(optimizer=2))


# --- errors before the first step -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_lr": 1.0, "max_lr": 1e-8}, r"min_lr < max_lr.* got min_lr=1.0, max_lr=1e-08"),
        ({"min_lr": float("nan")}, "min_lr=nan"),
        ({"num_steps": 1}, "num_steps=1"),
        ({"num_steps": 2.5}, "num_steps=2.5"),
        ({"repeats": 0}, "repeats=0"),
        ({"then": "sleep"}, "got 'sleep'"),
        ({"on_resume": "train"}, "got 'train'"),
        ({"snapshot": "disk"}, "got 'disk'"),
        ({"suggester": "steepst"}, "got 'steepst'; did you mean 'steepest'"),
        ({"optimizer": -1}, "optimizer=-1"),
        ({"val_batches": -1}, "val_batches=-1"),
        ({"monitor": "val_loss"}, "val_batches > 0 with a monitor"),
        ({"val_batches": 2, "mode": "max"}, "name the metric to maximize"),
        ({"val_batches": 2, "monitor": "acc", "mode": "up"}, "got 'up'"),
    ],
    ids=str,
)
def test_A24_every_argument_is_checked_when_it_is_given(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        LRRangeTest(**options)


def test_A24_a_model_without_shapes_is_refused_before_the_first_step() -> None:
    model = Untouched()
    model.lazy = nn.LazyLinear(3)
    with pytest.raises(UnsupportedError, match=r"lazy\.weight"):
        sweep(model)


def test_A25_epochs_and_steps_go_on_as_without_a_sweep_in_their_midst() -> None:
    finder = exact(20, at_epochs=(1, 3))
    trainer = tiny_trainer(callbacks=[finder], max_epochs=4)
    trainer.fit(TinyModel(), tiny_loader())
    assert (trainer.current_epoch, trainer.global_step) == (4, 32)
    assert finder.result is not None
    assert finder.result.context["epoch"] == 3
    assert finder.result.context["global_step"] == 24


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_module_hooks_that_a_step_may_need_run_in_the_sweep(namespace: str) -> None:
    lightning = import_module(namespace)
    seen: list[str] = []

    def note(model: Any, batch_idx: int) -> None:
        seen.append("training_step")
        assert model.epoch_sum is not None  # set by on_train_epoch_start

    finder = exact(3)
    trainer = silent_trainer(lightning, max_epochs=1, callbacks=[finder])
    trainer.fit(make_model(lightning, on_step=note), tiny_loader())
    assert len(seen) == 3 + 8


def test_the_rungs_climb() -> None:
    lrs = curve_of(sweep(TinyModel(), finder=exact(20))).lr
    assert all(a < b for a, b in pairwise(lrs))
    assert (lrs[0], lrs[-1]) == (1e-6, 1e-1)
