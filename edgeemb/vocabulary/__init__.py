"""Choosing a model's tokens, and shrinking its tokenizer and its tables to them.

    selections = [parse_vocab("keep:corpus.txt,min=2"), parse_vocab("script:latin")]
    pruned = prune(tokenizer_json, selections)
    table = table[pruned.kept]                    # float32[V', D] that belongs to pruned.tokenizer_json

Text whose tokens were all kept is split into the same pieces as before; docs/vocabulary.md says why, for each
kind of tokenizer.
"""

from edgeemb.vocabulary.prune import Pruned, prune
from edgeemb.vocabulary.report import Report
from edgeemb.vocabulary.selection import GRAMMAR, Keep, Listed, Script, Selection, Top, parse_vocab
from edgeemb.vocabulary.shrink import shrink_arrays, vocabulary_arrays

__all__ = [
    "GRAMMAR",
    "Keep",
    "Listed",
    "Pruned",
    "Report",
    "Script",
    "Selection",
    "Top",
    "parse_vocab",
    "prune",
    "shrink_arrays",
    "vocabulary_arrays",
]
