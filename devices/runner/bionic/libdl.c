/* Stands in for Android's libdl.so, as libc.c does for its libc.so. */
#include "stub.h"

STUB(dlerror)
STUB(dlopen)
STUB(dlsym)
