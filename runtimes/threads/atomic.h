/* Words that several threads read and write, each access sequentially consistent. */
#ifndef EEW_ATOMIC_H
#define EEW_ATOMIC_H

#include <stdint.h>

/* A function of a header, which a program need not call. */
#if defined(__GNUC__) || defined(__clang__)
#define EEW_FUNCTION static __attribute__((unused))
#else
#define EEW_FUNCTION static
#endif

#if defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

typedef struct eew_word {
    volatile __int64 value;
} eew_word;

EEW_FUNCTION uint64_t eew_get(eew_word *word)
{
    return (uint64_t)_InterlockedOr64(&word->value, 0);
}

EEW_FUNCTION void eew_set(eew_word *word, uint64_t value)
{
    (void)_InterlockedExchange64(&word->value, (__int64)value);
}

EEW_FUNCTION void eew_add(eew_word *word, uint64_t value)
{
    (void)_InterlockedExchangeAdd64(&word->value, (__int64)value);
}

/* Store `value` if the word is `seen`; whether it was. */
EEW_FUNCTION int eew_exchange_if(eew_word *word, uint64_t seen, uint64_t value)
{
    return (uint64_t)_InterlockedCompareExchange64(&word->value, (__int64)value, (__int64)seen) == seen;
}

#else

typedef struct eew_word {
    uint64_t value;
} eew_word;

EEW_FUNCTION uint64_t eew_get(eew_word *word)
{
    return __atomic_load_n(&word->value, __ATOMIC_SEQ_CST);
}

EEW_FUNCTION void eew_set(eew_word *word, uint64_t value)
{
    __atomic_store_n(&word->value, value, __ATOMIC_SEQ_CST);
}

EEW_FUNCTION void eew_add(eew_word *word, uint64_t value)
{
    (void)__atomic_fetch_add(&word->value, value, __ATOMIC_SEQ_CST);
}

/* Store `value` if the word is `seen`; whether it was. */
EEW_FUNCTION int eew_exchange_if(eew_word *word, uint64_t seen, uint64_t value)
{
    return __atomic_compare_exchange_n(&word->value, &seen, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#endif

/* Tell the processor that this thread only looks. */
EEW_FUNCTION void eew_pause(void)
{
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
    __asm__ volatile("yield");
#elif defined(_MSC_VER) && defined(_M_ARM64)
    __yield();
#elif defined(_MSC_VER)
    _mm_pause();
#endif
}

#endif
