"""What every writer receives and returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeemb.body.grids import Grids
from edgeemb.bundle.manifest import VectorsEntry
from edgeemb.errors import ExportError
from edgeemb.exporters.targets import Target
from edgeemb.runtimes.runtime import Runtime
from edgeemb.tables import Table
from edgeemb.tables.head import why_no_head
from edgeemb.tables.top import HeadSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeemb.models.base import LoadedModel
    from edgeemb.models.torch.model import Model


@dataclass(frozen=True)
class Request:
    """What to write.

    :param loaded: the loaded model.
    :param tables: compressed tables by alias; a table of the model that is missing here stays as it is.
    :param body: precision of everything else, a key of `edgeemb.body.precision.PRECISIONS`.
    :param ops: ``builtin`` or ``custom``.
    :param lengths: sequence lengths for runtimes with fixed shapes; empty for the writer's default.
    :param target: what the export aims at.
    :param tables_apart: put the tables into a separate file, if the format supports it.
    :param named: tables that a spec was asked for by name: they are compressed, or the export fails.
    :param meant: tables that a spec without a name was asked for: one of them is compressed, or the export fails.
    :param kept: tables that were asked to stay as they are, whatever the body becomes.
    :param grids: the grids that matrices of the body lie on; a matrix that is missing there gets the default of the precision.
    :param vectors: how vectors are stored; None where they stay as the model gives them.
    :param head: what the output layer gives, where it is not all logits.
    """

    loaded: LoadedModel
    tables: Mapping[str, Table]
    body: str
    ops: str
    lengths: tuple[int, ...]
    target: Target
    tables_apart: bool = False
    named: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    grids: Grids = field(default_factory=Grids)
    vectors: VectorsEntry | None = None
    head: HeadSpec | None = None

    @property
    def model(self) -> Model:
        """The model as a torch module, whose `module` holds the original weights.

        :raises ModelError: if it cannot be one.
        """
        return self.loaded.torch_model()


@dataclass(frozen=True)
class Written:
    """What was written.

    :param opset: version of the format's op set.
    :param lengths: sequence lengths that have their own signature; empty if the length is free.
    :param notes: remarks for the user, such as tables that were not changed.
    :param max_length: tokens of the longest text, where the format takes fewer than the model; 0 for as many.
    :param sizes: bytes by part that replace what the sizes of the files say, where those are sources.
    :param inputs: names of the inputs that the format takes, where it takes fewer than the model; empty for all.
    :param left: tables of the request that stay as they are, because the format cannot replace them: see `left_alone`.
    :param stored: bytes of a table in the files, by alias, where the format keeps it otherwise than the codec does; 0 where only rows that
        were computed from it are left, as part of the body.
    :param heads: tables that an output layer shares: what is compressed serves both.
    """

    opset: int
    lengths: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    max_length: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    stored: Mapping[str, int] = field(default_factory=dict)
    heads: tuple[str, ...] = ()


#: Why a table stays as it is that a layer reads which can only take it in float: a compressed one would be stored besides.
USED_WHOLE = "another layer uses all of it, and not as an output layer"

Writer = Callable[[Request, Path], Written]


def headless(tables: Mapping[str, Table], tied: Collection[str]) -> dict[str, str]:
    """Tables that stay as they are, since an output layer uses them too and cannot be computed from what the compressed table stores.

    Compressing such a table would store it twice.

    :param tables: compressed tables by alias.
    :param tied: tables that an output layer uses.
    :return: the reasons by alias.
    """
    reasons = {alias: why_no_head(tables[alias]) for alias in tied if alias in tables}
    return {
        alias: f"it is also the output layer, which {tables[alias].spec} cannot be: {reason}"
        for alias, reason in reasons.items()
        if reason
    }


def memory_note(alias: str, table: Table) -> str:
    """What is said of an output layer that unpacks the whole table for each call.

    :param alias: the table.
    :param table: what is stored of it.
    """
    rows, dim = table.shape
    return f"the output layer reads table {alias}, and unpacks it for each call: {4e-6 * rows * dim:.2g} MB of memory"


def left_alone(request: Request, reasons: Mapping[str, str]) -> list[str]:
    """Remarks on tables that a format cannot replace: they stay as they are, unless that goes against what was asked for.

    :param request: what is to be written.
    :param reasons: why each of them cannot be replaced, by alias.
    :raises ExportError: if a spec was asked for such a table by name, or one without a name would reach no table.
    """
    refused = [alias for alias in reasons if alias in request.named]
    if request.meant and request.meant <= reasons.keys():
        refused += request.meant
    if refused:
        alias = min(refused)
        raise ExportError(
            f"table {alias} cannot be compressed here: {reasons[alias]}; keep it (`table` {alias}=keep), or choose another `runtime`"
        )
    return [f"table {alias} stays as it is: {reason}" for alias, reason in reasons.items()]


def writer_for(runtime: Runtime) -> Writer:
    """The writer of a runtime's format.

    :param runtime: the runtime.
    :raises ExportError: if what it needs is not installed.
    """
    try:
        write: Writer = runtime.resolve(runtime.writes)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"writing for {runtime.title} needs the package '{error.name}': pip install 'edgeemb[{runtime.export_extra}]'"
        ) from None
    return write


def twins(model: LoadedModel, tables: Mapping[str, Table]) -> dict[str, str]:
    """Tables that hold the same rows as one before them: converters make one constant of such tables.

    :param model: the model that is written.
    :param tables: its compressed tables by alias.
    :return: by alias the table before it.
    :raises ExportError: if the two are to be stored in different ways.
    """
    first: dict[tuple[int, int, int], str] = {}
    found = {}
    shapes = Counter((model.table(alias).rows, model.table(alias).dim) for alias in tables)
    for alias, table in tables.items():
        info = model.table(alias)
        if shapes[info.rows, info.dim] < 2:
            continue
        key = (info.rows, info.dim, hash(model.table_weight(alias).tobytes()))
        other = first.setdefault(key, alias)
        if other == alias:
            continue
        if tables[other].spec != table.spec:
            raise ExportError(
                f"tables {other} and {alias} hold the same rows, and the converter stores them once: give both the same spec"
            )
        found[alias] = other
    return found


def twin_note(alias: str, other: str) -> str:
    """What is said of a table that another serves.

    :param alias: the table.
    :param other: what `twins` gives for it.
    """
    return f"table {alias} holds the same rows as table {other}, so they are stored once"


@dataclass(frozen=True)
class Apart:
    """An export that differs too much from its original.

    :param model: the original, with the rows that the export's tables give.
    :param tables: those tables by alias.
    :param body: precision of everything else.
    :param feeds: inputs that both take.
    :param floor: the agreement below which outputs differ.
    :param folder: the export.
    """

    model: LoadedModel
    tables: Mapping[str, Table]
    body: str
    feeds: Mapping[str, NDArray[Any]]
    floor: float
    folder: Path


#: Finds the first table or layer where an export differs from its original, and names it in words; None if it finds none.
Locator = Callable[[Apart], "str | None"]


def locator_for(runtime: Runtime) -> Locator | None:
    """How to find where an export first differs from its original, if the format's writer supports it: `locate` next to its `write`.

    :param runtime: the runtime.
    """
    found: Locator | None = getattr(import_module(runtime.writes.partition(":")[0]), "locate", None)
    return found
