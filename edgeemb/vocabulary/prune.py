"""Shrinking a tokenizer.json to chosen tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.progress import Progress, silent
from edgeemb.text.corpus import count_parts, count_tokens, equal_counts, read_lines
from edgeemb.text.tokenizer import parse_tokenizer
from edgeemb.vocabulary.choose import Candidates, choose
from edgeemb.vocabulary.kind import Kind, read_kind
from edgeemb.vocabulary.references import renumbered
from edgeemb.vocabulary.report import Report, measure
from edgeemb.vocabulary.selection import Keep, Selection, Top


@dataclass(frozen=True)
class Pruned:
    """A tokenizer with fewer tokens.

    :param tokenizer_json: text of its tokenizer.json.
    :param kept: int64[V'], the old id of each new one: ``table[kept]`` is the table that belongs to it.
    :param report: what was lost.
    """

    tokenizer_json: str
    kept: NDArray[np.int64]
    report: Report

    def new_id(self, old: int) -> int:
        """The new id of a token that was kept, for example of the padding token.

        :param old: its old id.
        :raises InputError: if the token was dropped.
        """
        found = self.find(old)
        if found is None:
            raise InputError(
                f"token id {old} was dropped by {', '.join(self.report.selections)}; add it with list:"
            )
        return found

    def find(self, old: int) -> int | None:
        """The new id of a token, or None if it was dropped.

        :param old: its old id.
        """
        places = np.flatnonzero(self.kept == old)
        return int(places[0]) if places.size else None


def prune(
    tokenizer_json: str,
    selections: Sequence[Selection],
    *,
    table: NDArray[np.float32] | None = None,
    where: str = "tokenizer.json",
    progress: Progress = silent,
) -> Pruned:
    """Keep only the selected tokens and those that the tokenizer needs.

    Ids are renumbered without gaps in their old order. Text whose tokens were all kept is split into the same
    pieces as before.

    :param tokenizer_json: text of a tokenizer.json of kind WordPiece, BPE or Unigram.
    :param selections: what to keep; `edgeemb.vocabulary.choose` says how several combine.
    :param table: float32[V, D], the model's token table; with it, `top` prefers tokens that their pieces
        replace badly.
    :param where: what to call the tokenizer in an error.
    :param progress: told the number of corpus lines read, and 0 for a total that is not known.
    :raises InputError: if the tokenizer is of another kind or contradicts itself, or the selections cannot be
        met.
    :raises ModelError: if the text is not a tokenizer.json.
    """
    if not selections:
        raise InputError("no tokens to keep were named; give at least one selection")
    tokenizer = parse_tokenizer(tokenizer_json, where)
    document: dict[str, Any] = json.loads(tokenizer_json)
    kind = read_kind(document, where)
    ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    candidates = Candidates(kind, ids, _special(document, ids, where), table)
    if table is not None and len(table) <= max(ids.values()):
        highest = max(ids.values())
        raise InputError(
            f"{where} has token id {highest}, but the table has only {len(table)} rows; use the model's own tokenizer"
        )
    corpora = list(dict.fromkeys(each.corpus for each in selections if isinstance(each, Keep | Top)))
    before = {corpus: count_parts(tokenizer, corpus, progress=progress) for corpus in corpora}
    counts: dict[Selection, NDArray[np.float64]] = {
        each: equal_counts(parts) if isinstance(each, Top) else reduce(add, parts).ids.astype(np.float64)
        for each in selections
        if isinstance(each, Keep | Top)
        for parts in [before[each.corpus]]
    }
    tokens, always = choose(candidates, selections, counts)
    order = _order(kind, ids, tokens)
    text = json.dumps(_shrunk(document, kind, ids, order, where), ensure_ascii=False)
    smaller = parse_tokenizer(text, where)
    new = {token: place for place, token in enumerate(order)}
    if smaller.get_vocab(with_added_tokens=True) != new:
        raise InputError(
            f"{where}: its added tokens and its vocabulary contradict each other; save the tokenizer again"
        )
    kept = np.array([ids[token] for token in order], dtype=np.int64)
    usage = None
    if corpora:
        after = count_tokens(smaller, chain.from_iterable(map(read_lines, corpora)), progress=progress)
        whole = reduce(add, chain.from_iterable(before.values()))
        unknown = kind.unknown or ""
        usage = measure(whole, after, kept, ids.get(unknown), new.get(unknown))
    report = Report(tuple(map(str, selections)), len(ids), len(order), len(always), usage)
    return Pruned(text, kept, report)


def _special(document: dict[str, Any], ids: dict[str, int], where: str) -> frozenset[str]:
    special = {token["content"] for token in document.get("added_tokens") or ()}
    names = {number: token for token, number in ids.items()}

    def note(old: int, section: str) -> int:
        if old not in names:
            raise InputError(f"{where}: {section} names token id {old}, which no token has; correct the id")
        special.add(names[old])
        return old

    renumbered(document, note, where)
    return frozenset(special)


def _order(kind: Kind, ids: dict[str, int], tokens: set[str]) -> list[str]:
    # The tokenizers library numbers added tokens that the model lacks after the model's, whatever ids the
    # file gives them.
    return sorted(tokens, key=lambda token: (token not in kind.ids, ids[token]))


def _shrunk(
    document: dict[str, Any], kind: Kind, ids: dict[str, int], order: list[str], where: str
) -> dict[str, Any]:
    places = {ids[token]: place for place, token in enumerate(order)}
    result = renumbered(document, lambda old, section: places[old], where)
    result["model"] = kind.shrink([token for token in order if token in kind.ids])
    added = [{**token, "id": places[ids[token["content"]]]} for token in document.get("added_tokens") or ()]
    result["added_tokens"] = sorted(added, key=lambda token: int(token["id"]))
    return result
