"""Search notes by meaning.

edgeemb export all-MiniLM-L6-v2 --table int4:block=32 --vectors binary -o minilm
python examples/notes/notes.py index minilm ~/notes notes.index
python examples/notes/notes.py search minilm notes.index "why is the heating cold"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import nearest
import passages

import edgeemb

PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def nearest_path(index: Path) -> Path:
    """Where the index of usearch lies, if there is one.

    :param index: the index of the notes.
    """
    return index.with_name(f"{index.name}.usearch")


@contextmanager
def errors() -> Iterator[None]:
    """Errors as one line."""
    try:
        yield
    except (ValueError, OSError, edgeemb.EdgeembError) as error:
        raise click.ClickException(str(error)) from None


@click.group(help=__doc__.splitlines()[0] if __doc__ else None)
def main() -> None: ...


@main.command("index")
@click.argument("bundle", type=PATH)
@click.argument("notes", type=FOLDER)
@click.argument("index", type=PATH)
@click.option("--nearest", "with_nearest", is_flag=True, help="Write an index of usearch, too.")
def index_notes(bundle: Path, notes: Path, index: Path, with_nearest: bool) -> None:
    """Index the .txt and .md files below NOTES in the file INDEX; later only what has changed."""
    with errors(), edgeemb.open(bundle) as session:
        old = passages.read_index(index) if index.exists() else None
        found, read = passages.build(session, passages.read_notes(notes), old)
        # The one of before is wrong from here on.
        nearest_path(index).unlink(missing_ok=True)
        passages.write_index(found, index)
        if with_nearest:
            nearest.build(found.form, found.vectors, nearest_path(index))
        click.echo(
            f"{len(found.passages)} passages, {read} of them new; {found.form.nbytes} bytes a vector ({found.form.spec}), "
            f"{index.stat().st_size} bytes in all"
        )


@main.command("search")
@click.argument("bundle", type=PATH)
@click.argument("index", type=FILE)
@click.argument("query")
@click.option(
    "--count", type=click.IntRange(1), default=3, show_default=True, help="Passages that are shown."
)
@click.option(
    "--reread",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Best passages that the model reads again.",
)
def search_notes(bundle: Path, index: Path, query: str, count: int, reread: int) -> None:
    """Show the passages of INDEX that are nearest to QUERY."""
    with errors(), edgeemb.open(bundle) as session:
        found = passages.read_index(index)
        if nearest_path(index).exists():
            found.form.check_same(passages.form_of(session))
            places = nearest.candidates(
                found.form,
                nearest_path(index),
                len(found.passages),
                session.encode([query])[0],
                max(count, reread, passages.CANDIDATES),
            )
            best = passages.rank(session, found, query, places, count, reread)
        else:
            best = passages.search(session, found, query, count, reread)
        for passage, score in best:
            click.echo(f"{score:.3f}  {passage.note}:{passage.line}  {passage.text}")


if __name__ == "__main__":
    main()
