"""GroupPlan: parameter groups with their names, as torch takes them and as a table."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lrtool._check import require
from lrtool._columns import columns

__all__ = ["GroupPlan", "Row", "groups_of"]


@dataclass(frozen=True)
class Row:
    """One group.

    Args:
        name: of the group.
        lr: its rate.
        weight_decay: its decay.
        options: what else torch's group gets.
        members: (name, parameter), at least one.
    """

    name: str
    lr: float
    weight_decay: float
    options: tuple[tuple[str, Any], ...]
    members: tuple[tuple[str, nn.Parameter], ...] = field(repr=False)


@dataclass(frozen=True)
class GroupPlan:
    """Parameter groups with their names, printed as a table; `groups()` is what torch takes."""

    rows: tuple[Row, ...]

    def groups(self) -> list[dict[str, Any]]:
        """Fresh torch parameter groups, each with its own `lr`, `weight_decay` and `name`."""
        return [
            {
                "params": [parameter for _, parameter in row.members],
                "lr": row.lr,
                "weight_decay": row.weight_decay,
                "name": row.name,
                **dict(row.options),
            }
            for row in self.rows
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def _cells(self) -> list[tuple[str, ...]]:
        head = ("group", "lr", "weight decay", "tensors", "weights", "trained", "first", "options")
        body = [
            (
                row.name, f"{row.lr:.3g}", f"{row.weight_decay:.3g}", str(len(row.members)),
                f"{sum(p.numel() for _, p in row.members):,}",
                f"{sum(p.numel() for _, p in row.members if p.requires_grad):,}",
                row.members[0][0],
                ", ".join(f"{key}={value}" for key, value in row.options),
            )
            for row in self.rows
        ]  # fmt: skip
        return [head, *body]

    def __str__(self) -> str:
        header, *rows = self._cells()
        return columns(header, rows)

    def _repr_html_(self) -> str:
        from lrtool.report import table_section

        header, *rows = self._cells()
        return table_section("Parameter groups", header, rows).html


def groups_of(optimizer: Any, model: nn.Module) -> GroupPlan:
    """The groups that `optimizer` has right now, with the names that `model` gives its parameters.

    Raises:
        ArgumentError: when a parameter of `model` is in no group, or in two.

    >>> from torch import optim
    >>> net = nn.Linear(2, 1)
    >>> print(groups_of(optim.SGD(net.parameters(), lr=0.1), net))
    group   lr   weight decay  tensors  weights  trained  first   options
    group0  0.1  0             2        3        3        weight
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    left_out = [name for key, name in names.items() if key not in set(held)]
    require(not left_out, "every parameter in a group", left_out=left_out[:3])
    require(len(held) == len(set(held)), "no parameter in two groups", held=len(held))
    return GroupPlan(
        tuple(
            Row(
                group.get("name", f"group{index}"),
                float(group["lr"]),
                float(group.get("weight_decay", 0.0)),
                (),
                tuple((names.get(id(p), "another module's"), p) for p in group["params"]),
            )
            for index, group in enumerate(optimizer.param_groups)
            if group["params"]
        )
    )
