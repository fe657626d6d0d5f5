"""Portable bodies of the fused lookup ops, as ONNX model-local functions of domain `edgeemb`.

A runtime without our library inlines the body and needs nothing but standard ops of opset 18; a runtime that has the library registered
runs the native kernel instead. ONNX identifies a function by domain and name alone (overloads need IR 10), so the bit width is part of
the op's name: ``QuantizedLookup4`` is ``QuantizedLookup`` at 4 bits, and ``NgramLookup3`` is ``NgramLookup`` with n-grams of up to 3 bytes.

The bodies never dequantise a table: they gather packed rows and scales, then unpack. `DequantizeLinear` subtracts and multiplies in one
pass; at 1 and 2 bits, whose zero points are not integers, codes are doubled and scales halved, which is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnx.parser
from onnx import helper

from edgeemb.exporters.onnx import linear
from edgeemb.exporters.onnx import ngrams as onnx_ngrams
from edgeemb.exporters.onnx.products import CONTRIB
from edgeemb.tables.head import CodebookLogits, QuantizedLogits
from edgeemb.tables.program import CodebookLookup, NgramLookup, QuantizedLookup

#: The bodies are written in this op set.
OPSET = 18
#: Domain and version of the ops; ONNX Runtime's own have the same version.
DOMAIN = linear.DOMAIN
VERSION = 1

#: A lookup that one op computes.
FusedLookup = QuantizedLookup | CodebookLookup | NgramLookup
#: The products with all rows of a table that one op computes.
FusedLogits = QuantizedLogits | CodebookLogits
#: Whatever one op computes.
Fused = FusedLookup | FusedLogits

#: Names of the ops for a shortlist begin with it.
SHORTLIST = "ShortlistTop"

_BYTES_OP = "NgramBytes"
_ZERO_CODE = {8: 128, 4: 8, 2: 3, 1: 1}


def op_name(node: Fused) -> str:
    """Name of the ONNX op that computes a fused node.

    :param node: the node.
    """
    match node:
        case QuantizedLogits():
            return f"QuantizedLogits{node.bits}"
        case QuantizedLookup():
            return f"QuantizedLookup{node.bits}"
        case CodebookLogits():
            return "CodebookSumLogits" if node.additive else "CodebookLogits"
        case CodebookLookup():
            return "CodebookSumLookup" if node.additive else "CodebookLookup"
        case NgramLookup():
            return f"NgramLookup{node.n}"


def function_for(nodes: Sequence[Fused]) -> onnx.FunctionProto:
    """The body that serves all of some nodes with the same `op_name`.

    :param nodes: the nodes of one model that share a name, at least one.
    """
    first = nodes[0]
    name = op_name(first)
    match first:
        case CodebookLookup():
            return _parsed(_codebook(name, first.additive))
        case CodebookLogits():
            return _parsed(_codebook_logits(name, first.additive))
        case NgramLookup():
            return _parsed(onnx_ngrams.lookup_text(name, first.n, _INDEX, _SHAPED))
        case QuantizedLookup() | QuantizedLogits():
            quantized = [node for node in nodes if isinstance(node, QuantizedLookup | QuantizedLogits)]
            planes = any(node.planes > 1 for node in quantized)
            padded = any(node.dim % (8 // node.bits) for node in quantized)
            text = _quantized if isinstance(first, QuantizedLookup) else _quantized_logits
            return _parsed(text(name, first.bits, planes=planes, padded=padded))


def top_op_name(node: QuantizedLogits, *, shortlist: bool) -> str:
    """Name of the op that gives the best of some logits.

    :param node: how all of them are computed.
    :param shortlist: whether a scan chooses those that are.
    """
    return f"{SHORTLIST if shortlist else 'QuantizedTop'}{node.bits}"


def top_function(name: str, nodes: Sequence[QuantizedLogits]) -> onnx.FunctionProto:
    """The body of `top_op_name`: the best of all logits, without a scan.

    :param name: name of the op.
    :param nodes: how the logits of all of its nodes are computed, at least one.
    """
    planes = any(node.planes > 1 for node in nodes)
    padded = any(node.dim % (8 // node.bits) for node in nodes)
    return _parsed(_quantized_top(name, nodes[0].bits, planes=planes, padded=padded))


def bytes_op_name(n: int) -> str:
    """Name of the op that computes rows of tokens that come as their bytes.

    :param n: longest n-gram.
    """
    return f"{_BYTES_OP}{n}"


def bytes_op_size(name: str) -> int | None:
    """The inverse of `bytes_op_name`.

    :param name: name of an op of the domain.
    :return: the longest n-gram; None for another op.
    """
    size = name.removeprefix(_BYTES_OP)
    return int(size) if size != name and size.isdigit() else None


def bytes_function(n: int) -> onnx.FunctionProto:
    """The body of `bytes_op_name`.

    :param n: longest n-gram.
    """
    return _parsed(onnx_ngrams.bytes_text(bytes_op_name(n), n))


def linear_function(name: str) -> onnx.FunctionProto | None:
    """The body of a product with a matrix of the model's body; None for another op.

    :param name: name of an op of the domain.
    """
    body = linear.body_of(name)
    if body is None:
        return None
    function = _parsed(body.text, CONTRIB)
    function.node.extend(body.nodes)
    return function


def import_ops(model: onnx.ModelProto) -> None:
    """Declare our domain and that of ONNX Runtime's own ops, where a model has some.

    :param model: the model to change.
    """
    used = {node.domain for node in model.graph.node}
    declared = {item.domain for item in model.opset_import}
    for domain in (DOMAIN, CONTRIB):
        if domain in used - declared:
            model.opset_import.append(helper.make_opsetid(domain, VERSION))


def match_opset(model: onnx.ModelProto) -> None:
    """Give our functions the model's own op set: ONNX requires one for both, and the ops of the bodies are the same from `OPSET` on.

    :param model: a model whose functions are in place, of op set `OPSET` or newer.
    """
    version = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    for function in model.functions:
        if function.domain == DOMAIN:
            for item in function.opset_import:
                if item.domain in ("", "ai.onnx"):
                    item.version = version


def _parsed(text: str, *domains: str) -> onnx.FunctionProto:
    opsets = ", ".join([f'"" : {OPSET}', *(f'"{domain}" : 1' for domain in domains)])
    function = onnx.parser.parse_function(f'<opset_import: [{opsets}], domain: "{DOMAIN}">\n{text}')
    for place, node in enumerate(function.node):
        # Named nodes keep their origin when a runtime inlines them, and a per-op profile can tell whose they are.
        node.name = f"{function.name}/{node.op_type}_{place}"
    return function


#: Gather counts a negative id from the end of the table; this turns it into one that Gather refuses.
_INDEX = """
    nought = Constant <value_int: int = 0> ()
    beyond = Constant <value_int: int = 2147483647> ()
    least = CastLike (nought, ids)
    most = CastLike (beyond, ids)
    negative = Less (ids, least)
    index = Where (negative, most, ids)
    first_axis = Constant <value_ints: ints = [0]> ()
    minus_one = Constant <value_ints: ints = [-1]> ()"""

_SHAPED = """
    ids_shape = Shape (ids)
    rows_shape = Concat <axis = 0> (ids_shape, dim)
    rows = Reshape <allowzero: int = 1> (flat, rows_shape)"""


def _quantized(name: str, bits: int, *, planes: bool, padded: bool) -> str:
    return f"""{name} <bits, dim, block, planes> (ids, codes, scales) => (rows) {{{_INDEX}{_SIZES}
    packed = Gather <axis = 0> (codes, index)
    stored = Gather <axis = 0> (scales, index){_dequantized(bits, planes=planes, padded=padded)}{_SHAPED}
}}"""


#: The attributes of a quantised table as tensors.
_SIZES = """
    dim_scalar = Constant <value_int: int = @dim> ()
    block_scalar = Constant <value_int: int = @block> ()
    dim = Unsqueeze (dim_scalar, first_axis)
    block = Unsqueeze (block_scalar, first_axis)"""


def _dequantized(bits: int, *, planes: bool, padded: bool, folds: bool = False) -> str:
    """Lines that make `flat`, the values of the rows that are `packed` and have the scales `stored`.

    :param folds: only by ops that runtimes compute beforehand where their inputs are constant, as they do not for DequantizeLinear.
    """
    per_byte = 8 // bits
    unpack, codes = _unpack("plane", bits)
    split = f"""
    per_byte = Constant <value_ints: ints = [{per_byte}]> ()
    padding = Constant <value_ints: ints = [{per_byte - 1}]> ()
    padded_dim = Add (dim, padding)
    width = Div (padded_dim, per_byte)
    by_plane = Concat <axis = 0> (minus_one, width)
    plane = Reshape (packed, by_plane)"""
    cut = f"""
    last_axis = Constant <value_ints: ints = [1]> ()
    cut = Slice ({codes}, first_axis, dim, last_axis)"""
    total = """
    planes_scalar = Constant <value_int: int = @planes> ()
    planes_dim = Unsqueeze (planes_scalar, first_axis)
    stack = Concat <axis = 0> (minus_one, planes_dim, dim)
    values_stack = Reshape (values, stack)
    sum_axis = Constant <value_ints: ints = [1]> ()
    flat = ReduceSum <keepdims = 0> (values_stack, sum_axis)"""
    values, scale = "values" if planes else "flat", "halved" if bits < 4 else "scale"
    scaled = f"""
    zero_shape = Shape (scale)
    zero = ConstantOfShape <value: tensor = uint8[1] {{{_ZERO_CODE[bits]}}}> (zero_shape)
    {values} = DequantizeLinear <axis = 0> (blocks, {scale}, zero)"""
    if folds:
        scaled = f"""
    zero = Constant <value_float: float = {_ZERO_CODE[bits]}.0> ()
    wide = Cast <to = 1> (blocks)
    levels = Sub (wide, zero)
    last = Constant <value_ints: ints = [1]> ()
    column = Unsqueeze ({scale}, last)
    {values} = Mul (levels, column)"""
    return f"""{split}{unpack}{cut if padded else ""}
    by_block = Concat <axis = 0> (minus_one, block)
    blocks = Reshape ({"cut" if padded else codes}, by_block)
    stored_flat = Reshape (stored, minus_one)
    scale = Cast <to = 1> (stored_flat){_halve(bits)}{scaled}{total if planes else ""}"""


def _quantized_logits(name: str, bits: int, *, planes: bool, padded: bool) -> str:
    return f"""{name} <bits, dim, block, planes> (hidden, codes, scales) => (logits) {{{_products(bits, planes, padded)}
    logits = MatMul (hidden, columns)
}}"""


def _quantized_top(name: str, bits: int, *, planes: bool, padded: bool) -> str:
    listed = name.startswith(SHORTLIST)
    options = "bits, dim, block, planes, top" + (", candidates" if listed else "")
    inputs = "hidden, codes, scales, bias" + (", list_codes, list_scales, codebook" if listed else "")
    return f"""{name} <{options}> ({inputs}) => (values, ids) {{{_products(bits, planes, padded)}
    products = MatMul (hidden, columns)
    logits = Add (products, bias)
    top_scalar = Constant <value_int: int = @top> ()
    count = Unsqueeze (top_scalar, first_axis)
    values, ids = TopK <axis = -1> (logits, count)
}}"""


def _products(bits: int, planes: bool, padded: bool) -> str:
    """Lines that make `columns`, the rows of a packed table side by side."""
    return f"""
    first_axis = Constant <value_ints: ints = [0]> ()
    minus_one = Constant <value_ints: ints = [-1]> (){_SIZES}
    packed = Identity (codes)
    stored = Identity (scales){_dequantized(bits, planes=planes, padded=padded, folds=True)}
    by_row = Concat <axis = 0> (minus_one, dim)
    rows = Reshape (flat, by_row)
    columns = Transpose <perm = [1, 0]> (rows)"""


def _halve(bits: int) -> str:
    if bits >= 4:
        return ""
    return """
    half = Constant <value_float: float = 0.5> ()
    halved = Mul (scale, half)"""


def _unpack(packed: str, bits: int) -> tuple[str, str]:
    """Lines that unpack planar codes (doubled at 1 and 2 bits), and the name of the result."""
    if bits == 8:
        return "", packed
    doubled = 1 if bits < 4 else 0
    lines = [f"mask = Constant <value = uint8 {{{(2**bits - 1) << doubled}}}> ()"]
    parts = []
    for position in range(8 // bits):
        source, shift = packed, bits * position - doubled
        if shift:
            direction = "RIGHT" if shift > 0 else "LEFT"
            lines.append(f"by_{position} = Constant <value = uint8 {{{abs(shift)}}}> ()")
            lines.append(
                f'shifted_{position} = BitShift <direction = "{direction}"> ({source}, by_{position})'
            )
            source = f"shifted_{position}"
        if shift + bits < 8:  # a shift by all the other bits has masked already
            lines.append(f"part_{position} = BitwiseAnd ({source}, mask)")
            source = f"part_{position}"
        parts.append(source)
    lines.append(f"unpacked = Concat <axis = -1> ({', '.join(parts)})")
    return "".join(f"\n    {line}" for line in lines), "unpacked"


def _codebook(name: str, additive: bool) -> str:
    return f"""{name} <dim> (ids, codes, codebooks) => (rows) {{{_INDEX}
    dim_scalar = Constant <value_int: int = @dim> ()
    dim = Unsqueeze (dim_scalar, first_axis)
    chosen = Gather <axis = 0> (codes, index){_assembled(additive)}{_SHAPED}
}}"""


def _codebook_logits(name: str, additive: bool) -> str:
    return f"""{name} <dim> (hidden, codes, codebooks) => (logits) {{
    first_axis = Constant <value_ints: ints = [0]> ()
    minus_one = Constant <value_ints: ints = [-1]> ()
    dim_scalar = Constant <value_int: int = @dim> ()
    dim = Unsqueeze (dim_scalar, first_axis)
    chosen = Identity (codes){_assembled(additive)}
    columns = Transpose <perm = [1, 0]> (flat)
    logits = MatMul (hidden, columns)
}}"""


def _assembled(additive: bool) -> str:
    """Lines that make `flat`, the rows of the codes `chosen`. Codebooks lie end to end: entry k of codebook m is row ``m * K + k``."""
    if additive:
        join = """
    sum_axis = Constant <value_ints: ints = [1]> ()
    flat = ReduceSum <keepdims = 0> (parts, sum_axis)"""
    else:
        join = """
    by_row = Concat <axis = 0> (minus_one, dim)
    flat = Reshape (parts, by_row)"""
    return f"""
    chosen_wide = Cast <to = 6> (chosen)
    books_shape = Shape (codebooks)
    one = Constant <value_ints: ints = [1]> ()
    two = Constant <value_ints: ints = [2]> ()
    three = Constant <value_ints: ints = [3]> ()
    book_count = Slice (books_shape, first_axis, one)
    entry_count = Slice (books_shape, one, two)
    part_dim = Slice (books_shape, two, three)
    count_scalar = Squeeze (book_count, first_axis)
    entry_scalar = Squeeze (entry_count, first_axis)
    zero_scalar = Constant <value_int: int = 0> ()
    one_scalar = Constant <value_int: int = 1> ()
    book = Range (zero_scalar, count_scalar, one_scalar)
    start = Mul (book, entry_scalar)
    start_int = Cast <to = 6> (start)
    by_code = Concat <axis = 0> (minus_one, book_count)
    chosen_flat = Reshape (chosen_wide, by_code)
    entry = Add (chosen_flat, start_int)
    end_to_end = Concat <axis = 0> (minus_one, part_dim)
    entries = Reshape (codebooks, end_to_end)
    parts_stored = Gather <axis = 0> (entries, entry)
    parts = Cast <to = 1> (parts_stored){join}"""
