"""Words for the place of the cursor, as a keyboard suggests them.

python examples/keyboard/suggest.py keyboard "the train is "        # the next word
python examples/keyboard/suggest.py keyboard "the train is la"      # the word that was begun
python examples/keyboard/suggest.py keyboard "the | is late"        # a word in the middle: | is the cursor
"""

from __future__ import annotations

from pathlib import Path

import click
from tokenizers import Tokenizer

import edgeemb

#: Tokens that are looked at for words which begin as the typed one does.
LOOKED_AT = 2000


def split(text: str) -> tuple[str, str, str]:
    """What stands before the cursor without the word that was begun, that word, and what stands after the cursor.

    :param text: the text; ``|`` is the cursor, by default at its end. The letters in front of it are a word that was begun.
    """
    before, _, after = text.partition("|")
    end = len(before)
    while end and before[end - 1].isalpha():
        end -= 1
    return before[:end], before[end:], after


def mask_of(session: edgeemb.Session) -> str:
    """The text that stands for a masked word.

    :param session: an open masked language model.
    """
    number = session.manifest.mask_id
    if number is None:
        raise click.ClickException(f"{session.path} has no mask token: export a masked language model")
    return str(Tokenizer.from_file(str(session.path / "tokenizer.json")).id_to_token(number))


def suggest(session: edgeemb.Session, text: str, count: int) -> list[tuple[str, float]]:
    """The most probable words at the cursor.

    :param session: an open masked language model.
    :param text: the text, see `split`.
    :param count: how many words.
    :return: words with their probabilities, of those that go on as they were begun.
    """
    before, word, after = split(text)
    ((found,),) = session.fill([f"{before} {mask_of(session)} {after}"], top=LOOKED_AT)
    words = ((one.token.strip(), one.score) for one in found)
    fitting = [(each, score) for each, score in words if each.isalpha() and each.startswith(word.lower())]
    return fitting[:count]


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("text")
@click.option("--count", type=click.IntRange(1), default=3, show_default=True, help="Words that are shown.")
def main(bundle: Path, text: str, count: int) -> None:
    """Suggest words at the cursor of TEXT: at the | in it, or at its end."""
    try:
        with edgeemb.open(bundle) as session:
            found = suggest(session, text, count)
    except edgeemb.EdgeembError as error:
        raise click.ClickException(str(error)) from None
    for word, score in found:
        click.echo(f"{score:.3f}  {word}")


if __name__ == "__main__":
    main()
