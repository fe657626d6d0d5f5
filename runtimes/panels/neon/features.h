/* Which products of int8 an AArch64 processor has: what the compiler was told, or what the system says. Part of ../neon.h. */
#ifndef EEP_NEON_FEATURES_H
#define EEP_NEON_FEATURES_H

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/* The intrinsics of GCC are functions for a whole architecture, which others inline only if they are for no less. */
#if defined(__clang__)
#define EEP_ARM_TARGET(feature) EEB_TARGET(feature)
#else
#define EEP_ARM_TARGET(feature) EEB_TARGET("arch=armv8.2-a+" feature)
#endif

#if defined(__ARM_FEATURE_DOTPROD)
#define EEP_DOT_TARGET
#define EEP_DOT_SURE 1
#else
#define EEP_DOT_TARGET EEP_ARM_TARGET("dotprod")
#define EEP_DOT_SURE 0
#endif
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define EEP_PAIRS_TARGET
#define EEP_PAIRS_SURE 1
#else
#define EEP_PAIRS_TARGET EEP_ARM_TARGET("i8mm")
#define EEP_PAIRS_SURE 0
#endif

/* Numbers of AT_HWCAP and AT_HWCAP2, and their bits HWCAP_ASIMDDP and HWCAP2_I8MM: older headers lack the names. */
#define EEP_HWCAP 16ul
#define EEP_HWCAP2 26ul
#define EEP_HWCAP_DOT (1ul << 20)
#define EEP_HWCAP2_I8MM (1ul << 13)

/* Whether Linux notes a bit among a processor's capabilities, or Apple's systems a feature; asked once, *kept is 0 before. */
EEM_FUNCTION int eep_system_has(int *kept, unsigned long capabilities, unsigned long bit, const char *feature)
{
    int can = __atomic_load_n(kept, __ATOMIC_RELAXED);

    if (can == 0) {
        can = -1;
#if defined(__linux__)
        can = (getauxval(capabilities) & bit) != 0 ? 1 : -1;
        (void)feature;
#elif defined(__APPLE__)
        int value = 0;
        size_t size = sizeof value;

        can = sysctlbyname(feature, &value, &size, NULL, 0) == 0 && value != 0 ? 1 : -1;
        (void)capabilities;
        (void)bit;
#else
        (void)capabilities;
        (void)bit;
        (void)feature;
#endif
        __atomic_store_n(kept, can, __ATOMIC_RELAXED);
    }
    return can > 0;
}

/* Whether SDOT may run here. */
EEM_FUNCTION int eep_has_dot(void)
{
    static int kept;

    return EEP_DOT_SURE || eep_system_has(&kept, EEP_HWCAP, EEP_HWCAP_DOT, "hw.optional.arm.FEAT_DotProd");
}

/* Whether SMMLA may run here. */
EEM_FUNCTION int eep_has_pairs(void)
{
    static int kept;

    return EEP_PAIRS_SURE || eep_system_has(&kept, EEP_HWCAP2, EEP_HWCAP2_I8MM, "hw.optional.arm.FEAT_I8MM");
}

#endif
