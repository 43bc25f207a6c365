from pathlib import Path
from typing import Any

import optuna
import pytest
import pytorch_lightning as pl
import torch
from optuna.trial import TrialState

from lrtool.callbacks import TrialPruning
from lrtool.callbacks._lightning import lightning_modules
from lrtool.errors import ArgumentError, UnsupportedError
from lrtool.search.storage import open_storage
from support.tiny import TinyModel, Untouched, silent_trainer, tiny_loader, tiny_trainer


class Never(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return False


class After(optuna.pruners.BasePruner):
    """Gives every trial up once it has reported `count` values."""

    def __init__(self, count: int) -> None:
        self.count = count

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return len(trial.intermediate_values) >= self.count


def study_of(pruner: optuna.pruners.BasePruner, storage: Any = None) -> optuna.Study:
    return optuna.create_study(pruner=pruner, storage=storage)


def reports(study: optuna.Study, number: int = 0) -> list[int]:
    return sorted(study.trials[number].intermediate_values)


def test_F3_every_check_is_kept_at_its_step_and_sanity_checks_never() -> None:
    study = study_of(Never())
    pruning = TrialPruning(study.ask())
    trainer = tiny_trainer(
        callbacks=[pruning], val_check_interval=2, num_sanity_val_steps=2, max_epochs=2
    )
    trainer.fit(TinyModel(), tiny_loader(), tiny_loader(16))  # 8 batches an epoch
    assert reports(study) == [2, 4, 6, 8, 10, 12, 14, 16]
    values = study.trials[0].intermediate_values
    assert pruning.best_value == min(values.values())
    assert pruning.last_value == values[16]


def test_steps_are_optimizer_steps_under_accumulation() -> None:
    study = study_of(Never())
    trainer = tiny_trainer(
        callbacks=[TrialPruning(study.ask())], accumulate_grad_batches=4, max_epochs=2
    )
    trainer.fit(TinyModel(), tiny_loader(), tiny_loader(16))
    assert reports(study) == [2, 4]


def test_reports_a_training_metric_every_n_steps() -> None:
    study = study_of(Never())
    pruning = TrialPruning(study.ask(), "train_loss", every_n_steps=3)
    tiny_trainer(callbacks=[pruning], max_epochs=1).fit(TinyModel(), tiny_loader(), tiny_loader(16))
    assert reports(study) == [3, 6, 8]  # and the check at the epoch's end


@pytest.mark.parametrize("validation", [True, False])
def test_a_training_metric_is_reported_once_a_step(validation: bool) -> None:
    """However many batches a step takes, and where a check falls on the same step."""
    study = study_of(Never())
    pruning = TrialPruning(study.ask(), "train_loss", every_n_steps=1)
    trainer = tiny_trainer(callbacks=[pruning], accumulate_grad_batches=4, max_epochs=2)
    trainer.fit(TinyModel(), tiny_loader(), tiny_loader(16) if validation else None)
    assert reports(study) == [1, 2, 3, 4]  # Optuna would warn of a second one


def test_hopeless_trial_ends_at_its_check() -> None:
    study = study_of(After(2))
    trainer = tiny_trainer(callbacks=[TrialPruning(study.ask())], max_epochs=9)
    with pytest.raises(optuna.TrialPruned, match="hopeless"):
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader(16))
    assert trainer.global_step == 16
    assert reports(study) == [8, 16]


class Explodes(TinyModel):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return loss * float("nan") if self.global_step >= 3 else loss


def test_F4_loss_that_is_not_finite_ends_the_trial_at_once() -> None:
    study = study_of(Never())
    trainer = tiny_trainer(callbacks=[TrialPruning(study.ask())], max_epochs=9)
    with pytest.raises(optuna.TrialPruned, match="diverged: the loss is not finite at step 4"):
        trainer.fit(Explodes(), tiny_loader(), tiny_loader(16))
    assert trainer.global_step == 4


@pytest.mark.parametrize("module", lightning_modules(), ids=lambda module: module.__name__)
def test_F1_at_home_in_every_lightning(module: Any) -> None:
    class Model(module.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return (self.layer(batch[0]) - batch[1]).square().mean()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self.training_step(batch, batch_idx))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    study = study_of(After(1))
    trainer = silent_trainer(module, max_epochs=3, callbacks=[TrialPruning(study.ask())])
    with pytest.raises(optuna.TrialPruned):
        trainer.fit(Model(), tiny_loader(), tiny_loader(16))
    assert reports(study) == [8]


class Synced(TinyModel):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch), sync_dist=True)


def two_processes(pruning: TrialPruning, **options: Any) -> pl.Trainer:
    return tiny_trainer(
        callbacks=[pruning], devices=2, strategy="ddp_fork", max_epochs=9, **options
    )


def test_F2_processes_stop_together_and_the_parent_raises(tmp_path: Path) -> None:
    home = open_storage(tmp_path / "study.journal", "s")
    study = study_of(After(2), home.storage)
    pruning = TrialPruning(study.ask())
    trainer = two_processes(pruning)
    trainer.fit(Synced(), tiny_loader(), tiny_loader(16))
    with pytest.raises(optuna.TrialPruned, match="hopeless"):
        pruning.raise_if_pruned()
    assert reports(study) == [4, 8]  # half the batches each, and each step reported once


def test_F2_refuses_a_study_that_the_processes_would_not_share() -> None:
    pruning = TrialPruning(study_of(Never()).ask())
    with pytest.raises(Exception, match="in-memory study") as caught:
        two_processes(pruning).fit(Synced(), tiny_loader(), tiny_loader(16))
    assert "UnsupportedError" in f"{type(caught.value).__name__} {caught.value}"


def test_refuses_what_cannot_work() -> None:
    several = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(UnsupportedError, match="one objective, got 2"):
        TrialPruning(several.ask())
    trial = study_of(Never()).ask()
    with pytest.raises(ArgumentError, match="did you mean 'min'"):
        TrialPruning(trial, mode="mim")
    with pytest.raises(ArgumentError, match="every_n_steps=0"):
        TrialPruning(trial, every_n_steps=0)


def test_metric_that_is_not_logged_is_named() -> None:
    trainer = tiny_trainer(callbacks=[TrialPruning(study_of(Never()).ask(), "val_acc")])
    with pytest.raises(ArgumentError, match="got 'val_acc'; logged: train_loss, val_loss"):
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader(16))


def test_best_value_survives_a_checkpoint() -> None:
    study = study_of(Never())
    first = TrialPruning(study.ask())
    tiny_trainer(callbacks=[first], max_epochs=1).fit(TinyModel(), tiny_loader(), tiny_loader(16))
    second = TrialPruning(study.ask())
    second.load_state_dict(first.state_dict())
    assert second.best_value == first.best_value is not None
    assert study.trials[0].state == TrialState.RUNNING


def test_a_validation_by_itself_is_no_check() -> None:
    study = study_of(Never())
    pruning = TrialPruning(study.ask())
    trainer, model = tiny_trainer(callbacks=[pruning], max_epochs=1), TinyModel()
    trainer.validate(model, tiny_loader(), verbose=False)  # the loss before any training
    assert (pruning.best_value, reports(study)) == (None, [])
    trainer.fit(model, tiny_loader(), tiny_loader())
    best = pruning.best_value
    trainer.validate(model, tiny_loader(8), verbose=False)  # other data, the same name
    assert (pruning.best_value, pruning.last_value, reports(study)) == (best, best, [8])


@pytest.mark.parametrize("limits", [{}, {"limit_val_batches": 0}], ids=str)
def test_a_run_without_a_check_is_refused_before_the_first_step(limits: dict[str, Any]) -> None:
    val = tiny_loader() if limits else None
    pruning = TrialPruning(study_of(Never()).ask())
    with pytest.raises(UnsupportedError, match=r"'val_loss' at validation checks, .* has none"):
        tiny_trainer(callbacks=[pruning], **limits).fit(Untouched(), tiny_loader(), val)
    by_steps = TrialPruning(study_of(Never()).ask(), "train_loss", every_n_steps=2)
    tiny_trainer(callbacks=[by_steps], max_epochs=1).fit(TinyModel(), tiny_loader())
    assert by_steps.best_value is not None


def test_a_trial_that_repeats_known_parameters_needs_no_study() -> None:
    """Optuna's way to train the best again: `objective(study.best_trial)`, or a FixedTrial."""
    study = study_of(After(1))
    study.tell(study.ask(), 1.0)
    for trial in (study.best_trial, optuna.trial.FixedTrial({"lr": 0.1})):
        pruning = TrialPruning(trial)
        trainer = tiny_trainer(callbacks=[pruning], max_epochs=2)
        trainer.fit(TinyModel(), tiny_loader(), tiny_loader())
        assert trainer.global_step == 16
        assert pruning.best_value is not None
        assert pruning.reason is None
