"""The shared suite: small real tasks, some to develop on, some to report on.

    for task in tasks("dev"):
        model = task.make_model(seed=0)
        optimizer = task.make_optimizer(model.parameters(), lr=0.01)
        for _, (x, y) in zip(range(task.num_steps), task.batches(seed=0)):
            loss = task.loss(model(x), y)
            ...
        task.validation_loss(model)
    module, train_loader, val_loader = task.lightning(seed=0, lr=0.01)

Which half a task belongs to was fixed before anything was measured on it: develop on "dev",
"extra", "hard" and "drawn_many", report on "report", never the other way round. The picks were
developed further once their "report" half had been seen; "fresh" was set apart for them before,
"drawn" once that had been seen too, "drawn_again" and "drawn_thrice" after that, and then
"drawn_anew".
"""

from dataclasses import replace

from drawn_tasks import DRAWN, DRAWN_AGAIN, DRAWN_ANEW, DRAWN_MANY, DRAWN_THRICE
from fresh_tasks import FRESH
from task_kit import (
    LSTM,
    OPTIMIZERS,
    Bag,
    Batch,
    ConvNet,
    Data,
    Factors,
    Recurrent,
    Task,
    Transformer,
    adding,
    cancer,
    classify,
    diabetes,
    digits,
    digits_as_targets,
    digits_of,
    digits_rows,
    fine_tuned,
    mlp,
    pixel_table,
    recall,
    regress,
    text,
    wine,
)
from torch import nn

__all__ = ["HALVES", "OPTIMIZERS", "Batch", "Data", "Task", "digits_of", "task", "tasks"]

_TASKS = (
    # development
    Task("digits_mlp_sgd", "dev", "mlp", "sgd", 32, digits, mlp(64, 64, 10), classify),
    Task("digits_raw_mlp_momentum", "dev", "mlp", "momentum", 64,
         lambda: digits(1.0), mlp(64, 64, 10), classify),
    Task("digits_cnn_adam", "dev", "cnn", "adam", 32,
         lambda: digits(image=True), lambda: ConvNet(False), classify),
    Task("digits_cnn_bn_sgd", "dev", "cnn_bn", "sgd", 64,
         lambda: digits(image=True), lambda: ConvNet(True), classify),
    Task("wine_logreg_sgd", "dev", "logistic", "sgd", 16, wine, mlp(13, 3), classify),
    Task("cancer_raw_mlp_adamw", "dev", "mlp", "adamw", 32,
         lambda: cancer(False), mlp(30, 32, 2), classify),
    Task("text_gru_rmsprop", "dev", "recurrent", "rmsprop", 16,
         lambda: text("textwrap", 16), lambda: Recurrent(64, 32, 64, True, True), classify),
    Task("diabetes_mlp_nesterov", "dev", "mlp", "nesterov", 16,
         diabetes, mlp(10, 32, 32, 1), regress),
    Task("digits_autoencoder_nadam", "dev", "autoencoder", "nadam", 64,
         digits_as_targets, mlp(64, 32, 8, 32, 64), regress),
    Task("pixels_factors_adagrad", "dev", "factorization", "adagrad", 128,
         pixel_table, lambda: Factors(300, 64), regress),
    Task("adding_lstm_adam", "dev", "plateau", "adam", 64,
         adding, lambda: LSTM(2, 24, 1), regress),
    Task("digits_dim_deep_sgd", "dev", "deep_mlp", "sgd", 32,
         lambda: digits(0.1 / 16), mlp(64, 48, 48, 48, 10, activation=nn.Tanh), classify),
    # report
    Task("digits_cnn_bn_momentum", "report", "cnn_bn", "momentum", 64,
         lambda: digits(image=True), lambda: ConvNet(True), classify),
    Task("digits_dim_mlp_sgd", "report", "mlp", "sgd", 64,
         lambda: digits(0.05 / 16), mlp(64, 64, 32, 10), classify),
    Task("digits_noisy_mlp_adam", "report", "mlp", "adam", 128,
         lambda: digits(noise=0.3), mlp(64, 64, 10), classify),
    Task("cancer_logreg_nesterov", "report", "logistic", "nesterov", 8,
         cancer, mlp(30, 2), classify),
    Task("wine_raw_mlp_rmsprop", "report", "mlp", "rmsprop", 16,
         lambda: wine(False), mlp(13, 32, 3), classify),
    Task("text_transformer_adamw", "report", "transformer", "adamw", 16,
         lambda: text("argparse", 16), lambda: Transformer(64, 32, 16), classify),
    Task("diabetes_raw_mlp_adam", "report", "mlp", "adam", 16,
         lambda: diabetes(False), mlp(10, 32, 1), regress),
    Task("text_bag_adagrad", "report", "embedding", "adagrad", 8,
         lambda: text("inspect", 16), lambda: Bag(64), classify),
    Task("recall_gru_nadam", "report", "plateau", "nadam", 32,
         recall, lambda: Recurrent(8, 24, 6, True, False), classify),
    Task("digits_fine_tune_momentum", "report", "fine_tune", "momentum", 16,
         lambda: digits_of((5, 6, 7, 8, 9), 200), fine_tuned, classify),
    Task("digits_rows_gru_sgd", "report", "recurrent", "sgd", 32,
         digits_rows, lambda: Recurrent(8, 24, 10, False, False), classify),
    Task("digits_autoencoder_adamw", "report", "autoencoder", "adamw", 32,
         digits_as_targets, mlp(64, 48, 6, 48, 64, activation=nn.Tanh), regress),
)  # fmt: skip


# More to develop on: the development tasks under other optimizers and batch sizes.
_EXTRA = tuple(
    replace(
        next(task for task in _TASKS if task.name.startswith(start)),
        name=f"{start}_{optimizer}_{batch_size}",
        half="extra",
        optimizer=optimizer,
        batch_size=batch_size,
    )
    for start, optimizer, batch_size in (
        ("digits_mlp", "adam", 8), ("digits_mlp", "adagrad", 128),
        ("digits_raw_mlp", "sgd", 32), ("digits_raw_mlp", "adamw", 16),
        ("digits_cnn_adam", "momentum", 32), ("digits_cnn_adam", "rmsprop", 16),
        ("digits_cnn_bn", "nadam", 32), ("wine_logreg", "adam", 8), ("wine_logreg", "nesterov", 32),
        ("cancer_raw", "sgd", 32), ("cancer_raw", "momentum", 8), ("text_gru", "sgd", 16),
        ("text_gru", "adamw", 32), ("diabetes_mlp", "adam", 8), ("diabetes_mlp", "sgd", 64),
        ("digits_autoencoder", "nesterov", 32), ("digits_autoencoder", "rmsprop", 64),
        ("pixels_factors", "sgd", 64), ("pixels_factors", "adamw", 128),
        ("adding_lstm", "nesterov", 32), ("adding_lstm", "rmsprop", 64),
        ("digits_dim_deep", "momentum", 32), ("digits_dim_deep", "adam", 64),
        ("digits_dim_deep", "adagrad", 16),
    )
)  # fmt: skip

# The hardest kinds to develop on, under plain descent: losses that start on a plateau, and losses
# that noise drowns.
_HARD = (
    Task("digits_dimmer_mlp_sgd", "hard", "mlp", "sgd", 16,
         lambda: digits(0.02 / 16), mlp(64, 32, 10), classify),
    Task("digits_dim_wide_nesterov", "hard", "deep_mlp", "nesterov", 64,
         lambda: digits(0.05 / 16), mlp(64, 96, 32, 10, activation=nn.Tanh), classify),
    Task("digits_sigmoid_mlp_momentum", "hard", "deep_mlp", "momentum", 64,
         digits, mlp(64, 24, 24, 24, 10, activation=nn.Sigmoid), classify),
    Task("digits_sigmoid_mlp_sgd", "hard", "mlp", "sgd", 64,
         digits, mlp(64, 48, 24, 10, activation=nn.Sigmoid), classify),
    Task("digits_dim_cnn_sgd", "hard", "cnn", "sgd", 32,
         lambda: digits(0.1 / 16, image=True), lambda: ConvNet(False), classify),
    Task("digits_deep_mlp_sgd", "hard", "deep_mlp", "sgd", 32,
         digits, mlp(64, 24, 24, 24, 24, 24, 10), classify),
    Task("digits_deep_mlp_momentum", "hard", "deep_mlp", "momentum", 16,
         lambda: digits(0.3 / 16), mlp(64, 32, 32, 32, 32, 10), classify),
    Task("autoencoder_deep_sgd", "hard", "autoencoder", "sgd", 32,
         digits_as_targets, mlp(64, 32, 8, 32, 64, activation=nn.Tanh), regress),
    Task("diabetes_small_mlp_sgd", "hard", "mlp", "sgd", 8, diabetes, mlp(10, 16, 1), regress),
    Task("diabetes_wide_mlp_momentum", "hard", "mlp", "momentum", 8,
         diabetes, mlp(10, 64, 1), regress),
    Task("digits_noisy_mlp_sgd", "hard", "mlp", "sgd", 8,
         lambda: digits(noise=0.6), mlp(64, 32, 10), classify),
    Task("digits_noisy_logreg_nesterov", "hard", "logistic", "nesterov", 16,
         lambda: digits(noise=0.7), mlp(64, 10), classify),
    Task("recall_gru_sgd", "hard", "plateau", "sgd", 32,
         recall, lambda: Recurrent(8, 24, 6, True, False), classify),
    Task("adding_lstm_sgd", "hard", "plateau", "sgd", 64,
         adding, lambda: LSTM(2, 24, 1), regress),
)  # fmt: skip

_ALL = (
    _TASKS + _EXTRA + _HARD + FRESH + DRAWN + DRAWN_AGAIN + DRAWN_THRICE + DRAWN_MANY + DRAWN_ANEW
)
HALVES = tuple(dict.fromkeys(task.half for task in _ALL))


def tasks(half: str | None = None) -> tuple[Task, ...]:
    """The first suite (24), or one of `HALVES`."""
    wanted = (half,) if half else ("dev", "report")
    return tuple(task for task in _ALL if task.half in wanted)


def task(name: str) -> Task:
    return next(task for task in _ALL if task.name == name)
