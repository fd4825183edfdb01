/* What the checks of this folder are made of: a condition that does not hold ends the program. */
#ifndef SK_CHECK_H
#define SK_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            printf("%s, line %d: %s\n", __FILE__, __LINE__, #condition);                                     \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
