"""Portable bodies of the ops that compute rows from the bytes of tokens, as ONNX functions of opset 18.

The arithmetic is float32 and exact: every number below is an integer under 2**24, and the quotient of one by the modulus lies at least 1 / 4093
below the next integer, twice as far as a correctly rounded division can miss it, so that its floor is right.

All n-grams of a size are spread over its elements in one matrix product, whose matrix holds the seeds of each lane in that lane's row. The sum of
the remainders is the sum of the products less the modulus times the sum of the quotients, so that remainders are never written down.
"""

from __future__ import annotations

import numpy as np

from edgeemb.tables.ngrams import CENTRE, MAX_TOKEN_BYTES, MODULUS

# The factor for the sum over a number of n-grams. It is stored, not computed: ONNX Runtime turns a division followed by a product into one division,
# which rounds differently.
_SCALES = ", ".join(
    str(np.float32(1) / np.float32(max(CENTRE * grams, 1))) for grams in range(MAX_TOKEN_BYTES + 1)
)

_CONSTANTS = f"""
    at_0 = Constant <value_ints: ints = [0]> ()
    at_1 = Constant <value_ints: ints = [1]> ()
    at_2 = Constant <value_ints: ints = [2]> ()
    at_end = Constant <value_ints: ints = [-1]> ()
    widest = Constant <value_ints: ints = [{MAX_TOKEN_BYTES}]> ()
    int_0 = Constant <value_int: int = 0> ()
    int_1 = Constant <value_int: int = 1> ()
    short_0 = Constant <value = int32 {{0}}> ()
    short_1 = Constant <value = int32 {{1}}> ()
    centre = Constant <value = int32 {{{CENTRE}}}> ()
    modulus = Constant <value = int32 {{{MODULUS}}}> ()
    modulus_float = Constant <value_float: float = {MODULUS}.0> ()
    float_0 = Constant <value_float: float = 0.0> ()
    float_1 = Constant <value_float: float = 1.0> ()
    dim = Shape (seeds)
    lanes = Shape (bases)
    lane_count = Squeeze (lanes, at_0)
    lane_numbers = Range (int_0, lane_count, int_1)
    lane_column = Unsqueeze (lane_numbers, at_1)
    seed_float = Cast <to = 1> (seeds)
    seed_int = Cast <to = 6> (seeds)
    base = Cast <to = 1> (bases)
    scales = Constant <value_floats: floats = [{_SCALES}]> ()"""


def lookup_text(name: str, n: int, index: str, shaped: str) -> str:
    """The function that looks tokens up by id. A repeated token is computed once.

    :param name: name of the op.
    :param n: longest n-gram.
    :param index: lines that make ``index`` of ``ids``, refused by Gather where an id is.
    :param shaped: lines that make ``rows`` of ``flat``.
    """
    return f"""{name} <n> (ids, tokens, starts, seeds, bases) => (rows) {{{index}{_CONSTANTS}
    index_wide = Cast <to = 7> (index)
    index_flat = Reshape (index_wide, at_end)
    distinct, first_seen, place_of = Unique (index_flat)
    begins = Slice (starts, at_0, at_end, at_0)
    rows_and_one = Shape (starts)
    ends = Slice (starts, at_1, rows_and_one, at_0)
    begin = Gather <axis = 0> (begins, distinct)
    end = Gather <axis = 0> (ends, distinct)
    length = Sub (end, begin)
    {_longest()}
    begin_column = Unsqueeze (begin, at_1)
    wanted = Add (begin_column, places)
    total_bytes = Shape (tokens)
    last_byte = Sub (total_bytes, at_1)
    last_place = Cast <to = 6> (last_byte)
    there = Min (wanted, last_place)
    stored = Gather <axis = 0> (tokens, there)
    bytes = Cast <to = 1> (stored){_rows(n)}
    flat = Gather <axis = 0> (computed, place_of){shaped}
}}"""


def bytes_text(name: str, n: int) -> str:
    """The function that takes tokens as their padded bytes.

    :param name: name of the op.
    :param n: longest n-gram.
    """
    return f"""{name} <n> (padded, seeds, bases) => (rows) {{{_CONSTANTS}
    shape = Shape (padded)
    leading = Shape <end = -1> (padded)
    width = Shape <start = -1> (padded)
    flat_shape = Concat <axis = 0> (at_end, width)
    flat = Reshape (padded, flat_shape)
    counting = Slice (flat, at_0, widest, at_1)
    all_bytes = Cast <to = 1> (counting)
    behind = Constant <value_ints: ints = [0, 0, 0, 1]> ()
    ended = Pad (all_bytes, behind, float_0)
    is_end = Equal (ended, float_0)
    is_end_int = Cast <to = 6> (is_end)
    length_wide = ArgMax <axis = 1, keepdims = 0> (is_end_int)
    length = Cast <to = 6> (length_wide)
    {_longest()}
    longest_wide = Cast <to = 7> (longest)
    cut = Reshape (longest_wide, at_1)
    bytes = Slice (all_bytes, at_0, cut, at_1){_rows(n)}
    rows_shape = Concat <axis = 0> (leading, dim)
    rows = Reshape <allowzero: int = 1> (computed, rows_shape)
}}"""


def _longest() -> str:
    """Lines that make ``places``, [L], for the longest of the tokens."""
    return """one_length = Reshape (short_1, at_1)
    lengths = Concat <axis = 0> (length, one_length)
    longest_any = ReduceMax <keepdims = 0> (lengths)
    most_short = Cast <to = 6> (widest)
    longest_list = Min (longest_any, most_short)
    longest = Squeeze (longest_list)
    places = Range (short_0, longest, short_1)"""


def _rows(n: int) -> str:
    """Lines that make ``computed`` [U, dim] of ``bytes`` float32[U, L], ``length`` int32[U] and ``places``."""
    shares = n * (n + 1) // 2
    lines = [
        "code = Add (bytes, float_1)",
        f"room = Constant <value_ints: ints = [0, 0, 0, {n - 1}]> ()",
        "codes = Pad (code, room, float_0)",
        "place_count = Shape (places)",
        "length_column = Unsqueeze (length, at_1)",
        "is_first = Equal (places, short_0)",
        "is_filled = Greater (length_column, short_0)",
        "first = And (is_first, is_filled)",
        "low_1 = Identity (at_0)",
    ]
    for size in range(1, n + 1):
        last = size == n
        lines += [] if size == 1 else _extend(size)
        lines += [
            f"left_{size} = Sub (length_column, places)",
            f"size_{size} = Constant <value = int32 {{{size}}}> ()",
            f"inside_{size} = GreaterOrEqual (left_{size}, size_{size})",
            f"counted_{size} = Or (inside_{size}, first)",
            f"counted_int_{size} = Cast <to = 6> (counted_{size})",
            f"grams_{size} = ReduceSum <keepdims = 1> (counted_int_{size}, at_1)",
            # Elements of the part: [low, high).
            f"share_{size} = Constant <value_ints: ints = [{size * (size + 1) // 2}]> ()",
            f"shares_{size} = Constant <value_ints: ints = [{shares}]> ()",
            f"weighed_{size} = Mul (dim, share_{size})",
            f"divided_{size} = Div (weighed_{size}, shares_{size})",
            f"turns_{size} = Div (divided_{size}, lanes)",
            f"low_{size + 1} = {'Identity (dim)' if last else f'Mul (turns_{size}, lanes)'}",
            f"part_{size} = Sub (low_{size + 1}, low_{size})",
            f"seeds_{size} = Slice (seed_float, low_{size}, low_{size + 1}, at_0)",
        ]
        lines += _spread(size)
    parts = ", ".join(f"rows_{size}" for size in range(1, n + 1))
    lines.append(f"computed = Concat <axis = 1> ({parts})")
    return "".join(f"\n    {line}" for line in lines)


def _extend(size: int) -> list[str]:
    """Lines that take byte `size` - 1 of every n-gram that has it into ``hash_<size - 1>``, [U, L, lanes], as ``hash_<size>``."""
    before = "codes_deep" if size == 2 else f"hash_{size - 1}"
    return [
        *(["codes_deep = Unsqueeze (code, at_end)"] if size == 2 else []),
        f"from_{size} = Constant <value_ints: ints = [{size - 1}]> ()",
        f"until_{size} = Add (from_{size}, place_count)",
        f"byte_{size} = Slice (codes, from_{size}, until_{size}, at_1)",
        f"byte_deep_{size} = Unsqueeze (byte_{size}, at_end)",
        f"scaled_{size} = Mul ({before}, base)",
        f"mixed_{size} = Add (scaled_{size}, byte_deep_{size})",
        f"whole_{size} = Div (mixed_{size}, modulus_float)",
        f"times_{size} = Floor (whole_{size})",
        f"multiple_{size} = Mul (times_{size}, modulus_float)",
        f"reduced_{size} = Sub (mixed_{size}, multiple_{size})",
        f"reach_{size} = Constant <value = int32 {{{size}}}> ()",
        f"space_{size} = Sub (length_column, places)",
        f"fits_{size} = GreaterOrEqual (space_{size}, reach_{size})",
        f"fits_deep_{size} = Unsqueeze (fits_{size}, at_end)",
        f"hash_{size} = Where (fits_deep_{size}, reduced_{size}, {before})",
    ]


def _spread(size: int) -> list[str]:
    """Lines that make ``rows_<size>`` [U, part] of the hashes of one size."""
    if size == 1:
        # All lanes are alike, and so one will do.
        products = [
            "used_flat_1 = Where (counted_1, code, float_0)",
            "used_1 = Unsqueeze (used_flat_1, at_end)",
            "product_1 = Mul (used_1, seeds_1)",
        ]
    else:
        products = [
            f"counted_deep_{size} = Unsqueeze (counted_{size}, at_end)",
            f"used_{size} = Where (counted_deep_{size}, hash_{size}, float_0)",
            f"part_count_{size} = Squeeze (part_{size}, at_0)",
            f"elements_{size} = Range (int_0, part_count_{size}, int_1)",
            f"lane_of_{size} = Mod (elements_{size}, lane_count)",
            f"is_lane_{size} = Equal (lane_column, lane_of_{size})",
            f"matrix_{size} = Where (is_lane_{size}, seeds_{size}, float_0)",
            f"product_{size} = MatMul (used_{size}, matrix_{size})",
        ]
    return [
        *products,
        # The divisor is as wide as the part: ONNX Runtime folds one number into the matrix product, as a factor, which rounds differently.
        f"divisor_{size} = Expand (modulus_float, part_{size})",
        f"ratio_{size} = Div (product_{size}, divisor_{size})",
        f"quotient_{size} = Floor (ratio_{size})",
        f"quotients_float_{size} = ReduceSum <keepdims = 0> (quotient_{size}, at_1)",
        f"quotients_{size} = Cast <to = 6> (quotients_float_{size})",
        # The sum of the products passes 2**24: it is the sum of the hashes times the seeds, as integers.
        f"hashes_float_{size} = ReduceSum <keepdims = 1> (used_{size}, at_1)",
        f"hashes_{size} = Cast <to = 6> (hashes_float_{size})",
        f"seeds_int_{size} = Slice (seed_int, low_{size}, low_{size + 1}, at_0)",
        f"by_lane_{size} = Concat <axis = 0> (at_end, lanes)",
        f"seeds_turned_{size} = Reshape (seeds_int_{size}, by_lane_{size})",
        f"products_deep_{size} = Mul (hashes_{size}, seeds_turned_{size})",
        f"tokens_{size} = Shape (grams_{size})",
        f"token_count_{size} = Slice (tokens_{size}, at_0, at_1)",
        f"by_element_{size} = Concat <axis = 0> (token_count_{size}, part_{size})",
        f"products_{size} = Reshape <allowzero: int = 1> (products_deep_{size}, by_element_{size})",
        f"multiples_{size} = Mul (quotients_{size}, modulus)",
        f"remainders_{size} = Sub (products_{size}, multiples_{size})",
        f"centres_{size} = Mul (grams_{size}, centre)",
        f"sum_{size} = Sub (remainders_{size}, centres_{size})",
        f"sum_float_{size} = Cast <to = 1> (sum_{size})",
        f"scale_{size} = Gather <axis = 0> (scales, grams_{size})",
        f"rows_{size} = Mul (sum_float_{size}, scale_{size})",
    ]
