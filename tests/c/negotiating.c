/* negotiation.h for tests/core/test_negotiation_in_c.py, which asks it and the Python code the same. */
#include "negotiation.h"

static sk_text text(const char *bytes) { return (sk_text){bytes, strlen(bytes)}; }

/* `available` ends with NULL. */
int preferred_coding(const char *accept, const char *const *available) {
    return sk_preferred_coding(text(accept), available);
}

int preferred_type(const char *accept, const char *const *types, int count) {
    return sk_preferred_type(text(accept), types, count);
}
