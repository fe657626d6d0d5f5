"""A session: a bundle that is open and answers."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeemb.errors import InputError
from edgeemb.runtimes import answers, fillings, token_vectors
from edgeemb.runtimes.opened import OpenModel, Text
from edgeemb.tasks.answers import Class, Filling, Ranked, Span, Word
from edgeemb.tasks.interaction import max_sim
from edgeemb.tasks.registry import MULTI_VECTOR
from edgeemb.tasks.windows import LONGEST
from edgeemb.vectors.form import VectorForm


class Session(OpenModel):
    """An open bundle. Use it as a context manager, or call `close`.

    A session may be shared by threads. ONNX Runtime then runs in all of them at once; the engines of the other runtimes hold one model
    with one set of buffers, so their threads wait for each other: to run several at once, open the bundle once for each.

    :param path: the bundle's folder.
    :param manifest: its manifest.
    :param runtime: the runtime.
    :param engine: the model, loaded into it.
    """

    def similarity(
        self,
        left: ArrayLike,
        right: ArrayLike,
        *,
        stored_as: VectorForm | None = None,
    ) -> NDArray[np.float32]:
        """How similar each text of one side is to each of the other: as `vectors` says vectors are compared, or for a multi-vector model the sum of the
        largest dot product of each query vector (MaxSim).

        :param left: what `encode` gave for N texts, as codes or as floats; of a multi-vector model what `encode_tokens` gave for N queries.
        :param right: the same for M texts, or documents.
        :param stored_as: what the vectors of `right` are, where they may come from another bundle: its ``session.vectors``.
        :return: float32[N, M] in [-1, 1]; of a multi-vector model at most the vectors of the query.
        :raises InputError: if the bundle gives no vectors, a side is none of its vectors, or those of the other bundle are of another
            model, spec or dimension.
        """
        if self.task is MULTI_VECTOR:
            return max_sim(cast(Sequence[ArrayLike], left), cast(Sequence[ArrayLike], right))
        if self.vectors is None:
            gives = "raw outputs" if self.task is None else f"outputs for {self.task.title}"
            raise InputError(
                f"{self.path} gives {gives}, not one vector per text: there is nothing to compare"
            )
        if stored_as is not None:
            self.vectors.check_same(stored_as)
        return self.vectors.similarity(left, right)

    def encode_tokens(
        self, texts: Sequence[str], *, query: bool = False, prompt: str | None = None
    ) -> list[NDArray[np.float32]]:
        """A vector per token of each text, for a multi-vector model (ColBERT).

        Queries and documents are read as the model says (`edgeemb.bundle.manifest.LateInteraction`): with a prompt of their own, queries filled up to
        a length, and without the vectors of the tokens that it skips.

        :param texts: the texts.
        :param query: whether they are queries; if not, they are documents.
        :param prompt: name of one of the manifest's `prompts`; None for ``query`` or ``document`` where the model has these, or the default.
        :return: per text float32[tokens, D], special tokens included.
        :raises InputError: if the bundle is not one, or a text is empty.
        """
        answers.check_task(self, MULTI_VECTOR)
        return token_vectors.encode_tokens(self, texts, query=query, prompt=prompt)

    def weigh_tokens(
        self, texts: Sequence[str], top: int | None = None, *, prompt: str | None = None
    ) -> list[dict[str, float]]:
        """The weights of vocabulary tokens for each text, for a sparse model (SPLADE).

        :param texts: the texts.
        :param top: at most so many tokens a text; None for all with a weight above 0.
        :param prompt: as in `encode`.
        :return: per text the weights by token, the largest first.
        :raises InputError: if the bundle is not one, or a text is empty.
        """
        return answers.weigh_tokens(self, texts, top, prompt)

    def classify(self, texts: Sequence[Text]) -> list[list[Class]]:
        """The classes of each text, the most probable first, for a classifier.

        :param texts: the texts, or pairs of texts.
        :raises InputError: if the bundle is not one, or a text is empty.
        """
        return answers.classify(self, texts)

    def rank(self, query: str, texts: Sequence[str]) -> list[Ranked]:
        """Texts in the order in which they answer a query, the best first, for a cross-encoder or a multi-vector model.

        :param query: the query.
        :param texts: the texts.
        :raises InputError: if the bundle is not one, or a text is empty.
        """
        return answers.rank(self, query, texts)

    def label_words(self, texts: Sequence[str]) -> list[list[Word]]:
        """The words of each text with their labels, for token classification; `edgeemb.tasks.answers.parts` joins words of one entity.

        :param texts: the texts.
        :raises InputError: if the bundle is not for that, or a text is empty.
        """
        return answers.label_words(self, texts)

    def answer(
        self,
        question: str,
        text: str,
        top: int = 1,
        *,
        longest: int = LONGEST,
        overlap: int | None = None,
    ) -> list[Span]:
        """The parts of a text that answer a question, the best first, for question answering.

        A text that is too long for the model is read in windows (`edgeemb.tasks.windows`); the best answers of all of them are given.

        :param question: the question.
        :param text: where the answer is, of any length.
        :param top: answers, which do not overlap.
        :param longest: tokens of the longest answer.
        :param overlap: tokens that two windows share; None for 128, or half of what the model takes if that is less.
        :raises InputError: if the bundle is not for that, a text is empty, or the question leaves no room for the text.
        """
        return answers.answer(self, question, text, top, longest, overlap)

    def fill(self, texts: Sequence[str], top: int = 5) -> list[list[list[Filling]]]:
        """What masked places may hold, for a masked language model.

        :param texts: the texts, each with one mask token or more.
        :param top: tokens for each place.
        :return: per text and masked place the most probable tokens. Of a bundle that gives the best tokens alone, probabilities are among these.
        :raises InputError: if the bundle is not one, gives fewer tokens, a text is empty, or has no masked place.
        """
        return fillings.fill(self, texts, top)

    def next_tokens(self, texts: Sequence[str], top: int = 5) -> list[list[Filling]]:
        """The most probable tokens after each text, for a causal language model. Of a text that is too long, the end is read.

        :param texts: the texts.
        :param top: tokens for each text.
        :return: per text the most probable tokens, the best first. Of a bundle that gives the best tokens alone, probabilities are among these.
        :raises InputError: if the bundle is not one, gives fewer tokens, or a text is empty.
        """
        return fillings.next_tokens(self, texts, top)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
