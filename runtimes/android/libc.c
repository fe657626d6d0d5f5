/* Stands in for Android's libc.so when an op library is linked: the names that ../android/include declares, and nothing behind them. The
 * linker only records that libc.so is needed; on the phone it is the real one. Being without version symbols, it leaves none behind. */
#define STUB(name)                                                                                                                         \
    void name(void);                                                                                                                       \
    void name(void)                                                                                                                        \
    {                                                                                                                                      \
    }

STUB(__stack_chk_fail)
STUB(calloc)
STUB(free)
STUB(getauxval)
STUB(malloc)
STUB(memcpy)
STUB(memset)
STUB(snprintf)
STUB(sscanf)
STUB(strcmp)
#if defined(__arm__)
/* What compilers for 32-bit Arm call in the place of memcpy, and where they look for the value that guards the stack. */
STUB(__aeabi_memcpy)
STUB(__aeabi_memcpy4)
STUB(__aeabi_memcpy8)
STUB(__aeabi_memset)
STUB(__aeabi_memset4)
STUB(__aeabi_memset8)
STUB(__aeabi_memclr)
STUB(__aeabi_memclr4)
STUB(__aeabi_memclr8)
extern void *__stack_chk_guard;
void *__stack_chk_guard;
#endif
