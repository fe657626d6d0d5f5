/* The variants of a kernel, one for each instruction set, and which of them may run here.
 *
 * On x86 this is asked of the processor at run time, and of the operating system (XGETBV): one that does not save the wide
 * registers must not be surprised by them. Elsewhere the compiler's target decides, and nothing is left to ask.
 * CPUID can take many microseconds under a hypervisor, so that the answer is kept. */
#ifndef EEB_CPU_H
#define EEB_CPU_H

#include "status.h"

#if (defined(__x86_64__) || defined(__i386__)) && defined(__SSE2__) && (defined(__GNUC__) || defined(__clang__))
#define EEB_HAS_X86 1
#include <cpuid.h>
#define EEB_AVX2_TARGET EEB_TARGET("avx2,f16c,popcnt")
#define EEB_AVX512_TARGET EEB_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,f16c,popcnt")
#else
#define EEB_HAS_X86 0
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define EEB_HAS_NEON 1
#else
#define EEB_HAS_NEON 0
#endif

/* -DEEB_PLAIN leaves Helium out, as -DEEM_PLAIN does for the inference kernels. */
#if defined(__ARM_FEATURE_MVE) && !defined(EEB_PLAIN)
#define EEB_HAS_MVE (__ARM_FEATURE_MVE >> 1 & 1)
#else
#define EEB_HAS_MVE 0
#endif

typedef int32_t eeb_variant;

enum {
    EEB_SERIAL = 0,
    EEB_NEON = 1,   /* AArch64 */
    EEB_AVX2 = 2,   /* with F16C and POPCNT */
    EEB_AVX512 = 3, /* F, BW, VL and DQ, with all of EEB_AVX2 */
    EEB_MVE = 4,    /* Armv8.1-M with floats */
    EEB_VARIANTS = 5
};

EEB_FUNCTION const char *eeb_variant_name(eeb_variant variant)
{
    switch (variant) {
    case EEB_SERIAL: return "serial";
    case EEB_NEON: return "neon";
    case EEB_AVX2: return "avx2";
    case EEB_AVX512: return "avx512";
    case EEB_MVE: return "mve";
    default: return "";
    }
}

/* Bit mask of the variants that may run here. */
EEB_FUNCTION unsigned eeb_cpu_ask(void)
{
    unsigned can = 1u << EEB_SERIAL;
#if EEB_HAS_NEON
    can |= 1u << EEB_NEON;
#endif
#if EEB_HAS_MVE
    can |= 1u << EEB_MVE;
#endif
#if EEB_HAS_X86
    {
        unsigned a, b, c, d, saved, high;
        const unsigned need1 = bit_OSXSAVE | bit_AVX | bit_F16C | bit_POPCNT;
        const unsigned need512 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;

        if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need1) != need1 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
            return can;
        }
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
        (void)high;
        if ((saved & 0x06u) != 0x06u || (b & bit_AVX2) == 0) { /* xmm and ymm are saved */
            return can;
        }
        can |= 1u << EEB_AVX2;
        if ((saved & 0xe6u) == 0xe6u && (b & need512) == need512) { /* and the masks and zmm */
            can |= 1u << EEB_AVX512;
        }
    }
#endif
    return can;
}

EEB_FUNCTION int eeb_cpu_can(eeb_variant variant)
{
#if EEB_HAS_X86
    static unsigned kept;
    unsigned can = __atomic_load_n(&kept, __ATOMIC_RELAXED);

    if (can == 0) { /* two threads that meet here find the same answer */
        can = eeb_cpu_ask();
        __atomic_store_n(&kept, can, __ATOMIC_RELAXED);
    }
#else
    const unsigned can = eeb_cpu_ask();
#endif
    return variant >= 0 && variant < EEB_VARIANTS && (can >> variant & 1u) != 0;
}

#if EEB_HAS_X86
/* Whether a bit is set in a word, EAX to EDX, of what CPUID says for a part of leaf 7. `kept` has the answer of before, or 0. */
EEB_FUNCTION int eeb_cpu_has(int *kept, unsigned part, unsigned word, unsigned bit)
{
    int can = __atomic_load_n(kept, __ATOMIC_RELAXED);
    unsigned words[4];

    if (can == 0) {
        can = __get_cpuid_count(7, part, words, words + 1, words + 2, words + 3) && (words[word] >> bit & 1u) != 0 ? 1 : -1;
        __atomic_store_n(kept, can, __ATOMIC_RELAXED);
    }
    return can > 0;
}

/* Whether a processor that can run EEB_AVX512 has its dot products of bytes too. */
EEB_FUNCTION int eeb_cpu_has_vnni(void)
{
    static int kept;

    return eeb_cpu_has(&kept, 0, 2, 11);
}

/* Whether a processor that can run EEB_AVX2 has the dot products of bytes of AVX-VNNI. */
EEB_FUNCTION int eeb_cpu_has_avx_vnni(void)
{
    static int kept;

    return eeb_cpu_has(&kept, 1, 0, 4);
}
#endif

/* The fastest variant that may run here. */
EEB_FUNCTION eeb_variant eeb_cpu_best(void)
{
    eeb_variant variant = EEB_VARIANTS - 1;

    while (!eeb_cpu_can(variant)) {
        --variant;
    }
    return variant;
}

#endif
