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
STUB(malloc)
STUB(memcpy)
STUB(memset)
STUB(snprintf)
STUB(sscanf)
STUB(strcmp)
