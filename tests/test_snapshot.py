"""What is borrowed comes back bit for bit, whatever was done to it in between."""

import copy
import gc
import os
import queue
import random
import signal
import threading
import warnings
import weakref
from collections import OrderedDict, defaultdict, deque
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchmetrics import Accuracy, MeanMetric

from lrtool.errors import ArgumentError
from lrtool.snapshot import Snapshot, preserved, uninterrupted
from support.steps import tiny_net, train
from support.trace import differences


class Everything(nn.Module):
    """One of each thing a module may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        self.register_buffer("kept", torch.randn(4))
        self.register_buffer("hidden", torch.randn(4), persistent=False)
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
        self.mean = MeanMetric()
        self.accuracy = Accuracy(task="multiclass", num_classes=3)
        self.count, self.name, self.flag = 0, "first", False
        self.items = [1, 2, [3]]
        self.table: dict[str, Any] = {"a": torch.ones(2), "b": {"c": 1}}
        self.recent: deque[int] = deque([1, 2], maxlen=5)
        self.known = {1, 2}
        self.grid = np.arange(6.0).reshape(2, 3)
        self.generator = torch.Generator().manual_seed(1)
        self.rng = np.random.default_rng(1)
        self.old_rng = np.random.RandomState(1)
        self.python_rng = random.Random(1)
        self.tied = self.weight
        self.pair = (torch.zeros(2), [1])
        self.meter = Meter()


class Meter:
    """A plain object of the user's own."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0
        self.values = torch.zeros(2)
        self.seen: list[float] = []
        self.last: tuple[float, int] | None = None
        self.shadow = {"weights": [torch.zeros(2)]}
        self.noise = [Noise(), Noise()]

    def add(self, value: float) -> None:
        self.sum, self.count = self.sum + value, self.count + 1
        self.values += value
        self.seen.append(value)
        self.last = (value, self.count)
        self.shadow["weights"][0] += value
        self.noise[1].draw()
        self.made_late = True


class Noise:
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)

    def draw(self) -> float:
        return float(self.rng.normal())


def value_of(module: Everything) -> dict[str, Any]:
    """An independent copy of everything to compare: deepcopies and states, no snapshot code."""
    return copy.deepcopy(
        {
            "state": dict(module.state_dict()),
            "hidden": module.hidden,
            "modes": [part.training for part in module.modules()],
            "requires_grad": [p.requires_grad for p in module.parameters()],
            "plain": (module.count, module.name, module.flag, module.items, module.table),
            "containers": (list(module.recent), sorted(module.known), module.grid, module.pair),
            "metrics": (module.mean.metric_state, module.mean.update_count),
            "accuracy": module.accuracy.metric_state,
            "rng": (
                module.generator.get_state(),
                module.rng.bit_generator.state,
                list(module.old_rng.get_state())[1],
                module.python_rng.getstate(),
            ),
            "meter": {k: v for k, v in vars(module.meter).items() if k != "noise"},
            "noise": [one.rng.bit_generator.state for one in module.meter.noise],
            "names": sorted(vars(module)),
        }
    )


def disturb(module: Any) -> None:
    """Change all of it, in place and by replacement."""
    with torch.no_grad():
        module.weight.add_(1)
        module.frozen.data = torch.zeros(5)
        module.kept.mul_(2)
    module.hidden = torch.zeros(9)
    module.eval()
    module.frozen.requires_grad_(True)
    module.inner(torch.randn(4, 3)).sum().backward()
    module.inner.train()
    module.inner(torch.randn(4, 3))
    module.mean.update(torch.tensor(3.0))
    module.mean.compute()
    module.accuracy.update(torch.tensor([0, 1]), torch.tensor([0, 2]))
    module.count, module.name, module.flag = 7, "second", True
    module.items[2].append(4)
    module.items.append(torch.ones(1))
    module.table["a"].add_(1)
    module.table["b"]["d"] = 2
    del module.table["b"]["c"]
    module.table = {"new": 1}
    module.recent.append(9)
    module.known.add(3)
    module.grid += 1
    module.generator.seed()
    module.rng.random()
    module.old_rng.random()
    module.python_rng.random()
    module.pair[0].add_(1)
    module.pair[1].append(2)
    module.meter.add(2.0)
    module.extra = nn.Linear(2, 2)
    module.register_buffer("late", torch.ones(1))


@pytest.mark.parametrize("where", ["cpu", "device"])
def test_everything_in_a_module_comes_back(where: Any) -> None:
    module: Any = Everything()
    before, parameters = value_of(module), list(module.parameters())
    snapshot = Snapshot(module, where=where)
    for _ in range(2):  # a snapshot can be restored again and again
        disturb(module)
        assert differences(before, value_of(module)) != []
        snapshot.restore()
        assert differences(before, value_of(module)) == []
        assert all(a is b for a, b in zip(parameters, module.parameters(), strict=True))
        assert module.tied is module.weight
        assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.Adagrad])
@pytest.mark.parametrize("warm", [0, 3])
def test_B3_an_optimizer_goes_on_as_if_nothing_had_happened(kind: Any, warm: int) -> None:
    def run(*, borrow: bool) -> Any:
        model = tiny_net()
        options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        optimizer = kind(model.parameters(), lr=0.01, **options)
        train(model, optimizer, warm)
        gradients = [p.grad for p in model.parameters()]
        if borrow:
            with preserved(model, optimizer):
                optimizer.param_groups[0]["lr"] = 5.0
                optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})
                train(model, optimizer, 5)
            assert all(a is b.grad for a, b in zip(gradients, model.parameters(), strict=True))
        keys = list(optimizer.state_dict()["state"])
        train(model, optimizer, 4)
        return keys, optimizer.state_dict(), dict(model.state_dict())

    assert differences(run(borrow=False), run(borrow=True)) == []


def test_optimizers_of_pytorch_optimizer_come_back() -> None:
    library = pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed")

    def run(name: str, borrow: bool) -> Any:
        model = tiny_net()
        if name == "Lookahead":
            optimizer = library.Lookahead(torch.optim.SGD(model.parameters(), lr=0.1), k=3)
        else:
            optimizer = getattr(library, name)(model.parameters(), lr=0.01)
        train(model, optimizer, 2)
        if borrow:
            with preserved(model, optimizer):
                train(model, optimizer, 7)
        train(model, optimizer, 5)
        return dict(model.state_dict())

    for name in ("Lookahead", "AdaBound", "SWATS", "Lion", "RAdam", "Prodigy"):
        assert differences(run(name, borrow=False), run(name, borrow=True)) == [], name


def test_low_precision_weights_keep_their_full_precision_state() -> None:
    """Loading a state dict would cast it to the weights' type; a snapshot must not."""
    parameter = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    optimizer.state[parameter]["master"] = torch.full((4,), 1 / 3)
    snapshot = Snapshot(optimizer)
    optimizer.state[parameter]["master"].zero_()
    snapshot.restore()
    assert optimizer.state[parameter]["master"].tolist() == torch.full((4,), 1 / 3).tolist()


def test_containers_keep_their_type_order_and_identity() -> None:
    ordered = OrderedDict(b=1, a=2)
    default: defaultdict[str, list[int]] = defaultdict(list, x=[1])
    things = (ordered, default)
    snapshot = Snapshot(*things)
    ordered.move_to_end("b")
    ordered["c"] = 3
    default["y"].append(1)
    default["x"].append(2)
    snapshot.restore()
    assert list(ordered.items()) == [("b", 1), ("a", 2)]
    assert default == {"x": [1]}
    assert default.default_factory is list


def test_objects_passed_over_stay_as_they_are() -> None:
    meter = Meter()
    snapshot = Snapshot({"meter": meter}, skip=[meter])
    meter.add(1.0)
    snapshot.restore()
    assert meter.count == 1


def test_cycles_graphs_and_unwritable_tensors_are_survived() -> None:
    loop: dict[str, Any] = {"x": 1}
    loop["self"] = loop
    with torch.inference_mode():
        frozen = torch.ones(2)
    weight = torch.ones(2, requires_grad=True)
    product = weight * 2
    snapshot = Snapshot(loop, [frozen, product, torch.empty(2, device="meta")])
    loop["x"] = 2
    snapshot.restore()
    assert loop["x"] == 1
    product.sum().backward()  # type: ignore[no-untyped-call]  # the graph was not written to
    assert weight.grad is not None


@pytest.mark.parametrize("where", ["cpu", "device"])
def test_tensors_that_are_not_one_piece_of_memory_come_back(where: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls these layouts unfinished
        coo, csr = torch.eye(2).to_sparse(), torch.eye(3).to_sparse_csr()
        ragged = torch.nested.nested_tensor([torch.ones(2)])
    things = {"coo": coo, "csr": csr, "ragged": ragged}
    snapshot = Snapshot(things, where=where)
    for _ in range(2):
        for thing in things.values():
            thing.mul_(3)
        snapshot.restore()
        assert torch.equal(coo.to_dense(), torch.eye(2))
        assert torch.equal(csr.to_dense(), torch.eye(3))
        assert torch.equal(ragged[0], torch.ones(2))
    assert snapshot.nbytes == 0


@pytest.mark.parametrize("other", [torch.ones(6), torch.zeros(6), torch.ones(2)], ids=str)
def test_a_tensor_given_other_data_points_to_its_own_again(other: Tensor) -> None:
    """Of the same shape elsewhere, or of another; or the same memory seen in another shape."""
    tensor = torch.arange(6.0)
    place = tensor.data_ptr()
    snapshot = Snapshot([tensor])
    for data in (other, tensor.detach().view(2, 3)):
        tensor.data = data
        snapshot.restore()
        assert tensor.tolist() == list(range(6))
        assert tensor.data_ptr() == place


def test_a_module_with_an_expanded_buffer_comes_back() -> None:
    """torch refuses to write to a tensor of which several elements share one place."""
    module = nn.BatchNorm1d(2)
    module.register_buffer("mask", torch.ones(1, 3).expand(2, 3))
    mask = module.mask
    snapshot = Snapshot(module)
    module(torch.randn(4, 2))
    module.mask = torch.zeros(1)
    snapshot.restore()
    assert module.mask is mask
    assert torch.equal(module.get_buffer("running_mean"), torch.zeros(2))


def test_arrays_that_nobody_can_write_to_are_neither_copied_nor_written(tmp_path: Path) -> None:
    np.arange(6.0).tofile(tmp_path / "rows")
    rows = np.memmap(tmp_path / "rows", mode="r", dtype=np.float64)
    data = SimpleNamespace(rows=rows, seen=0)
    snapshot = Snapshot(data)
    data.seen = 3
    snapshot.restore()
    assert (data.seen, data.rows is rows, snapshot.nbytes) == (0, True, 0)


def test_guards_of_compiled_code_see_no_write_where_nothing_changed() -> None:
    written: list[str] = []

    class Watched(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            written.append(key)
            super().__setitem__(key, value)

    watched = Watched(a=1, b=[2])
    snapshot = Snapshot(watched)
    written.clear()
    snapshot.restore()
    assert written == []


def test_preserved_gives_back_after_an_exception() -> None:
    model = tiny_net()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def fail() -> None:
        with preserved(model):
            nn.init.zeros_(next(model.parameters()))
            raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        fail()
    assert differences(before, dict(model.state_dict())) == []


def test_ctrl_c_waits_for_a_restore_to_end() -> None:
    done: list[str] = []

    def restore() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                pass
            done.append("restored")

    with pytest.raises(KeyboardInterrupt):
        restore()
    assert done == ["restored"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_B17_memory_is_one_copy_and_freed_without_the_collector() -> None:
    model = tiny_net()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer, 1)
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [v for s in optimizer.state.values() for v in s.values()]
    gc.disable()
    try:
        snapshot = Snapshot(model, optimizer)
        assert snapshot.nbytes == sum(tensor.nbytes for tensor in tensors)
        copies: list[Any] = [weakref.ref(kept[2]) for kept in snapshot._tensors]
        copies.append(weakref.ref(snapshot))
        del snapshot
        assert all(ref() is None for ref in copies)
    finally:
        gc.enable()


def test_where_is_checked() -> None:
    with pytest.raises(ArgumentError, match="got 'disk'"):
        Snapshot(where="disk")  # type: ignore[arg-type]


def test_of_iterators_only_those_that_went_on_are_told() -> None:
    unused, used, unknown = iter([1, 2, 3]), iter((1, 2)), (x for x in (1, 2))
    snapshot = Snapshot([unused, used])
    assert not snapshot.advanced
    next(used)
    assert list(snapshot.advanced) == ["tuple_iterator"]
    assert list(Snapshot([unknown]).advanced) == ["generator"]  # it may have


def test_functions_bring_their_variables_along() -> None:
    def counter(start: list[int] = []) -> Any:  # noqa: B006  # the shared default is the point
        count = 0

        def add() -> tuple[int, int]:
            nonlocal count
            count += 1
            start.append(count)
            return count, len(start)

        return add

    class Owner:
        def __init__(self) -> None:
            self.calls: list[int] = []

        def call(self, times: int) -> int:
            self.calls.extend(range(times))
            return len(self.calls)

    closure, method, part = counter(), Owner().call, partial(Owner().call, 2)
    snapshot = Snapshot({"closure": closure, "method": method, "partial": part})
    for _ in range(2):
        assert (closure(), method(3), part()) == ((1, 1), 3, 2)
        snapshot.restore()


class Rows(Dataset[Tensor]):
    """Small state beside bulky data."""

    def __init__(self) -> None:
        self.rows = torch.zeros(2**19)
        self.table = np.zeros(2**18)
        self.paths = ["path"] * 2000
        self.visits = torch.zeros(4)
        self.transforms = [Noise()]
        self.cache: dict[int, Tensor] = {}

    def __getitem__(self, index: int) -> Tensor:
        self.visits[index] += 1
        self.cache[index] = self.rows[index]
        return self.rows[index] + self.transforms[0].draw()


@pytest.mark.parametrize("how", ["as data", "met on the way"])
def test_of_data_the_small_is_kept_and_the_bulky_neither_copied_nor_walked(how: str) -> None:
    rows = Rows()
    snapshot = Snapshot(data=[rows]) if how == "as data" else Snapshot({"train": rows})
    assert snapshot.nbytes == rows.visits.nbytes
    first = rows[1]
    snapshot.restore()
    assert (rows.visits.tolist(), rows.cache) == ([0.0] * 4, {})
    assert torch.equal(rows[1], first)
    assert snapshot.num_changed_bulky == 0
    rows.rows[0] = 1.0
    rows.paths.append("another")
    assert snapshot.num_changed_bulky == 2


def test_what_a_model_holds_too_is_copied_though_data_has_it() -> None:
    rows, model = Rows(), nn.Linear(1, 1)
    model.register_buffer("memory", rows.rows)
    for snapshot in (Snapshot(rows, model), Snapshot(model, data=[rows])):
        rows.rows.fill_(3.0)
        snapshot.restore()
        assert float(rows.rows.sum()) == 0.0


def test_objects_that_live_on_their_own_keep_what_they_hold() -> None:
    """To take back a worker's queue or an open file's bookkeeping would break them."""

    class Worker:
        def __init__(self) -> None:
            self.lock, self.done, self.count = threading.Lock(), ["first"], 0

    worker = Worker()
    jobs: queue.Queue[int] = queue.Queue()
    snapshot = Snapshot({"worker": worker, "jobs": jobs})
    worker.done.append("second")
    worker.count = 1
    jobs.put(1)
    snapshot.restore()
    assert (worker.done, worker.count, jobs.qsize()) == (["first", "second"], 0, 1)
