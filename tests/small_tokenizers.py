"""Small real tokenizers of every kind, trained on the prose of Python's own documentation and some other languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOREIGN = [
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "いろはにほへと ちりぬるを わかよたれそ つねならむ",
]

_LINES = [line.strip() for name in sorted(topics) for line in topics[name].splitlines() if line.strip()]

#: What the tokenizers are trained on: about 3000 lines.
TRAINING = [*_LINES[:3000], *FOREIGN * 3]

#: Lines that they were not trained on.
UNSEEN = [line for line in _LINES[3000:6000:10] if line not in set(TRAINING)]

SIZE = 1200


def _train(tokenizer: Tokenizer, trainer: object) -> Tokenizer:
    tokenizer.train_from_iterator(TRAINING, trainer)
    return tokenizer


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    _train(
        tokenizer, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=specials, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _bpe_bytes() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    _train(tokenizer, trainer)
    tokenizer.add_special_tokens(["<mask>"])
    ends = {name: (name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")}
    tokenizer.post_processor = processors.RobertaProcessing(ends["</s>"], ends["<s>"])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bpe_pieces() -> Tokenizer:
    # As SentencePiece's BPE: a mark for spaces, and bytes for characters that the vocabulary lacks.
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern="▁", behavior="merged_with_next")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE + 256, special_tokens=specials, limit_alphabet=60, show_progress=False
    )
    _train(tokenizer, trainer)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.BertProcessing(("</s>", 2), ("<s>", 1)),
            processors.ByteLevel(trim_offsets=False),
        ]
    )
    return tokenizer


def _bpe_words() -> Tokenizer:
    # As CLIP's: the last symbol of a word is marked.
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    return _train(tokenizer, trainer)


def _bpe_continuations() -> Tokenizer:
    # Symbols within a word are marked, as in WordPiece.
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=["<unk>"], continuing_subword_prefix="##", show_progress=False
    )
    return _train(tokenizer, trainer)


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    _train(tokenizer, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    tokenizer.add_special_tokens([f"<extra_id_{at}>" for at in range(3)])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


_MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": _wordpiece,
    "bpe of bytes": _bpe_bytes,
    "bpe of pieces": _bpe_pieces,
    "bpe of words": _bpe_words,
    "bpe of continuations": _bpe_continuations,
    "unigram": _unigram,
}

KINDS = tuple(_MAKERS)


@cache
def tokenizer_json(kind: str) -> str:
    """Text of the tokenizer.json of a kind.

    :param kind: one of `KINDS`.
    """
    return str(_MAKERS[kind]().to_str())


def load(text: str) -> Tokenizer:
    """A tokenizer without truncation and padding.

    :param text: of its tokenizer.json.
    """
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
