"""The packaged sentences on which every text model is compared with its original."""

from __future__ import annotations

from importlib.resources import files

from tokenizers import Tokenizer

#: Tokens for each letter of a sentence from which on a vocabulary merely spells a script out.
_SPELT = 0.8
#: How tokens for what a vocabulary does not know are written, where the model of the tokenizer does not say it.
_UNKNOWN = ("<unk>", "[UNK]")


def sentences() -> list[str]:
    """The sentences, in English, of several lengths."""
    return _lines("sentences.txt")


def script_sentences(tokenizer: Tokenizer) -> list[str]:
    """Sentences in the scripts other than Latin that a vocabulary has words or pieces of words for, none for one that only spells them out.

    :param tokenizer: the tokenizer, without padding.
    """
    named = getattr(tokenizer.model, "unk_token", None)
    unknown = {tokenizer.token_to_id(token) for token in (named, *_UNKNOWN) if token} - {None}
    texts = _lines("scripts.txt")
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [
        text
        for text, encoding in zip(texts, encodings, strict=True)
        if encoding.ids
        and unknown.isdisjoint(encoding.ids)
        and len(encoding.ids) < _SPELT * sum(character.isalpha() for character in text)
    ]


def _lines(name: str) -> list[str]:
    return files("edgeemb.text").joinpath(name).read_text("utf-8").splitlines()
