#ifndef EDGEEMB_ANDROID_INTTYPES_H
#define EDGEEMB_ANDROID_INTTYPES_H

#include <stdint.h>

#define PRId64 __INT64_FMTd__
#define PRIu64 __UINT64_FMTu__

#endif
