#ifndef EDGEEMB_ANDROID_SYS_AUXV_H
#define EDGEEMB_ANDROID_SYS_AUXV_H

/* Index of the word with the processor's features. */
#define AT_HWCAP 16

unsigned long getauxval(unsigned long index);

#endif
