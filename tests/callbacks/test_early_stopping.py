"""EarlyStopping in real Trainers: what users of the peers suffered, one test each."""

import pickle
from importlib import import_module
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrtool.callbacks import EarlyStopping
from lrtool.callbacks._monitored import Monitored
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.stopping import GeneralizationLoss, ProgressQuotient, StoppingReason, UpStrips
from support.scripted import (
    NAMESPACES,
    loader,
    same_weights,
    scripted,
    stream,
    trainer_of,
    weights_of,
)
from support.tiny import TinyModel, tiny_loader

# best at the 3rd check; out of patience=2 at the 5th
SCRIPT = [1.0, 0.8, 0.5, 0.7, 0.6, 0.55, 0.4, 0.3]


def fit(
    stopper: EarlyStopping, script: Any = SCRIPT, namespace: str = NAMESPACES[0], **options: Any
) -> Any:
    model_options = options.pop("model_options", {})
    data = options.pop("data", None)
    model = scripted(script, namespace, **model_options)
    trainer = trainer_of([stopper, *options.pop("callbacks", [])], namespace, **options)
    trainer.fit(model, *(data or (loader(), loader(1))))
    return model, trainer


# -- E1: best weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("keep_best", ["cpu", "device"])
def test_E1_restores_weights_and_buffers_bit_for_bit(namespace: str, keep_best: Any) -> None:
    stopper = EarlyStopping("val_loss", patience=2, restore_best=True, keep_best=keep_best)
    model, trainer = fit(stopper, namespace=namespace)
    assert trainer.current_epoch == 5
    assert same_weights(weights_of(model), model.weights_at[2])
    assert not same_weights(model.weights_at[2], model.weights_at[4])
    assert (stopper.best_value, stopper.best_epoch, stopper.best_step) == (0.5, 3.0, 12)


def test_E1_checkpoint_on_disk(tmp_path: Path) -> None:
    stopper = EarlyStopping(
        "val_loss", patience=2, restore_best=True, keep_best="checkpoint", dirpath=tmp_path
    )
    model, _ = fit(stopper)
    assert same_weights(dict(model.state_dict()), persistent(model.weights_at[2]))
    assert [str(path) for path in tmp_path.iterdir()] == [stopper.best_model_path]


def test_E1_a_module_that_saves_only_what_it_trains_is_given_back_what_it_saved(
    tmp_path: Path,
) -> None:
    class Adapted(TinyModel):
        """Its first layers stand for a large frozen body that no checkpoint shall hold."""

        def __init__(self) -> None:
            super().__init__(lr=0.3)
            self.strict_loading = False
            self.net[:4].requires_grad_(False)
            self.checked: list[torch.Tensor] = []

        def state_dict(self, *args: Any, **kwargs: Any) -> Any:
            full = super().state_dict(*args, **kwargs)
            return {name: value for name, value in full.items() if name.startswith("net.4")}

        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                self.checked.append(self.net[4].weight.detach().clone())  # type: ignore[operator]
                self.log("script", torch.tensor([0.5, 0.4, 0.6][len(self.checked) - 1]))

    stopper = EarlyStopping("script", restore_best=True, keep_best="checkpoint", dirpath=tmp_path)
    model = Adapted()
    trainer_of([stopper], max_epochs=3).fit(model, tiny_loader(), tiny_loader())
    assert not torch.equal(model.checked[1], model.checked[2])
    assert torch.equal(model.net[4].weight, model.checked[1])  # type: ignore[arg-type]


def test_E1_two_callbacks_and_an_earlier_training_share_a_folder(tmp_path: Path) -> None:
    """One's file is neither written over by the other nor deleted with the other's."""
    options: dict[str, Any] = {"restore_best": True, "keep_best": "checkpoint", "dirpath": tmp_path}
    earlier = EarlyStopping("val_loss", patience=2, **options)
    fit(earlier)
    falls = EarlyStopping("falls", patience=9, **options)
    rises = EarlyStopping("rises", patience=9, **options)
    script = {"rises": [1.0, 2.0, 3.0, 4.0], "falls": [4.0, 3.0, 2.0, 1.0]}
    model, _ = fit(falls, script, callbacks=[rises], max_epochs=4)
    assert same_weights(dict(model.state_dict()), persistent(model.weights_at[0]))
    kept = {earlier.best_model_path, falls.best_model_path, rises.best_model_path}
    assert {str(path) for path in tmp_path.iterdir()} == kept
    assert len(kept) == 3


def test_E1_whatever_ended_the_training() -> None:
    limits: list[dict[str, Any]] = [{"max_epochs": 4}, {"max_epochs": -1, "max_steps": 18}]
    for options in limits:
        model, _ = fit(EarlyStopping("val_loss", patience=9, restore_best=True), **options)
        assert same_weights(weights_of(model), model.weights_at[2])


def test_E1_not_asked_for_the_last_weights_stay() -> None:
    model, _ = fit(EarlyStopping("val_loss", patience=2))
    assert same_weights(weights_of(model), model.weights_at[4])


def test_E1_optimizer_state_on_request() -> None:
    states = []

    class Watch(import_module("pytorch_lightning").Callback):  # type: ignore[misc]
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.sanity_checking:
                state = trainer.optimizers[0].state_dict()["state"]
                states.append({k: v["momentum_buffer"].clone() for k, v in state.items()})

    stopper = EarlyStopping("val_loss", patience=2, restore_best=True, restore_optimizer=True)
    _, trainer = fit(stopper, callbacks=[Watch()])
    state = trainer.optimizers[0].state_dict()["state"]
    assert all(torch.equal(state[k]["momentum_buffer"], v) for k, v in states[2].items())
    assert not all(torch.equal(state[k]["momentum_buffer"], v) for k, v in states[4].items())


def test_E1_a_model_that_changed_shape_is_refused_in_words() -> None:
    stopper = EarlyStopping("val_loss", patience=2, restore_best=True)

    class Grow(import_module("pytorch_lightning").Callback):  # type: ignore[misc]
        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.extra = torch.nn.Linear(1, 1)

    with pytest.raises(UnsupportedError, match="changes in extra"):
        fit(stopper, callbacks=[Grow()])


@pytest.mark.parametrize("name", ["WeightAveraging", "StochasticWeightAveraging"])
def test_E1_averaged_weights_are_not_taken_for_the_checked_ones(name: str) -> None:
    callbacks = import_module(NAMESPACES[0]).callbacks
    options = {"swa_lrs": 0.1} if name.startswith("Stochastic") else {}
    with pytest.raises(UnsupportedError, match=f"got {name} beside restore_best"):
        fit(
            EarlyStopping("val_loss", restore_best=True),
            callbacks=[getattr(callbacks, name)(**options)],
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("keep_best", ["cpu", "device"])
def test_E1_restores_bit_for_bit_on_a_gpu(keep_best: Any) -> None:
    stopper = EarlyStopping("val_loss", patience=2, restore_best=True, keep_best=keep_best)
    model, _ = fit(stopper, accelerator="gpu")
    kept = {name: tensor.cpu() for name, tensor in model.weights_at[2].items()}
    assert same_weights({name: t.cpu() for name, t in weights_of(model).items()}, kept)


# -- E2, E3, E4: what is a check, and what patience counts -----------------------------------------


@pytest.mark.parametrize(
    ("patience", "last_epoch"), [(2, 12), ("2check", 12), ("3ep", 8), ("5ep", 12), ("20step", 12)]
)
def test_E2_patience_counts_its_unit_with_a_check_every_4_epochs(
    patience: Any, last_epoch: int
) -> None:
    stopper = EarlyStopping("val_loss", patience=patience)
    _, trainer = fit(stopper, [0.5, 0.6, 0.6, 0.6, 0.6], check_val_every_n_epoch=4)
    assert trainer.current_epoch == last_epoch
    assert stopper.stopping_reason is StoppingReason.PATIENCE_EXHAUSTED


def test_E2_patience_as_a_share_of_the_training() -> None:
    stopper = EarlyStopping("val_loss", patience="0.2dur")
    _, trainer = fit(stopper, [0.5, 0.6], max_epochs=20)
    assert trainer.current_epoch == 5  # best after 1 epoch, then 4 of 20


@pytest.mark.parametrize("on_epoch_end", [None, True])
def test_E3_a_stale_metric_is_not_counted_twice(on_epoch_end: bool | None) -> None:
    stopper = EarlyStopping("val_loss", patience=3, check_on_train_epoch_end=on_epoch_end)
    _, trainer = fit(stopper, [0.5, 0.6, 0.6, 0.6], check_val_every_n_epoch=2)
    assert trainer.current_epoch == 8
    assert stopper.wait_count == 3


@pytest.mark.parametrize("inference", [True, False])
def test_E3_stale_from_new_by_the_tensor_not_by_the_value(inference: bool) -> None:
    metrics: dict[str, torch.Tensor] = {}
    trainer: Any = SimpleNamespace(callback_metrics=metrics, world_size=1)
    monitored = Monitored()
    with torch.inference_mode(inference):
        metrics["a"] = torch.tensor(1.0)
        assert monitored.take(trainer, "a") == 1.0
        metrics["a"] = metrics["a"].detach()  # Lightning hands out a new view at each look
        assert monitored.take(trainer, "a") is None
        metrics["a"] = torch.tensor(1.0)
        assert monitored.take(trainer, "a") == 1.0
        if not inference:
            metrics["a"].add_(1.0)
            assert monitored.take(trainer, "a") == 2.0


def test_E3_several_validations_an_epoch_are_one_check_each() -> None:
    stopper = EarlyStopping("val_loss", patience=3)
    _, trainer = fit(stopper, [0.5, 0.6, 0.6, 0.6], val_check_interval=0.5)
    assert trainer.global_step == 8  # two checks an epoch of 4 steps: the 4th check
    assert stopper.best_epoch == 0.5


def test_E4_train_metric_every_n_steps_of_an_endless_stream() -> None:
    """The mean over each 5 steps: 1, then 2 for ever."""
    stopper = EarlyStopping("train_metric", patience=2, every_n_train_steps=5)
    model = scripted([0.0], train_script=[1.0] * 5 + [1.0, 3.0, 2.0, 2.0, 2.0] * 5)
    trainer = trainer_of([stopper], max_epochs=1, limit_val_batches=0)
    trainer.fit(model, stream())
    assert trainer.global_step == 15
    assert stopper.best_value == 1.0
    assert stopper.stopping_reason_message is not None
    assert stopper.stopping_reason_message.endswith("best 1 after 0 epochs (5 steps), now 2")


def test_E4_epoch_mean_of_a_train_metric_without_validation() -> None:
    stopper = EarlyStopping("train_loss", patience=1, min_delta=100.0)
    _, trainer = fit(stopper, data=(loader(),), limit_val_batches=0)
    assert trainer.current_epoch == 2


def test_E3_validations_within_an_endless_stream_are_one_check_each() -> None:
    stopper = EarlyStopping("val_loss", patience=2, restore_best=True)
    model = scripted(SCRIPT)
    trainer = trainer_of([stopper], max_epochs=1, val_check_interval=3)
    trainer.fit(model, stream(), loader(1))
    assert trainer.global_step == 15
    assert same_weights(weights_of(model), model.weights_at[2])


def test_train_metric_beside_frequent_validations_is_checked_once_an_epoch() -> None:
    stopper = EarlyStopping("train_loss", patience=100, check_on_train_epoch_end=True)
    fit(stopper, val_check_interval=0.25, max_epochs=3)
    assert stopper._states[0].checks == 3


def test_metric_logged_in_the_modules_own_epoch_end_hook_is_found() -> None:
    model = scripted([0.0])
    values = iter([1.0, 0.5, 0.6, 0.7, 0.8])
    model.on_train_epoch_end = lambda: model.log("late", next(values))
    stopper = EarlyStopping("late", patience=2)
    trainer = trainer_of([stopper])
    trainer.fit(model, loader(), loader(1))
    assert trainer.current_epoch == 4


@pytest.mark.parametrize("options", [{}, {"check_val_every_n_epoch": 2}])
def test_missing_metric_is_named_with_those_there_are(options: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"'val_los'.*logged: .*val_loss"):
        fit(EarlyStopping("val_los"), **options)
    fit(EarlyStopping("val_los", strict=False), max_epochs=3, **options)


# -- E5, E6: resume --------------------------------------------------------------------------------


def resume(
    folder: Path,
    cut: int,
    first: EarlyStopping,
    second: EarlyStopping,
    *,
    saved_on_epoch_end: bool = True,
    **options: Any,
) -> tuple[Any, Any]:
    """Train with a checkpoint an epoch, then go on from the one after `cut` epochs, all new."""
    checkpoint: Any = import_module(NAMESPACES[0]).callbacks.ModelCheckpoint
    options["enable_checkpointing"] = True
    keep = [
        checkpoint(
            folder,
            filename=f"{name}-{{epoch}}",
            save_top_k=-1,
            every_n_epochs=1,
            save_on_train_epoch_end=saved_on_epoch_end,
        )
        for name in ("first", "second")
    ]
    fit(first, callbacks=keep[:1], **options)
    model = scripted(SCRIPT)
    trainer = trainer_of([second, keep[1]], **options)
    path = folder / f"first-epoch={cut - 1}.ckpt"
    trainer.fit(model, loader(), loader(1), ckpt_path=path, weights_only=True)
    return model, trainer


def persistent(weights: Any) -> Any:
    return {name: tensor for name, tensor in weights.items() if name != "seen"}


@pytest.mark.parametrize("cut", [1, 4, 9, 10])
@pytest.mark.parametrize("patience", [2, "8step", "0.1dur"])
@pytest.mark.parametrize("saved_on_epoch_end", [True, False])
def test_E5_resumed_equals_uninterrupted(
    tmp_path: Path, cut: int, patience: Any, saved_on_epoch_end: bool
) -> None:
    def make() -> EarlyStopping:
        return EarlyStopping("val_loss", patience=patience, restore_best=True, smoothing=2)

    straight = make()
    straight_model, straight_trainer = fit(straight)
    assert straight_trainer.current_epoch == 11
    resumed = make()
    model, trainer = resume(tmp_path, cut, make(), resumed, saved_on_epoch_end=saved_on_epoch_end)
    assert resumed._states == straight._states
    assert trainer.global_step == straight_trainer.global_step
    assert resumed.stopping_reason_message == straight.stopping_reason_message
    # Lightning's checkpoints hold no non-persistent buffer
    assert same_weights(persistent(weights_of(model)), persistent(weights_of(straight_model)))


def test_E5_resumed_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """Two validations an epoch, a checkpoint after each; on from the first of the third epoch."""
    checkpoint: Any = import_module(NAMESPACES[0]).callbacks.ModelCheckpoint
    options: dict[str, Any] = {"val_check_interval": 0.5, "enable_checkpointing": True}

    def parts() -> list[Any]:
        stopper = EarlyStopping("val_loss", patience="2ep", restore_best=True)
        return [stopper, checkpoint(tmp_path, filename="{step}", save_top_k=-1, monitor=None,
                                    save_on_train_epoch_end=False)]  # fmt: skip

    straight, resumed = parts(), parts()
    trainer = trainer_of(straight, **options)
    trainer.fit(scripted(SCRIPT), loader(), loader(1))
    again = trainer_of(resumed, **options)
    with pytest.warns(UserWarning, match="before the epoch ended"):
        again.fit(
            scripted(SCRIPT), loader(), loader(1), ckpt_path=tmp_path / "step=10.ckpt",
            weights_only=True,
        )  # fmt: skip
    assert straight[0].best_epoch == 4.0
    assert resumed[0]._states == straight[0]._states
    assert again.global_step == trainer.global_step == 24


def test_E5_no_metric_is_demanded_before_the_first_check(tmp_path: Path) -> None:
    """Resumed after epoch 3 of a run that validates every 2: no metric at first."""
    second = EarlyStopping("val_loss", patience=2, check_on_train_epoch_end=True)
    first = EarlyStopping("val_loss", patience=2, check_on_train_epoch_end=True)
    _, trainer = resume(tmp_path, 3, first, second, check_val_every_n_epoch=2, max_epochs=6)
    assert trainer.current_epoch == 6


@pytest.mark.parametrize("patience", [2, "0.1dur"])
def test_E6_a_stopped_run_takes_no_step_on_resume(tmp_path: Path, patience: Any) -> None:
    first, second = (
        EarlyStopping("val_loss", patience=patience, restore_best=True) for _ in range(2)
    )
    model, trainer = resume(tmp_path, 5, first, second)
    assert first.stopped_epoch == 4
    assert trainer.global_step == 20
    assert model.validations == 5
    assert second.stopping_reason is StoppingReason.PATIENCE_EXHAUSTED
    assert second.stopping_reason_message == first.stopping_reason_message
    assert second.best_value == 0.5


def test_E6_the_users_new_patience_wins_on_resume(tmp_path: Path) -> None:
    first, second = EarlyStopping("val_loss", patience=2), EarlyStopping("val_loss", patience=4)
    _, trainer = resume(tmp_path, 5, first, second, max_epochs=9)
    assert trainer.current_epoch == 9  # 0.4 at the 7th check is in time
    assert second.stopping_reason is StoppingReason.NOT_STOPPED


def test_E6_under_min_epochs_a_stopped_run_goes_on(tmp_path: Path) -> None:
    first, second = (EarlyStopping("val_loss", patience=2) for _ in range(2))
    _, trainer = resume(tmp_path, 5, first, second, min_epochs=7, max_epochs=9)
    assert trainer.current_epoch == 9


def test_the_same_object_starts_anew_in_a_new_training() -> None:
    stopper = EarlyStopping("val_loss", patience=2, restore_best=True)
    for _ in range(2):
        _, trainer = fit(stopper)
        assert trainer.current_epoch == 5


def test_a_second_fit_of_a_stopped_trainer_takes_no_step_until_patience_is_raised() -> None:
    stopper = EarlyStopping("val_loss", patience=2)
    model, trainer = fit(stopper)
    trainer.fit(model, loader(), loader(1))
    assert trainer.global_step == 20


@pytest.mark.parametrize("more", [0, 2])
def test_E1_another_model_on_the_same_trainer_gets_nothing_of_the_last(more: int) -> None:
    """Cross-validation on one Trainer, whose epochs the first fold has used up, or nearly."""
    stopper = EarlyStopping("val_loss", patience=3, restore_best=True)
    _, trainer = fit(stopper, [0.1, 0.2], max_epochs=2)
    assert stopper.best_value == 0.1
    trainer.fit_loop.max_epochs = 2 + more
    other = scripted([0.5, 0.4])
    before = weights_of(other)
    trainer.fit(other, loader(), loader(1))
    assert stopper.best_value == (0.4 if more else None)
    assert same_weights(weights_of(other), other.weights_at[-1] if more else before)


# -- E7: verdicts under min_epochs -----------------------------------------------------------------


def test_E7_a_verdict_under_min_epochs_is_not_latched() -> None:
    """Out of patience at epoch 5, recovered at 7 and 8: at min_epochs nothing is wrong any more."""
    stopper = EarlyStopping("val_loss", patience=2)
    _, trainer = fit(stopper, min_epochs=8, max_epochs=9)
    assert trainer.current_epoch == 9
    assert stopper.stopping_reason is StoppingReason.NOT_STOPPED


def test_E7_a_verdict_that_still_stands_is_carried_out_at_min_epochs_exactly() -> None:
    script = [0.5, *([0.6] * 10)]
    for min_epochs in (3, 6, 7):
        _, trainer = fit(EarlyStopping("val_loss", patience=2), script, min_epochs=min_epochs)
        assert trainer.current_epoch == min_epochs
    _, trainer = fit(EarlyStopping("val_loss", patience=2), script, min_steps=18)
    assert trainer.global_step == 18


# -- E8: grace -------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [4, "4ep", "16step", "0.2dur"])
def test_E8_start_from(start: Any) -> None:
    stopper = EarlyStopping("val_loss", patience=2, start_from=start)
    _, trainer = fit(stopper, [0.1, 0.2, 0.3, 0.4, 0.9, 0.8, 0.85, 0.9])
    assert trainer.current_epoch == 8
    assert stopper.best_value == 0.8


# -- E9: ranks are in test_early_stopping_ddp.py. E10: NaN -----------------------------------------


def test_E10_nan_stops_with_its_own_reason_or_counts_as_no_improvement() -> None:
    script = [nan, 0.5, nan, 0.4, 0.6, nan, 0.7]
    stopper = EarlyStopping("val_loss", patience=2)
    _, trainer = fit(stopper, script)
    assert trainer.current_epoch == 1
    assert stopper.stopping_reason is StoppingReason.NON_FINITE_METRIC
    assert stopper.stopping_reason_message == "val_loss is nan; no finite value before it"
    stopper = EarlyStopping("val_loss", patience=2, check_finite=False, restore_best=True)
    model, trainer = fit(stopper, script)
    assert trainer.current_epoch == 6
    assert stopper.best_value == 0.4
    assert same_weights(weights_of(model), model.weights_at[3])


# -- beside Lightning's own ------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", NAMESPACES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    script=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, -1.0]), min_size=8, max_size=8),
    patience=st.integers(1, 3),
    mode=st.sampled_from(["min", "max"]),
    interval=st.sampled_from([{}, {"val_check_interval": 0.5}, {"check_val_every_n_epoch": 2}]),
)
def test_stops_where_lightnings_callback_stops(
    namespace: str, script: list[float], patience: int, mode: str, interval: Any
) -> None:
    theirs_class = import_module(namespace).callbacks.EarlyStopping
    ends = []
    for cls in (theirs_class, EarlyStopping):
        stopper = cls("val_loss", patience=patience, mode=mode)
        _, trainer = fit(stopper, script, namespace, max_epochs=8, **interval)
        score = float(stopper.best_score)
        ends.append((trainer.global_step, stopper.wait_count, score, stopper.stopped_epoch))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_is_found_and_treated_as_lightnings(namespace: str) -> None:
    stopper = EarlyStopping("val_loss")
    assert trainer_of([stopper], namespace).early_stopping_callback is stopper


def test_takes_lightnings_arguments_in_lightnings_order() -> None:
    import inspect

    theirs = inspect.signature(import_module(NAMESPACES[0]).callbacks.EarlyStopping).parameters
    ours = inspect.signature(EarlyStopping).parameters
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
        assert ours[name].kind == parameter.kind
    assert list(ours)[: len(theirs)] == list(theirs)


def test_stands_beside_lightnings_of_the_same_metric() -> None:
    theirs = import_module(NAMESPACES[0]).callbacks.EarlyStopping("val_loss", patience=4)
    _, trainer = fit(EarlyStopping("val_loss", patience=2), callbacks=[theirs])
    assert trainer.current_epoch == 5


def test_does_nothing_in_a_fast_dev_run_and_in_validate() -> None:
    stopper = EarlyStopping("not_logged")
    _, trainer = fit(stopper, fast_dev_run=True)
    stopper = EarlyStopping("val_loss", patience=1)
    trainer = trainer_of([stopper])
    trainer.validate(scripted(SCRIPT), loader(1), verbose=False)
    assert stopper._states[0].checks == 0


# -- several monitors, criteria --------------------------------------------------------------------


@pytest.mark.parametrize(("stop_when", "epochs"), [("any", 3), ("all", 6)])
def test_several_monitors(stop_when: Any, epochs: int) -> None:
    script = {"val_loss": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6], "val_acc": [0, 1, 2, 3, 3, 3, 3]}
    stopper = EarlyStopping(
        ["val_loss", "val_acc"], mode=["min", "max"], patience=2, stop_when=stop_when
    )
    _, trainer = fit(stopper, script)
    assert trainer.current_epoch == epochs
    assert stopper.stopping_reason_message is not None
    assert ("val_acc" in stopper.stopping_reason_message) == (stop_when == "all")


def test_monitors_of_training_and_validation_together() -> None:
    stopper = EarlyStopping(["val_loss", "train_loss"], patience=2, min_delta=(0.0, 100.0))
    _, trainer = fit(stopper, max_epochs=4)
    assert [state.checks for state in stopper._states] == [4, 4]
    assert trainer.current_epoch == 4


def test_one_value_a_monitor_is_checked() -> None:
    with pytest.raises(ArgumentError, match="one mode for each monitor"):
        EarlyStopping(["a", "b"], mode=["min"])


@pytest.mark.parametrize(
    ("criterion", "reason", "epochs"),
    [
        (GeneralizationLoss(30.0), StoppingReason.GENERALIZATION_LOSS, 4),
        (UpStrips(1, strip=2), StoppingReason.UP_STRIPS, 4),
        (ProgressQuotient(1e-6, strip=2), StoppingReason.PROGRESS_QUOTIENT, 4),
    ],
)
def test_prechelts_criteria(criterion: Any, reason: StoppingReason, epochs: int) -> None:
    stopper = EarlyStopping("val_loss", criterion=criterion)
    _, trainer = fit(stopper, [1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert trainer.current_epoch == epochs
    assert stopper.stopping_reason is reason


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"keep_best": "disk"}, "keep_best must be one of checkpoint, cpu, device"),
        ({"every_n_train_steps": 0}, "whole every_n_train_steps >= 1"),
        ({"mode": "maxx"}, "did you mean 'max'"),
        ({"patience": "3 moons"}, "a duration must be a number and a unit"),
        ({"patience": "2cycle", "schedule_aware": False}, "schedule_aware=True"),
        ({"snapshots": -1}, "whole snapshots >= 0"),
        ({"every_n_train_steps": 5, "check_on_train_epoch_end": True}, "not both"),
        (
            {"criterion": ProgressQuotient(), "check_on_train_epoch_end": False},
            "leave check_on_train_epoch_end at None",
        ),
        ({"stop_when": "both"}, "stop_when must be one of all, any"),
        ({"min_delta": -1.0}, "0 <= min_delta < inf"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        EarlyStopping("val_loss", **arguments)


def test_is_built_from_a_configuration_file() -> None:
    """As LightningCLI does it: by class path and plain values."""
    jsonargparse = pytest.importorskip("jsonargparse", reason="jsonargparse is not installed")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(EarlyStopping, "stopper")
    config = parser.parse_object(
        {"stopper": {"monitor": ["a", "b"], "mode": ["min", "max"], "patience": "3ep",
                     "min_delta": 0.1, "restore_best": True}}
    )  # fmt: skip
    stopper = parser.instantiate(config).stopper
    assert stopper.patience == "3ep"
    assert [rule.mode for rule in stopper._panel.rules] == ["min", "max"]


def test_pickles_before_and_after_a_training() -> None:
    stopper = EarlyStopping("val_loss", patience="2ep", restore_best=True)
    assert pickle.loads(pickle.dumps(stopper)).patience == "2ep"
    trainer_of([stopper], max_epochs=2).fit(TinyModel(), tiny_loader(), tiny_loader())
    assert pickle.loads(pickle.dumps(stopper)).best_value == stopper.best_value is not None


def test_a_step_metric_beside_validations_is_checked_once_an_epoch() -> None:
    """Two validations an epoch log something else: what training logged is not theirs."""
    stopper = EarlyStopping("train_metric", patience=99)
    model = scripted([0.0], train_script=[1.0 / (step + 1) for step in range(20)])
    trainer_of([stopper], max_epochs=3, val_check_interval=0.5).fit(model, loader(), loader(1))
    assert stopper._states[0].checks == 3


def test_a_metric_that_validation_does_not_log_is_refused() -> None:
    stopper = EarlyStopping("elsewhere", check_on_train_epoch_end=False)
    with pytest.raises(UnsupportedError, match="needs the metric 'elsewhere'"):
        fit(stopper)
