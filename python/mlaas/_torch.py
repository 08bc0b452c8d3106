"""A loader as a PyTorch data set. What is yielded: see _views.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ._views import Layout

if TYPE_CHECKING:
    from ._batch import Batch, Batches

_MOST_WORKERS = 1024


class LoaderDataset(IterableDataset):
    """Whole batches of a mlaas.Loader: loop over it, or give it to a DataLoader with batch_size=None.

    Workers get a shard each (rank x worker) and their tensors are copied to the main process; the loader has threads of
    its own, so workers seldom help. ``len`` is the batches of the loader; with workers each shard may end with a part
    batch of its own.
    """

    def __init__(self, loader: Batches, masks: bool | str | None, weights: bool | None) -> None:
        self.loader = loader
        self.layout = Layout(loader, masks, weights, real=False)
        self._own: Batches | None = None
        # The epoch each worker is at: workers are started anew for every epoch and would repeat the first.
        self._next = torch.full((_MOST_WORKERS,), loader.epoch, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """The next loop delivers this epoch, also in workers."""
        self.loader.set_epoch(epoch)
        self._next.fill_(epoch)

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        loader = self.loader if info is None else self._shard(info.id, info.num_workers)
        return (self._tensors(batch) for batch in loader)

    def _shard(self, worker: int, workers: int) -> Batches:
        if self._own is None:
            self._own = self.loader.shard(worker, workers)
        self._own.set_epoch(int(self._next[worker]))
        self._next[worker] += 1
        return self._own

    def _tensors(self, batch: Batch) -> tuple[Any, ...]:
        return self.layout.arrays(batch, torch.from_dlpack, torch.from_numpy)
