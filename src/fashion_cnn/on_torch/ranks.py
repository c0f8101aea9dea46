"""`Ranks`: the processes that train one network together.

Each computes its share of the same batch, so their number changes no batch. Batch norm's sums and
dropout's masks are those of the whole batch. So any number of ranks computes what one does, up to
the order of sums.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import PrefixStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from fashion_cnn.errors import UsageError
from fashion_cnn.process import launch

_PATIENCE = timedelta(days=1)
"""For the first rank's validation and evaluation; when a rank ends, torchrun ends the others."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; the default is one alone.

    Attributes:
        rank: its number; rank 0 alone writes.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This rank's rows of a whole batch: every `size`-th."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def sum(self, *numbers: float) -> list[float]:
        """The sums over all ranks, in float64."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers."""
        if self.size == 1:
            return number
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def from_first(self, *numbers: float) -> list[float]:
        """The numbers of rank 0, on every rank."""
        return self.sum(*(number if self.first else 0.0 for number in numbers))

    def check_batches(self, images: int, batch_size: int) -> None:
        """Raise `UsageError` if a batch of an epoch would leave a rank without an image."""
        smallest = images % batch_size or batch_size
        if smallest < self.size:
            raise UsageError(
                f"batches of {batch_size} leave {smallest} for the last one of {images} images, "
                f"and there are {self.size} ranks; choose another --batch-size"
            )

    def together(self, model: nn.Module, *, in_parts: bool = False) -> nn.Module:
        """Wrap a model so that its gradients are the means over the ranks.

        Args: in_parts: there will be steps in which some parameters have no gradient.
        """
        if self.size == 1:
            return model
        for module in model.modules():
            assert isinstance(module, BatchNorm) or not isinstance(module, nn.BatchNorm2d)
            if isinstance(module, BatchNorm | Dropout):
                module.ranks = self
        return DistributedDataParallel(
            model, forward_sync_buffers=False, find_unused_parameters=in_parts
        )


ALONE = Ranks()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Meet the other ranks that torchrun started, if it did; part from them at the end.

    Gloo carries what is on the CPU, NCCL what is on Nvidia's GPUs, one GPU a rank.
    """
    if launch.ranks() == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(launch.local_rank())
    store, rank, size = next(rendezvous("env://"))
    # torchrun may give those that it starts again the store of before, with dead addresses in it.
    store = PrefixStore(f"start-{launch.restarts()}", store)
    backends = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backends, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        ranks = Ranks(rank, size)
        yield ranks
        # torchrun ends all when one ends with a code: none may go before the first has done.
        ranks.sum(0)
    finally:
        dist.destroy_process_group()


class Dropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch; each rank applies its rows."""

    ranks = ALONE

    def forward(self, input: Tensor) -> Tensor:
        """Drop some of (N, C) features while training."""
        if self.ranks.size == 1 or not self.training:
            return super().forward(input)
        # A rank with fewer rows than another draws fewer; what both draw is the same.
        whole = input.new_ones(len(input) * self.ranks.size, *input.shape[1:])
        return input * self.ranks.share(F.dropout(whole, self.p))


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the whole batch, however many ranks share it.

    PyTorch's own SyncBatchNorm runs on GPUs alone.
    """

    ranks = ALONE

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if self.ranks.size == 1 or not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        with torch.no_grad():
            mean, variance, count = self._statistics(input.float())
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        parameters = self.weight, self.bias, self.eps
        return cast(Tensor, _Normalised.apply(input, mean, variance, count, *parameters))

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, variance and count of values of each channel, over all ranks: one message."""
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        rows = x.new_zeros(self.ranks.size, 1 + 2 * len(mean))
        rows[self.ranks.rank] = torch.cat([x.new_tensor([x.numel() / len(mean)]), mean, variance])
        dist.all_reduce(rows)
        counts, means, variances = rows.split([1, len(mean), len(mean)], dim=1)
        shares = counts / counts.sum()
        mean = (shares * means).sum(0)
        return mean, (shares * (variances + (means - mean).square())).sum(0), counts.sum()


class _Normalised(torch.autograd.Function):
    """Batch norm by statistics of all ranks, through which every rank's loss reaches every input.

    In whole kernels, as on one rank: written out in single operations, with twice the messages, it
    made a step a fifth longer. Source: docs/scaling.md.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(x, mean, variance, count, weight)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, count, weight = ctx.saved_tensors
        (gradient,), eps = gradients, ctx.eps
        _, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, eps, [False, True, True]
        )
        sums = torch.stack([for_weight, for_bias])
        dist.all_reduce(sums)
        deviation = (variance + eps).rsqrt()
        slope, shift = -weight * deviation / count * torch.stack([sums[0] * deviation, sums[1]])
        for_x = x * slope[:, None, None]
        for_x += (shift - slope * mean)[:, None, None]
        for_x = for_x.addcmul_(gradient.to(for_x.dtype), (weight * deviation)[:, None, None])
        return for_x.to(x.dtype), None, None, None, for_weight, for_bias, None
