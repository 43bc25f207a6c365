"""The best parameters as something to paste: Python, and YAML for LightningCLI."""

from collections.abc import Mapping
from typing import Any

from lrtool.schedules import Recipe
from lrtool.search.plan import lr_plan, momentum_plan

__all__ = ["cli_yaml", "snippet"]


def snippet(params: Mapping[str, Any]) -> str:
    """Python that trains with `params`.

    >>> print(snippet({"schedule": "constant", "max_lr": 0.1, "momentum": 0.9}))
    from lrtool.callbacks import ParamScheduler
    from lrtool.schedules import recipe
    <BLANKLINE>
    scheduler = ParamScheduler(
        lr=recipe("constant", lr=0.1),
        momentum=0.9,
    )
    trainer = Trainer(callbacks=[scheduler])
    """
    lines = [f"    lr={_python(lr_plan(params))},"]
    momentum, decay = momentum_plan(params), params.get("weight_decay")
    if momentum is not None:
        lines.append(f"    momentum={_python(momentum)},")
    if decay is not None:
        lines.append(f"    weight_decay={_python(decay)},")
    return "\n".join(
        [
            "from lrtool.callbacks import ParamScheduler",
            "from lrtool.schedules import recipe",
            "",
            "scheduler = ParamScheduler(",
            *lines,
            ")",
            "trainer = Trainer(callbacks=[scheduler])",
        ]
    )


def cli_yaml(params: Mapping[str, Any]) -> str:
    """`params` as the `trainer.callbacks` of a LightningCLI configuration."""
    lines = [
        "trainer:",
        "  callbacks:",
        "    - class_path: lrtool.callbacks.ParamScheduler",
        "      init_args:",
    ]
    plan, momentum, decay = lr_plan(params), momentum_plan(params), params.get("weight_decay")
    lines += ["        lr:", *_yaml_recipe(plan, "          ")]
    if isinstance(momentum, tuple):
        lines.append(f"        momentum: [{momentum[0]:.6g}, {momentum[1]:.6g}]")
    elif momentum is not None:
        lines.append(f"        momentum: {momentum:.6g}")
    if decay is not None:
        lines.append(f"        weight_decay: {_number(decay)}")
    return "\n".join(lines) + "\n"


def _python(value: Any) -> str:
    if isinstance(value, Recipe):
        parts = [f"{name}={_python(part)}" for name, part in value.params.items()]
        return f'recipe("{value.name}", {", ".join(parts)})'
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return f"({', '.join(_python(part) for part in value)})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _yaml_recipe(plan: Recipe, indent: str) -> list[str]:
    lines = [
        f"{indent}class_path: lrtool.schedules.Recipe",
        f"{indent}init_args:",
        f"{indent}  name: {plan.name}",
        f"{indent}  params:",
    ]
    for name, value in plan.params.items():
        if isinstance(value, Recipe):
            lines += [f"{indent}    {name}:", *_yaml_recipe(value, indent + "      ")]
        else:
            lines.append(f"{indent}    {name}: {_number(value)}")
    return lines


def _number(value: Any) -> str:
    """A number as YAML 1.1 reads it: an exponent needs a decimal point to be a float."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.6g}"
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
