"""A sentence encoder split up for training: batches in, sentence vectors and the states of the layers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeemb.errors import SpecError
from edgeemb.models.huggingface.modules import SentenceEncoder, body_inputs
from edgeemb.text.feeds import pad


class Shallow(NamedTuple):
    """What the first layers of a sentence encoder alone make of a batch.

    :param vectors: float32[batch, dim], the sentence vectors.
    :param last: float[batch, length, hidden], the last states.
    """

    vectors: Tensor
    last: Tensor


class Encoded(NamedTuple):
    """What a sentence encoder makes of a batch.

    :param vectors: float32[batch, dim], the sentence vectors.
    :param states: float[batch, length, hidden] after the embeddings and after every layer.
    :param shallow: the same for each depth that was asked for.
    """

    vectors: Tensor
    states: tuple[Tensor, ...]
    shallow: tuple[Shallow, ...] = ()


class States(nn.Module):
    """A sentence encoder that also gives its token states.

    :param encoder: the encoder.
    :param rows: what turns ids into rows before the encoder, if it has no word table of its own.
    :param depths: numbers of first layers; what they give alone is given too.
    :param closing: path in the encoder's body of what makes the last states of the last layer's; empty where these are the same.
    """

    def __init__(
        self,
        encoder: SentenceEncoder,
        rows: nn.Module | None = None,
        depths: Sequence[int] = (),
        closing: str = "",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.rows = rows
        self.depths = tuple(depths)
        self._closing = closing

    def forward(self, ids: Tensor, mask: Tensor) -> Encoded:
        """Encode a batch.

        :param ids: int64[batch, length].
        :param mask: int64[batch, length], 1 for a token and 0 for padding.
        """
        encoder = self.encoder
        weights = mask.to(torch.float32)
        inputs = body_inputs(
            ids if self.rows is None else self.rows(ids),
            weights,
            encoder.takes_types,
            added_mask=encoder.added_mask,
        )
        output = encoder.body(**inputs, output_hidden_states=True)
        shallow = [output.hidden_states[count] for count in self.depths]
        if self._closing:
            shallow = [encoder.body.get_submodule(self._closing)(states) for states in shallow]
        with torch.autocast(ids.device.type, enabled=False):
            vectors, *others = (
                encoder.head(encoder.pooling(states.float(), weights))
                for states in (output.last_hidden_state, *shallow)
            )
        return Encoded(vectors, output.hidden_states, tuple(map(Shallow, others, shallow)))


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 faster than of float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def in_half(precision: str, device: torch.device) -> bool:
    """Whether to multiply matrices in bfloat16.

    :param precision: one of `edgeemb.training.settings.Precision`.
    :param device: where.
    """
    return precision == "bf16" or (precision == "auto" and multiplies_bf16(device))


def find_device(name: str) -> torch.device:
    """The device of that name.

    :raises SpecError: if there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SpecError(f"torch_device '{name}' is not known: use cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise SpecError(f"torch_device '{name}' is not supported: use cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SpecError(
            f"torch_device '{name}' is not available: PyTorch sees {torch.cuda.device_count()} GPUs, use cpu"
        )
    return device


def batch_of(rows: Sequence[NDArray[np.int32]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask of a batch on a device.

    :param rows: ids of each text.
    :param device: where to.
    :return: ids int64[batch, length] and mask int64[batch, length].
    """
    ids, mask = pad([row.tolist() for row in rows])
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
