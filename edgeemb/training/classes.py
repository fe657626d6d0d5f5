"""The task of a classifier head: labelled texts, the whole model trained end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgeemb.errors import InputError
from edgeemb.models.huggingface.modules import SequenceClassifier
from edgeemb.text.pairs import LabelledTexts
from edgeemb.training.encode import batch_of
from edgeemb.training.texts import Ids

#: Part of the probability that goes to the other classes: keeps logits small, which quantised heads like.
_SMOOTHING = 0.1
#: One labelled text out of this many is held out.
_HELD_ONE_OF = 10
_HELD_BATCH = 128


@dataclass(frozen=True)
class Labels:
    """Labelled texts as numbers.

    :param names: the labels, sorted.
    :param numbers: int64[n], the label of each text.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int64]


def number_labels(train: LabelledTexts, where: object) -> Labels:
    """The labels of training texts.

    :param train: the texts.
    :param where: their file, for the message.
    :raises InputError: if there is only one label.
    """
    names = tuple(sorted(set(train.labels)))
    if len(names) < 2:
        raise InputError(f"{where}: the label of every text is {names[0]!r}: a classifier needs two or more")
    place = {name: number for number, name in enumerate(names)}
    return Labels(names, np.array([place[label] for label in train.labels], np.int64))


def check_known(test: LabelledTexts, names: Sequence[str], where: object) -> NDArray[np.int64]:
    """The labels of test texts as numbers.

    :param test: the texts.
    :param names: the labels that were trained.
    :param where: the file of the test texts, for the message.
    :raises InputError: if one has a label that no training text has.
    """
    place = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(test.labels) - set(place))
    if unknown:
        raise InputError(
            f"{where}: the label {unknown[0]!r} is in no training text ({len(unknown)} such labels): "
            "train with it, or remove its lines"
        )
    return np.array([place[label] for label in test.labels], np.int64)


class Logits(nn.Module):
    """A classifier, and what turns ids into rows before it if it has no word table of its own.

    :param classifier: the classifier.
    :param rows: makes rows of ids, or None.
    """

    def __init__(self, classifier: SequenceClassifier, rows: nn.Module | None = None) -> None:
        super().__init__()
        self.classifier = classifier
        self.rows = rows

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """:param ids: int64[batch, length]. :param mask: int64[batch, length]. :return: float[batch, classes]."""
        logits: Tensor = self.classifier(ids if self.rows is None else self.rows(ids), mask)
        return logits


class Classification:
    """A `edgeemb.training.loop.task.Task`: the labels of texts.

    :param module: what learns.
    :param texts: ids of each text.
    :param numbers: int64[n], the label of each.
    :param seed: decides which texts are held out.
    :param device: where the tensors live; the module is moved there.
    :param half: multiply matrices in bfloat16.
    """

    def __init__(
        self,
        module: Logits,
        texts: Sequence[Ids],
        numbers: NDArray[np.int64],
        seed: int,
        device: torch.device,
        half: bool,
    ) -> None:
        self.module: nn.Module = module.to(device)
        self.device, self.half = device, half
        order = np.random.default_rng(seed).permutation(len(texts))
        held = max(2, len(texts) // _HELD_ONE_OF)
        self._held, self._learnt = order[:held], order[held:]
        self._texts, self._numbers = texts, numbers
        self.lengths = np.array([len(texts[place]) for place in self._learnt], np.int64)

    def loss(self, forward: Callable[..., Any], index: NDArray[np.int64]) -> Tensor:
        """Cross entropy with a little of the probability spread over all classes.

        :param forward: stands for `module`.
        :param index: places of the texts.
        """
        places = self._learnt[index]
        self.module.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = forward(*batch_of([self._texts[place] for place in places], self.device))
        wanted = torch.from_numpy(self._numbers[places]).to(self.device)
        return functional.cross_entropy(logits.float(), wanted, label_smoothing=_SMOOTHING)

    def score(self) -> float:
        """Held-out texts with the right label, in percent."""
        return self.accuracy([self._texts[place] for place in self._held], self._numbers[self._held])

    def accuracy(self, texts: Sequence[Ids], numbers: NDArray[np.int64]) -> float:
        """Texts with the right label, in percent; NaN if a logit is NaN.

        :param texts: ids of each text.
        :param numbers: int64[n], the label of each.
        """
        self.module.eval()
        right = 0
        with torch.no_grad():
            for low in range(0, len(texts), _HELD_BATCH):
                logits = self.module(*batch_of(texts[low : low + _HELD_BATCH], self.device)).float()
                if not torch.isfinite(logits).all():
                    return float("nan")
                right += int((logits.argmax(dim=1).cpu().numpy() == numbers[low : low + _HELD_BATCH]).sum())
        return 100 * right / len(texts)
