"""TARGETs for the command line, good and bad, as source to write into a file."""

GOOD = """
import warnings
from pytorch_lightning import LightningDataModule, LightningModule
from support.tiny import TinyModel, tiny_loader

def make():
    return TinyModel, (tiny_loader(), tiny_loader(16))

def make_grouped():
    return Grouped, tiny_loader()

class Grouped(TinyModel):
    def configure_optimizers(self):
        from torch.optim import SGD
        groups = [{"params": self.net[:3].parameters(), "name": "body"},
                  {"params": self.net[3:].parameters(), "name": "head"}]
        return SGD(groups, lr=0.01)

def not_a_pair():
    return TinyModel()

def no_data():
    return TinyModel, None

def empty_data():
    return TinyModel, []

class Loaderless(LightningDataModule):
    pass

class Stepless(LightningModule):
    def configure_optimizers(self):
        return None

class Unoptimized(TinyModel):
    def configure_optimizers(self):
        warnings.filterwarnings("ignore", ".*returned `None`.*")
        return None

def a_model():
    return TinyModel(), tiny_loader()

def data_module_without_loader():
    return TinyModel, Loaderless()

def data_that_is_a_number():
    return TinyModel, 3

def data_that_is_text():
    return TinyModel, "train.csv"

def no_training_step():
    return Stepless, tiny_loader()

def no_optimizer():
    return Unoptimized, tiny_loader()

def raises():
    raise ValueError("no such\\nfile")

def runs_a_command():
    raise SystemExit(2)

def makes_data():
    return TinyModel, lambda: (tiny_loader(), tiny_loader(16))

def not_a_module():
    return dict, tiny_loader()

A_NUMBER = 3
"""

SPAWNING = """
import torch
from torch.utils.data import DataLoader, Dataset
from support.tiny import TinyModel

class Configured(TinyModel):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"kind": Examples})

class Examples(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        x = torch.randn(4, generator=torch.Generator().manual_seed(index))
        return x, x[:1]

def make():
    return Configured, DataLoader(
        Examples(), 8, num_workers=1, multiprocessing_context="spawn", persistent_workers=True
    )

def plain():
    return Configured, (DataLoader(Examples(), 8), DataLoader(Examples(), 8))
"""

BROKEN = "import nothing_of_that_name\n"
