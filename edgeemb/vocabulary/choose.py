"""Which tokens stay, given the selections.

Selections combine so that their order does not matter:

- `keep` and `top` choose what corpora use; without either, a script chooses from the whole vocabulary;
- `script` removes from that choice, and from the alphabet, what belongs to other scripts;
- `list` adds its tokens, of whatever script;
- `top` includes everything that is kept in its number of rows: what the other selections keep comes first, and
  the best tokens of its corpus fill the rest, as `edgeemb.vocabulary.fill` ranks them;
- special and added tokens, and whatever the tokenizer itself needs, are always kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeemb.errors import InputError
from edgeemb.text.corpus import numbered_lines
from edgeemb.vocabulary.fill import Rows, fill
from edgeemb.vocabulary.kind import Kind, with_parts
from edgeemb.vocabulary.scripts import scripts_of
from edgeemb.vocabulary.selection import Keep, Listed, Script, Selection, Top


@dataclass(frozen=True)
class Candidates:
    """What there is to choose from.

    :param kind: the tokenizer's model.
    :param ids: id of each token, the added ones included.
    :param special: tokens that no selection drops: special, added, or named by the post-processor or the
        padding.
    :param table: float32[V, D], the rows of the tokens, if `top` may compare them.
    """

    kind: Kind
    ids: Mapping[str, int]
    special: frozenset[str]
    table: NDArray[np.float32] | None = None


def choose(
    candidates: Candidates, selections: Sequence[Selection], counts: Mapping[Selection, NDArray[np.float64]]
) -> tuple[set[str], set[str]]:
    """Apply the selections.

    :param candidates: the tokens.
    :param selections: at least one.
    :param counts: for each selection with a corpus: float64[V], occurrences of each id; for `top` the parts of the corpus count equally.
    :return: the tokens that stay, and those among them that no selection could have dropped.
    :raises InputError: if a selection keeps nothing, contradicts another, asks for too few rows or lists something that
        is not a token.
    """
    kind = candidates.kind
    names = {name for selection in selections if isinstance(selection, Script) for name in selection.names}
    allowed = _of_scripts(candidates, names)
    always = with_parts(kind, candidates.special | kind.needed() | (kind.alphabet() & allowed))
    chosen: set[str] = set()
    for selection in selections:
        if isinstance(selection, Keep):
            chosen |= _kept(candidates, selection, counts[selection], allowed)
        elif isinstance(selection, Listed):
            chosen |= _listed(candidates, selection)
    tops = [selection for selection in selections if isinstance(selection, Top)]
    if names and not tops and not any(isinstance(selection, Keep) for selection in selections):
        chosen |= allowed
    kept = always | with_parts(kind, chosen)
    if len(tops) > 1:
        raise InputError(
            f"'{tops[0]}' and '{tops[1]}': only one top can set the rows; put both corpora in one folder"
        )
    if tops:
        kept = _filled(candidates, tops[0], counts[tops[0]], allowed, kept)
    return kept, always


def _of_scripts(candidates: Candidates, names: set[str]) -> set[str]:
    if not names:
        return set(candidates.ids)
    allowed: set[str] = set()
    found: set[str] = set()
    for token in candidates.ids.keys() - candidates.special:
        text = candidates.kind.surface(token)
        if text is not None:
            scripts = scripts_of(text)
            found |= scripts
            if scripts <= names:
                allowed.add(token)
    missing = sorted(names - found)
    if missing:
        raise InputError(
            f"script:{missing[0]}: no token is of that script; this tokenizer has {', '.join(sorted(found)) or 'none'}"
        )
    return allowed


def _kept(
    candidates: Candidates, selection: Keep, counts: NDArray[np.float64], allowed: set[str]
) -> set[str]:
    frequent = {token for token, at in candidates.ids.items() if counts[at] >= selection.minimum}
    frequent -= candidates.special
    if not frequent:
        most = int(counts.max(initial=0))
        raise InputError(
            f"'{selection}' keeps nothing: no token occurs {selection.minimum} times (at most {most})"
        )
    if not frequent & allowed:
        raise InputError(
            f"'{selection}' keeps nothing: all its tokens are of other scripts than those selected"
        )
    return frequent & allowed


def _listed(candidates: Candidates, selection: Listed) -> set[str]:
    tokens: set[str] = set()
    for number, token in numbered_lines(selection.path):
        if token not in candidates.ids:
            raise InputError(
                f"{selection.path} line {number}: '{token[:80]}' is not a token of this tokenizer; write tokens as "
                f"tokenizer.json spells them, or choose words with keep:"
            )
        tokens.add(token)
    if not tokens:
        raise InputError(f"'{selection}' keeps nothing: the file lists no token")
    return tokens


def _filled(
    candidates: Candidates, top: Top, counts: NDArray[np.float64], allowed: set[str], fixed: set[str]
) -> set[str]:
    if top.rows < len(fixed):
        raise InputError(
            f"'{top}': {len(fixed)} tokens are always kept (special tokens, characters, what other selections "
            f"keep); ask for at least {len(fixed)} rows, or drop characters with script:"
        )
    found = {
        token: float(counts[candidates.ids[token]]) for token in allowed if counts[candidates.ids[token]]
    }
    if not found:
        raise InputError(f"'{top}' keeps nothing: the corpus has no token that may be chosen")
    distances = Rows(candidates.ids, candidates.table)
    return fill(candidates.kind, found, candidates.ids, fixed, top.rows, distances)
