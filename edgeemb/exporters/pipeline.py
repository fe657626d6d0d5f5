"""The steps of an export: choose, fit, write, check, describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeemb.body.spec import Bodies, BodyRequest, parse_body, read_bodies
from edgeemb.bundle.manifest import COMPILED_TOKENIZER, GOLDEN, MANIFEST, TOKENIZER
from edgeemb.bundle.reading import file_entry
from edgeemb.bundle.writing import atomic_folder
from edgeemb.errors import ModelError, SpecError
from edgeemb.exporters.choice import Choice, check_head, check_layers, choose, suited, usual_head
from edgeemb.exporters.describe import complete, describe
from edgeemb.exporters.floor import check_floor
from edgeemb.exporters.kits import Kit, write_kit
from edgeemb.exporters.kits.android.archive import check_aar
from edgeemb.exporters.libraries import add_libraries
from edgeemb.exporters.parity import compare, golden_text
from edgeemb.exporters.tokenizer import write_tokenizer
from edgeemb.exporters.writers import writer_for
from edgeemb.exporters.writing import Writing
from edgeemb.models.base import LoadedModel
from edgeemb.models.loading import load
from edgeemb.models.shrinking.best import with_head
from edgeemb.models.shrinking.depth import make_shallow
from edgeemb.models.shrinking.tables import choose_specs
from edgeemb.models.shrinking.vectors import make_small
from edgeemb.models.shrinking.vocabulary import prune_model
from edgeemb.planner.planning import plan
from edgeemb.progress import Steps
from edgeemb.runtimes import OpenOptions, open_folder
from edgeemb.runtimes.registry import RUNTIMES
from edgeemb.runtimes.session import Session
from edgeemb.tables.goal import Goal, read_goal
from edgeemb.tables.request import TableRequest
from edgeemb.tables.top import parse_head
from edgeemb.vectors.registry import parse_vectors
from edgeemb.vocabulary import parse_vocab


@dataclass(frozen=True)
class Options:
    """What the user asked for; see `edgeemb.exporters.export`."""

    target: str | None
    table: TableRequest
    runtime: str | None
    ops: str | None
    body: Bodies | None
    goal: str | None
    layers: int | None
    vectors: str | None
    head: str | None
    vocab: tuple[str, ...]
    corpus: Path | None
    calibrate: Path | None
    lengths: tuple[int, ...]
    tables_apart: bool
    aar: bool
    force: bool
    as_zip: bool
    unchecked: bool
    seed: int
    command: str
    load: Mapping[str, Any]


def run(source: LoadedModel | Any, out: Path | None, options: Options, progress: Steps) -> Path:
    """Export a model; the arguments are those of `edgeemb.exporters.export`.

    :return: the path of the bundle.
    """
    bodies, goal = read_bodies(options.body), None
    if options.goal is not None:
        goal, bodies = share_goal(options.goal, options.table, bodies)
    body = None if bodies.default is None else bodies.default.precision
    choice = choose(options.target, options.runtime, body, options.ops)
    writer_for(choice.runtime)
    if options.aar:
        check_aar(choice.target)
    selections = [parse_vocab(text) for text in options.vocab]
    wanted = None if options.vectors is None else parse_vectors(options.vectors)
    head = None if options.head is None else parse_head(options.head)
    progress("load", 0, 0)
    original = source if isinstance(source, LoadedModel) else load(source, **options.load)
    choice = suited(choice, original, runtime_asked=options.runtime is not None, body_asked=body is not None)
    runtime = choice.runtime
    check_layers(bodies, choice)
    if options.tables_apart and not runtime.tables_apart:
        apart = next(name for name, other in RUNTIMES.items() if other.tables_apart)
        raise SpecError(
            f'{runtime.title} models cannot store their tables apart: `tables_apart` is for runtime="{apart}"'
        )
    if head is not None:
        check_head(head, choice)
    remarks = list[str]()
    if options.layers is not None:
        original, remark = make_shallow(original, options.layers)
        remarks.append(remark)
    vectors = None
    if wanted is not None:
        progress("vectors", 0, 0)
        small = make_small(original, wanted, options.calibrate, options.seed)
        original, vectors = small.model, small.entry
    model, vocabulary = original, None
    if selections:
        model, vocabulary = prune_model(
            original, selections, lambda done, total: progress("prune", done, total)
        )
    head = head or usual_head(model, runtime)
    answering = model if head is None else with_head(model, head)
    place = out or Path(f"{model.name}-{choice.target.name}{'.zip' if options.as_zip else ''}")
    chosen = choose_specs(model, options.table, choice.target.table)
    writing = Writing(
        model,
        choice,
        chosen,
        bodies,
        vectors,
        head,
        options.lengths,
        options.tables_apart,
        options.corpus,
        options.calibrate,
        options.seed,
        progress,
    )
    with atomic_folder(place, force=options.force, as_zip=options.as_zip) as folder:
        planned = None
        if goal is not None:
            made, share = writing.write_for(goal, folder, table_asked=options.table.bare is not None)
            planned = share.table
        elif options.table.goal is not None:
            planned = plan(
                model,
                options.table.goal,
                table=options.table.planned,
                corpus=options.corpus,
                seed=options.seed,
                progress=lambda done, total: progress("plan", done, total),
            )
        if goal is None:
            made = writing.write(folder, planned)
        tables, written = made.tables, made.written
        said = (note for alias, note in chosen.notes.items() if alias not in written.left)
        written = replace(written, notes=(*remarks, *choice.notes, *said, *written.notes))
        notes = write_tokenizer(model, folder)
        written = replace(written, notes=(*written.notes, *notes))
        if choice.ops == "custom" and not runtime.compiles_lookups:
            add_libraries(choice, folder)
        progress("check", 0, 0)
        manifest = describe(answering, tables, written, choice, options.command)
        # Texts are read as on a device, by the compiled tokenizer.
        listed = {
            name: file_entry(folder / name)
            for name in (TOKENIZER, COMPILED_TOKENIZER)
            if (folder / name).is_file()
        }
        manifest = replace(manifest, recipe=made.recipe, vectors=vectors, files=listed)
        # The code was written a moment ago.
        with open_folder(folder, manifest, OpenOptions(allow_code=True)) as session:
            counterpart = _counterpart(original, model) if head is None else answering
            parity, golden = _compared(counterpart, session, options.unchecked)
            losses = (
                check_floor(answering, tables, session, choice, parity, folder, written.heads)
                if parity
                else ()
            )
        (folder / GOLDEN).write_text(golden_text(golden), "utf-8")
        kit = _add_kit(choice, Kit(model.tokenizer_json, manifest, golden, folder, options.aar))
        manifest = complete(manifest, folder, parity, written, (*losses, *kit))
        if vocabulary is not None:
            manifest = replace(manifest, vocabulary=vocabulary.to_json())
        if planned is not None:
            manifest = replace(manifest, plan=planned.to_json())
        (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return place


def share_goal(text: str, tables: TableRequest, bodies: BodyRequest) -> tuple[Goal, BodyRequest]:
    """What table and body are to reach together, and the bodies with a plan of those layers that no spec was given for.

    :param text: ``budget=14MB`` or ``cosine=.99``.
    :param tables: specs of tables.
    :param bodies: specs of layers.
    :raises SpecError: if it does not parse, or leaves nothing to plan.
    """
    goal = read_goal(text)
    if tables.goal is not None or bodies.goal is not None:
        raise SpecError(f"goal '{text}' plans table and body together: leave auto out, or goal")
    if bodies.default is None:
        return goal, replace(bodies, default=parse_body("int8"), goal=goal)
    if tables.bare is not None:
        raise SpecError(
            f"goal '{text}' has nothing to choose: leave the spec of the table or that of the body out"
        )
    return goal, bodies


def _counterpart(original: LoadedModel, model: LoadedModel) -> LoadedModel:
    """What an export is compared with: the original, or, where outputs have a row or a column for each token, the model with its tokens.

    :param original: the model as it came.
    :param model: the model that was written.
    """
    task = original.task
    return model if task is not None and (task.per_token or task.per_vocabulary) else original


def _compared(
    original: LoadedModel, session: Session, unchecked: bool
) -> tuple[dict[str, float], dict[str, Any]]:
    """Parity and golden vectors; neither if the original runs on no input and that was allowed."""
    if unchecked and not original.takes_text:
        try:
            original.examples()
        except ModelError:
            return {}, {}
    return compare(original, session)


def _add_kit(choice: Choice, kit: Kit) -> tuple[str, ...]:
    return () if choice.target.kit is None else write_kit(choice.target.kit, kit)
