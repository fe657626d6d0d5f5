/* A set of byte strings, each with a number: a trie in level order, about 12 bits a node.
 *
 * NODES      numbered level by level from the children of the root, which has no number itself; the children of a node follow one another,
 *            their labels rise. LABELS section: uint8[nodes].
 * BLOCKS     section of 32 bytes for every 64 nodes: three bitmaps u64 (bit i: node 64 * block + i), of the nodes that have children
 *            (`inner`), that end a string (`ends`), and that are the first child of their parent (`first`), then u32 inner nodes and u32
 *            ends in all blocks before.
 * GROUPS     section u32: the first node of every 8th group of siblings; the children of the k-th inner node are group k + 1, the root's
 *            are group 0.
 * ROOT       section u16[256]: 1 + the child of the root with this label, or 0.
 * VALUES     section u16 or u24 (the argument `width` says): the number of each string, in the order of the nodes that end them.
 *
 * COST       a step reads one block, one group, some labels. */
#ifndef EET_TRIE_H
#define EET_TRIE_H

#include "blob.h"

#define EET_BLOCK 32u
#define EET_GROUP 8u
/* Not a node. */
#define EET_NOWHERE 0xffffffffu
/* The root. */
#define EET_ROOT 0xfffffffeu

typedef struct eet_trie {
    eet_view labels, blocks, groups, root, values;
    uint32_t nodes, width;
} eet_trie;

EEB_INLINE uint32_t eet_ones(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(bits * 0x0101010101010101u >> 56);
}

/* The lowest bit that is set; 64 where none is. */
EEB_INLINE uint32_t eet_lowest(uint64_t bits)
{
#if defined(__GNUC__) && !defined(__arm__)
    return bits == 0 ? 64 : (uint32_t)__builtin_ctzll(bits);
#else
    return eet_ones(~bits & (bits - 1));
#endif
}

/* A trie of five sections; EET_DAMAGED if their sizes do not belong together. */
EEB_FUNCTION eet_status eet_trie_open(eet_trie *trie, const eet_blob *blob, uint32_t first, uint32_t width)
{
    if (first > blob->sections || blob->sections - first < 5 || (width != 2 && width != 3)) {
        return EET_DAMAGED;
    }
    trie->labels = eet_section(blob, first);
    trie->blocks = eet_section(blob, first + 1);
    trie->groups = eet_section(blob, first + 2);
    trie->root = eet_section(blob, first + 3);
    trie->values = eet_section(blob, first + 4);
    trie->nodes = trie->labels.size;
    trie->width = width;
    if (trie->root.size != 512 || trie->blocks.size % EET_BLOCK != 0 || trie->blocks.size / EET_BLOCK != (trie->nodes + 63) / 64) {
        return EET_DAMAGED;
    }
    return EET_OK;
}

/* The first node of a group of siblings. Blocks are there for every node, so that a place below `nodes` is one to read. */
EEB_INLINE uint32_t eet_trie_group(const eet_trie *trie, uint32_t group)
{
    uint32_t at = eet_u32(trie->groups, group / EET_GROUP), left = group % EET_GROUP, block;
    uint64_t bits;

    if (at >= trie->nodes || group / EET_GROUP >= trie->groups.size / 4) {
        return EET_NOWHERE;
    }
    block = at / 64;
    bits = eet_load64(trie->blocks.data + EET_BLOCK * (size_t)block + 16) & ~(uint64_t)0 << at % 64;
    for (;;) {
        const uint32_t ones = eet_ones(bits);

        if (left < ones) {
            while (left != 0) {
                bits &= bits - 1;
                --left;
            }
            at = 64 * block + eet_lowest(bits);
            return at < trie->nodes ? at : EET_NOWHERE;
        }
        left -= ones;
        if (++block >= trie->blocks.size / EET_BLOCK) {
            return EET_NOWHERE;
        }
        bits = eet_load64(trie->blocks.data + EET_BLOCK * (size_t)block + 16);
    }
}

/* The node behind the last of the siblings of `at`, which is the first of them. */
EEB_INLINE uint32_t eet_trie_group_end(const eet_trie *trie, uint32_t at)
{
    uint32_t block = at / 64;
    uint64_t bits = eet_load64(trie->blocks.data + EET_BLOCK * (size_t)block + 16) & (~(uint64_t)1 << at % 64);

    while (bits == 0) {
        if (++block >= trie->blocks.size / EET_BLOCK) {
            return trie->nodes;
        }
        bits = eet_load64(trie->blocks.data + EET_BLOCK * (size_t)block + 16);
    }
    at = 64 * block + eet_lowest(bits);
    return at < trie->nodes ? at : trie->nodes;
}

/* The child of a node by its label, or EET_NOWHERE. `node` is the root or below `nodes`. */
EEB_INLINE uint32_t eet_trie_step(const eet_trie *trie, uint32_t node, uint32_t label)
{
    uint32_t at, bit, end;
    const uint8_t *block;
    uint64_t inner;

    if (node == EET_ROOT) {
        at = eet_u16(trie->root, label);
        return at - 1 < trie->nodes ? at - 1 : EET_NOWHERE;
    }
    block = trie->blocks.data + EET_BLOCK * (size_t)(node / 64);
    bit = node % 64;
    inner = eet_load64(block);
    if ((inner >> bit & 1u) == 0) {
        return EET_NOWHERE;
    }
    at = eet_trie_group(trie, 1 + eet_load32(block + 24) + eet_ones(inner & (((uint64_t)1 << bit) - 1)));
    if (at == EET_NOWHERE || trie->labels.data[at] >= label) {
        return at != EET_NOWHERE && trie->labels.data[at] == label ? at : EET_NOWHERE;
    }
    end = eet_trie_group_end(trie, at);
    while (end - at > 4) {
        const uint32_t middle = at + (end - at) / 2;

        if (trie->labels.data[middle] <= label) {
            at = middle;
        } else {
            end = middle;
        }
    }
    for (; at < end; ++at) {
        if (trie->labels.data[at] == label) {
            return at;
        }
    }
    return EET_NOWHERE;
}

/* Whether a string ends at a node. */
EEB_INLINE int eet_trie_ends(const eet_trie *trie, uint32_t node)
{
    return (int)(eet_load64(trie->blocks.data + EET_BLOCK * (size_t)(node / 64) + 8) >> node % 64 & 1u);
}

/* The place of a string among all in level order; the string ends at this node. */
EEB_INLINE uint32_t eet_trie_rank(const eet_trie *trie, uint32_t node)
{
    const uint8_t *block = trie->blocks.data + EET_BLOCK * (size_t)(node / 64);

    return eet_load32(block + 28) + eet_ones(eet_load64(block + 8) & (((uint64_t)1 << node % 64) - 1));
}

EEB_INLINE uint32_t eet_trie_value(const eet_trie *trie, uint32_t rank)
{
    return trie->width == 2 ? eet_u16(trie->values, rank) : eet_u24(trie->values, rank);
}

#endif
