"""What is there to paste trains with the best parameters, for every schedule."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrtool.callbacks import ParamScheduler
from lrtool.schedules import Horizon
from lrtool.search import SCHEDULES, measured_space
from lrtool.search.plan import lr_plan, momentum_plan
from lrtool.search.recipes import cli_yaml, snippet
from support.measurements import measurement
from support.search_jobs import KNOBS
from support.tiny import TinyModel, tiny_loader

RUN = Horizon(total_steps=200)


def tiny_model() -> TinyModel:
    return TinyModel()


def the_best(schedule: str) -> dict[str, Any]:
    space = measured_space(measurement(0.01), KNOBS, schedules=(schedule,))
    return space.params({name: prior.quantile(0.7) for name, prior in space.priors.items()})


def same(scheduler: ParamScheduler, params: dict[str, Any]) -> None:
    """A callback moves everything as the trial's own did."""
    plans = {name: scheduler._plans[name] for name in ("lr", "momentum", "weight_decay")}
    theirs, ours = plans["lr"].build(RUN), lr_plan(params).build(RUN)
    steps = range(RUN.total_steps or 0)
    assert np.allclose([theirs(k) for k in steps], [ours(k) for k in steps], rtol=1e-4, atol=0)
    momentum: Any = momentum_plan(params)
    assert np.allclose(plans["momentum"], momentum, rtol=1e-4)
    assert plans["weight_decay"] == pytest.approx(params["weight_decay"], rel=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_snippet_runs(schedule: str) -> None:
    from pytorch_lightning import Trainer

    names: dict[str, Any] = {"Trainer": Trainer}
    params = the_best(schedule)
    exec(snippet(params), names)
    assert names["scheduler"] in names["trainer"].callbacks
    same(names["scheduler"], params)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_yaml_is_a_configuration_of_lightning_cli(schedule: str, tmp_path: Path) -> None:
    pytest.importorskip("jsonargparse", reason="jsonargparse is not installed")
    cli = import_module("pytorch_lightning.cli")
    params = the_best(schedule)
    (tmp_path / "best.yaml").write_text(cli_yaml(params))
    words = ["--config=best.yaml", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    words += ["--trainer.max_steps=40", "--trainer.enable_checkpointing=false"]
    made = cli.LightningCLI(
        tiny_model, run=False, args=words, save_config_callback=None,
        seed_everything_default=False,
    )  # fmt: skip
    (scheduler,) = [one for one in made.trainer.callbacks if isinstance(one, ParamScheduler)]
    same(scheduler, params)
    made.trainer.fit(made.model, tiny_loader())
    assert made.trainer.global_step == 40
