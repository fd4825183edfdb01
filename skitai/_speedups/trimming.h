/* Memory that was freed and stays with the process. */
#ifndef SKITAI_TRIMMING_H
#define SKITAI_TRIMMING_H

#include <stdlib.h> /* __GLIBC__ */

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Gives the system whole free pages back, also those in the middle of the heap.  Reading configuration and loading
   modules leaves a MiB of them.  glibc's alone keeps them until asked; it takes a millisecond, so not while
   serving. */
static inline void sk_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

#endif
