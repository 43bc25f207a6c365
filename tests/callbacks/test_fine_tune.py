"""FineTuneRecipe inside a Trainer."""

import copy
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrtool import optimizers, param_groups, schedules
from lrtool.callbacks import FineTuneRecipe, LRRangeTest, OneCycleScheduler
from lrtool.callbacks._stopping_clock import active_schedule
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.fine_tuning import Stage
from lrtool.stage_record import StageRecord
from support.steps import identical
from support.tiny import Batch, tiny_trainer

SWEEP = {"min_lr": 1e-4, "max_lr": 1.0, "num_steps": 12}


class Net(pl.LightningModule):
    """A backbone of two blocks with BatchNorm, and a head; no dropout, so that runs repeat."""

    def __init__(self, optimizer: str = "sgdm", **options: Any) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.backbone = nn.Sequential(
            nn.Linear(4, 8),
            nn.BatchNorm1d(8),
            nn.Tanh(),
            nn.Linear(8, 8),
            nn.BatchNorm1d(8, affine=False),
        )
        self.head = nn.Linear(8, 1)
        self.optimizer, self.options = optimizer, options

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.head(self.backbone(x)), y)

    def configure_optimizers(self) -> Any:
        return optimizers.create(self.optimizer, self, **{"lr": 0.02, **self.options})


def loader(batches: int = 6, alike: bool = False) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8 if alike else 8 * batches, 4, generator=generator)
    x = x.repeat(batches, 1) if alike else x
    return DataLoader(TensorDataset(x, 3 * x.sum(1, keepdim=True)), batch_size=8)


def recipe(**options: Any) -> FineTuneRecipe:
    return FineTuneRecipe(**{"head": "head", "range_test": SWEEP, **options})


def written_out(record: StageRecord) -> Any:
    """The schedule that the log names."""
    return eval(record.schedule, vars(schedules))


class Trace(pl.Callback):
    """What each step ran with, read after every callback has written."""

    def __init__(self) -> None:
        self.lrs: list[list[float]] = []
        self.trained: list[set[str]] = []
        self.statistics: list[Tensor] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        self.lrs.append([group["lr"] for group in optimizer.param_groups])
        self.trained.append({n for n, p in module.named_parameters() if p.grad is not None})
        self.statistics.append(module.backbone[1].running_mean.clone())


def fit(model: Net, callback: Any, epochs: int = 4, **options: Any) -> tuple[pl.Trainer, Trace]:
    trace = Trace()
    trainer = tiny_trainer(max_epochs=epochs, callbacks=[callback, trace], **options)
    trainer.fit(model, loader())
    return trainer, trace


def test_stages_train_what_they_say() -> None:
    model, callback = Net(), recipe(head_epochs=2)
    _, trace = fit(model, callback)
    head = {"head.weight", "head.bias"}
    everything = {name for name, _ in model.named_parameters()}
    assert trace.trained == [head] * 12 + [everything] * 12
    assert [one.stage for one in callback.records] == ["head", "all"]
    assert [one.step for one in callback.records] == [0, 12]
    assert [one.steps for one in callback.records] == [12, 12]


def test_a_frozen_body_does_not_move_and_neither_do_its_statistics() -> None:
    model = Net()
    before = copy.deepcopy(model.backbone.state_dict())
    head = copy.deepcopy(model.head.state_dict())
    _, trace = fit(model, recipe(stages=[Stage("head", 4, 1)]))
    assert all(
        torch.equal(before[name], value) for name, value in model.backbone.state_dict().items()
    )
    assert not torch.equal(head["weight"], model.head.weight)
    assert all(torch.equal(trace.statistics[0], other) for other in trace.statistics)


def test_statistics_stand_still_in_a_module_that_wakes_itself_each_epoch() -> None:
    class Waking(Net):
        def on_train_epoch_start(self) -> None:
            self.train()

    _, trace = fit(Waking(), recipe(stages=[Stage("head", 4, 1)]))
    assert all(torch.equal(trace.statistics[0], other) for other in trace.statistics)


def test_statistics_move_again_once_thawed() -> None:
    model = Net()
    _, trace = fit(model, recipe(head_epochs=2))
    assert torch.equal(trace.statistics[0], trace.statistics[11])
    assert not torch.equal(trace.statistics[12], trace.statistics[13])


def test_a_norm_without_parameters_belongs_to_the_layer_before_it() -> None:
    model = Net()
    last = model.backbone[4]
    assert isinstance(last, nn.BatchNorm1d)
    before = last.running_mean.clone()  # type: ignore[union-attr]
    fit(model, recipe(stages=[Stage("head", 4, 1)]))
    assert torch.equal(before, last.running_mean)  # type: ignore[arg-type]


def test_layers_are_given_back_as_they_were() -> None:
    model = Net()
    model.backbone[0].bias.requires_grad_(False)
    fit(model, recipe(stages=[Stage("head", 2, 1)]), epochs=2)
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == {"backbone.0.bias"}
    assert all(module.training for module in model.modules())


def test_what_was_frozen_before_stays_frozen() -> None:
    model = Net()
    model.backbone[0].bias.requires_grad_(False)
    _, trace = fit(model, recipe())
    assert all("backbone.0.bias" not in trained for trained in trace.trained)


def test_a_stage_in_which_nothing_would_train_is_refused() -> None:
    model = Net()
    model.head.requires_grad_(False)
    with pytest.raises(ArgumentError, match="a parameter that trains in stage 'head' must hold"):
        fit(model, recipe())


def test_layers_are_given_back_after_an_error() -> None:
    class Fails(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise RuntimeError("planned")

    model = Net()
    trainer = tiny_trainer(callbacks=[recipe(), Fails()])
    with pytest.raises(RuntimeError, match="planned"):
        trainer.fit(model, loader())
    assert all(p.requires_grad for p in model.parameters())
    assert all(module.training for module in model.modules())


def test_rates_are_discriminative_and_follow_the_stage_schedule() -> None:
    """Simulated equals recorded: every group, every step, from the records alone."""
    callback = recipe(head_epochs=1, layer_decay=0.5)
    _, trace = fit(Net(), callback)
    first, second = callback.records
    for record, end in ((first, 6), (second, 24)):
        schedule = written_out(record)
        for step in range(record.step, end):
            top = schedule(step - record.step)
            assert sorted(set(trace.lrs[step])) == [0.25 * top, 0.5 * top, top]
    assert second.step == 6


def test_the_head_alone_starts_at_the_measured_rate_and_falls() -> None:
    callback = recipe(head_epochs=2)
    _, trace = fit(Net(), callback)
    tops = [max(rates) for rates in trace.lrs]
    first, second = callback.records
    assert tops[0] == first.lr
    assert all(late < early for early, late in pairwise(tops[:12]))
    assert max(tops[12:]) == pytest.approx(second.max_lr, rel=0.05)


def test_the_optimizers_own_ratios_stay_on_top() -> None:
    class Own(Net):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(
                [
                    {"params": [*self.backbone.parameters(), self.head.weight], "lr": 0.1},
                    {"params": [self.head.bias], "lr": 0.02},
                ]
            )

    trainer, _ = fit(Own(), recipe(layer_decay=0.5))
    rates = {
        tuple(p.shape): group["lr"]
        for group in trainer.optimizers[0].param_groups
        for p in group["params"]
    }
    top = max(rates.values())
    assert rates[(1, 8)] == top
    assert rates[(1,)] == pytest.approx(0.2 * top)
    assert rates[(8, 4)] == pytest.approx(0.25 * top)


def test_the_range_test_of_the_head_leaves_the_body_alone_and_no_trace() -> None:
    """With its rates given instead of measured, the same recipe trains bit for bit the same."""
    measured = recipe(head_epochs=2)
    first = Net()
    fit(first, measured)
    records = measured.records
    given = [
        Stage(one.stage, epochs, groups, measure=False, schedule=written_out(one))
        for one, epochs, groups in zip(records, (2, None), (1, None), strict=True)
    ]
    second = Net()
    fit(second, recipe(stages=given))
    assert identical(first.parameters(), second.parameters())
    assert all(one.result is not None and one.result.num_steps == 12 for one in records)


def test_a_given_rate_is_not_measured() -> None:
    callback = recipe(stages=[Stage("all", None, None, lr=0.05, schedule="constant")])
    _, trace = fit(Net(), callback, epochs=1)
    assert {max(rates) for rates in trace.lrs} == {0.05}
    assert callback.records[0].result is None
    assert callback.result is None


def test_without_a_measurement_the_optimizers_own_rate_holds() -> None:
    callback = recipe(measure=False)
    fit(Net(lr=0.07), callback, epochs=2)
    assert [one.lr for one in callback.records] == [0.07, 0.07]
    assert "the rate of the optimizer" in callback.records[0].reason
    assert "the rate of the stage before" in callback.records[1].reason


def test_no_pick_falls_back_and_says_so() -> None:
    # A sweep far below any rate that acts: nothing falls.
    callback = recipe(range_test={"min_lr": 1e-12, "max_lr": 1e-11, "num_steps": 10})
    fit(Net(lr=0.03), callback, epochs=2)
    assert [one.lr for one in callback.records] == [0.03, 0.03]
    assert "no pick" in callback.records[0].reason


def test_a_range_test_is_no_longer_than_its_stage_lets_it_be() -> None:
    callback = recipe(head_epochs=2, range_test={})
    fit(Net(), callback, epochs=40)
    head, everything = (one.result for one in callback.records)
    assert head is not None
    assert everything is not None
    assert head.num_steps <= 100  # before 12 steps
    assert 100 < everything.num_steps <= 228  # before 228


def test_a_gradual_thaw_goes_from_the_head_down() -> None:
    callback = recipe(unfreeze="gradual", measure=False)
    _, trace = fit(Net(), callback, epochs=4)
    per_epoch = [trace.trained[6 * epoch] for epoch in range(4)]
    assert [len(names) for names in per_epoch] == [2, 4, 8, 8]
    assert "backbone.3.weight" in per_epoch[1]
    assert "backbone.0.weight" not in per_epoch[1]
    assert [one.stage for one in callback.records] == ["head", "thaw 2", "all"]


def test_cycles_of_the_last_stage() -> None:
    callback = recipe(cycle_len=1, cycle_mult=2, measure=False)
    _, trace = fit(Net(), callback, epochs=1 + 1 + 2)
    tops = [max(rates) for rates in trace.lrs]
    assert tops[6] == tops[12] == callback.records[1].max_lr
    assert tops[11] < tops[6] / 5
    assert active_schedule_matches(callback, tops)


def active_schedule_matches(callback: FineTuneRecipe, tops: list[float]) -> bool:
    schedule = callback.schedule
    assert schedule is not None
    begin = callback.records[-1].step
    return [schedule(step) for step in range(begin, len(tops))] == tops[begin:]


def test_a_monitor_before_it_reads_the_rate_of_the_step() -> None:
    class Monitor(pl.Callback):
        def __init__(self) -> None:
            self.tops: list[float] = []

        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            self.tops.append(param_groups.get(trainer.optimizers[0], "lr") or 0.0)

    monitor, callback, trace = Monitor(), recipe(measure=False), Trace()
    trainer = tiny_trainer(max_epochs=3, callbacks=[monitor, callback, trace])
    trainer.fit(Net(), loader())
    assert monitor.tops == [max(rates) for rates in trace.lrs]


def test_a_cut_cycle_is_remarked() -> None:
    with pytest.warns(UserWarning, match=r"cut after 50% of its length"):
        fit(Net(), recipe(cycle_len=1, cycle_mult=2, measure=False), epochs=3)


def test_other_callbacks_see_the_schedule() -> None:
    class Reads(pl.Callback):
        found: Any = None

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.found = active_schedule(trainer)

    reads, callback = Reads(), recipe(measure=False)
    trainer = tiny_trainer(max_epochs=2, callbacks=[callback, reads])
    trainer.fit(Net(), loader())
    assert reads.found == (callback.schedule, trainer.global_step)


# All batches are alike here, so that where the loader goes on does not matter.
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
@pytest.mark.parametrize(
    ("name", "stop"),
    [("sgdm", 3), ("sgdm", 6), ("sgdm", 9), ("sgdm", 12), ("sgdm", 15), ("adamw", 12)]
    + [(name, 9) for name in ("rmsprop", "lookahead_adam", "adabound", "muon")],
)
def test_resume_is_exact_at_any_stage(name: str, stop: int, tmp_path: Path) -> None:
    """Stopped in the head stage, at its end, in a thaw, at its end, in the last stage."""

    def options() -> dict[str, Any]:
        return {"unfreeze": "gradual", "head_epochs": 1}

    def train(model: Net, callbacks: list[Any], **more: Any) -> None:
        ckpt = more.pop("ckpt_path", None)
        trainer = tiny_trainer(max_epochs=4, callbacks=callbacks, **more)
        trainer.fit(model, loader(alike=True), ckpt_path=ckpt)

    class Saves(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == stop:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    whole, first = Net(name), recipe(**options())
    train(whole, [first, Saves()])
    resumed, second = Net(name), recipe(**options())
    train(resumed, [second], ckpt_path=tmp_path / "stop.ckpt")
    assert identical(whole.parameters(), resumed.parameters())
    assert identical(whole.buffers(), resumed.buffers())
    assert second.records == first.records


def test_a_longer_run_stretches_the_last_stage(tmp_path: Path) -> None:
    first = recipe(measure=False)
    trainer, _ = fit(Net(), first, epochs=3)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    second, trace = recipe(measure=False), Trace()
    longer = tiny_trainer(max_epochs=5, callbacks=[second, trace])
    longer.fit(Net(), loader(), ckpt_path=tmp_path / "end.ckpt")
    assert len(trace.lrs) == 12
    assert second.records[-1].steps == 24


def test_a_dry_run_enters_the_first_stage() -> None:
    callback = recipe(head_epochs=3)
    trainer = tiny_trainer(callbacks=[callback], fast_dev_run=True)
    trainer.fit(Net(), loader())
    assert [one.stage for one in callback.records] == ["head"]


def test_a_second_fit_starts_over() -> None:
    callback = recipe()
    fit(Net(), callback)
    first = callback.records
    fit(Net(), callback)
    assert callback.records == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": None}, "either body/head or layer_groups"),
        ({"layer_groups": ["backbone", "head"]}, "either body/head or layer_groups"),
        ({"head_epochs": -1}, "got head_epochs=-1"),
        ({"layer_decay": 2.6}, "for ULMFiT's factor 2.6 give 1 / 2.6"),
        ({"cycle_len": 0}, "got cycle_len=0"),
        ({"unfreeze": "gradualy"}, "did you mean 'gradual'"),
        ({"range_test": {"num_steps": 1}}, "num_steps=1"),
    ],
)
def test_bad_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        recipe(**options)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("options", "epochs", "message"),
    [
        ({"head": "haed"}, 2, "did you mean 'head'"),
        ({"head": "backbone.2"}, 2, "submodules with parameters"),
        ({"body": "backbone", "head": "backbone.0"}, 2, "share no parameter"),
        ({"head_epochs": 5}, 3, "got epochs=5, max_epochs=3"),
    ],
)
def test_what_does_not_fit_the_run_is_refused_before_a_step(
    options: dict[str, Any], epochs: int, message: str
) -> None:
    model = Net()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ArgumentError) as raised:
        fit(model, recipe(**options), epochs=epochs)
    assert message in str(raised.value)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_optimizer_without_the_body_is_refused() -> None:
    class HeadOnly(Net):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.head.parameters(), lr=0.1)

    with pytest.raises(ArgumentError, match="missing=6"):
        fit(HeadOnly(), recipe())


def test_two_schedulers_of_one_rate_are_refused() -> None:
    trainer = tiny_trainer(callbacks=[recipe(), OneCycleScheduler()])
    with pytest.raises(UnsupportedError, match="one scheduler moves"):
        trainer.fit(Net(), loader())


def test_it_works_beside_a_range_test_of_your_own() -> None:
    finder = LRRangeTest(apply=False, num_steps=10)
    trainer = tiny_trainer(max_epochs=2, callbacks=[recipe(), finder])
    trainer.fit(Net(), loader())
    assert trainer.global_step == 12
    assert finder.result is not None


def test_body_alone_makes_the_rest_the_head() -> None:
    callback = recipe(head=None, body="backbone.0")
    _, trace = fit(Net(), callback, epochs=2)
    frozen = {"backbone.0.weight", "backbone.0.bias"}
    assert trace.trained[0] == {name for name, _ in Net().named_parameters()} - frozen


def test_ordered_layer_groups() -> None:
    groups = ["backbone.0", ["backbone.1", "backbone.3"], "head"]
    callback = recipe(head=None, layer_groups=groups, layer_decay=0.1)
    trainer, _ = fit(Net(), callback, epochs=2)
    by_layer: dict[str, float] = {}
    for group in trainer.optimizers[0].param_groups:
        by_layer[group["name"].rpartition("/")[2]] = group["lr"]
    assert by_layer["layers1"] / by_layer["layers2"] == pytest.approx(0.1)
    assert by_layer["layers0"] / by_layer["layers2"] == pytest.approx(0.01)


def test_group_names_are_unique_for_monitors() -> None:
    trainer, _ = fit(Net(), recipe(), epochs=2)
    names = [group["name"] for group in trainer.optimizers[0].param_groups]
    assert len(names) == len(set(names))
    assert param_groups.get(trainer.optimizers[0], "lr") is not None


def test_the_log_reads_in_text_html_and_report(tmp_path: Path) -> None:
    callback = recipe()
    assert "not run yet" in str(callback)
    fit(Net(), callback)
    assert str(callback).count("\n") == 1
    assert "9 of " in str(callback)  # the head's weights
    assert callback._repr_html_().count("<tr>") == 3
    page = unescape(callback.report(tmp_path / "log.html").read_text(encoding="utf-8"))
    for one in callback.records:
        assert f"Range test before “{one.stage}”" in page
        shape, _, _ = one.schedule.partition("(")
        used = (f"{one.trained:,}", f"{one.lr:.3g}", f"{one.max_lr:.3g}", one.reason)
        assert all(f">{text}<" in page for text in used)
        assert f">{shape}(" in page
        assert one.result is not None
        assert one.result.suggestion.reason in page
    assert ">Environment<" in page
