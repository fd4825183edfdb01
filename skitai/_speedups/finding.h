/* What a client gets of a file on the disk that nobody has looked at yet: the file, as skitai/core/beneath.py opens
 * it; of one with compressed forms beside it the form that the client likes best (precompressed.py, static.py); and of
 * one that this client would get coded the coded bytes (codedfiles.py), made by zlib.
 *
 * Waits for the disk, and takes a moment to code: the opener's thread (errands.h).
 */
#ifndef SKITAI_FINDING_H
#define SKITAI_FINDING_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "beneath.h"
#include "negotiation.h"
#include "reading.h"
#include "text.h"
#include "witness.h"

enum {
    SK_FOUND_PATH_MAX = 2048,  /* longer ones are the leader's */
    SK_WARMED = 64 * 1024,      /* read ahead: what is kept in memory is read there and then (sk_shelf_put) */
    SK_CODES_MAX = 2 << 20,     /* of a file: some 10 ms, for which the others wait */
    SK_CODED_MAX = 1 << 20,     /* of the result: what is longer is not kept (codedfiles.py) */
    SK_LIKES_MAX = 200,         /* of Accept-Encoding; browsers send some 25 */
};

/* Codes `size` bytes as gzip, or deflate; NULL: it cannot.  The caller frees it. */
typedef char *(*sk_coder)(const char *bytes, size_t size, int is_gzip, int level, size_t *coded_size);

/* What compressed forms of a file are called, and in which coding they are: SUFFIXES of precompressed.py. */
enum { SK_FORMS = 3, SK_FORM_NAME_MAX = 4 };
static const char *const SK_FORM_NAMES[SK_FORMS] = {".zst", ".br", ".gz"};
static const char *const SK_FORM_CODINGS[SK_FORMS] = {"zstd", "br", "gzip"};

typedef struct {
    /* What is looked for. */
    int follows, looks_beside;
    size_t root_size, size;     /* of the path */
    char path[SK_FOUND_PATH_MAX + SK_FORM_NAME_MAX]; /* as sk_open_beneath has it */
    size_t likes_size;
    char likes[SK_LIKES_MAX];   /* Accept-Encoding */
    uint64_t coded_from;        /* bytes; UINT64_MAX: never */
    int level;
    /* What was found. */
    int descriptor;             /* of a file, with `opened` */
    struct stat status, opened; /* of the file itself, and of what is open: it, or a form */
    struct {
        int is_there;
        sk_identity identity;
    } beside[SK_FORMS];
    int has_forms;
    const char *coding;         /* of what is open, or of `coded`; NULL: it is the file as it is */
    char *coded;                /* NULL: what is open is the content */
    size_t coded_size;
    int is_makeshift;           /* another coding would have been liked better */
    /* Or not. */
    int is_absent;              /* there is nothing of that name for anybody */
} sk_finding;

static inline sk_text sk_likes_of(const sk_finding *finding) { return (sk_text){finding->likes, finding->likes_size}; }

/* Look for compressed forms: the codings of those that are of this version of the file, NULL behind the last. */
static inline void sk_look_beside(sk_finding *finding, const char *codings[SK_FORMS + 1]) {
    int count = 0;
    for (int place = 0; place < SK_FORMS; place++) {
        struct stat status;
        strcpy(finding->path + finding->size, SK_FORM_NAMES[place]);
        finding->beside[place].is_there = stat(finding->path, &status) == 0;
        finding->path[finding->size] = '\0';
        if (!finding->beside[place].is_there)
            continue;
        finding->beside[place].identity = sk_identity_of(&status);
        if (status.st_size > 0 && status.st_mtime >= finding->status.st_mtime)
            codings[count++] = SK_FORM_CODINGS[place];
    }
    codings[count] = NULL;
    finding->has_forms = count > 0;
}

/* Open the form in `coding` in the place of the file. */
static inline int sk_open_form(sk_finding *finding, const char *coding) {
    int place = 0, fd;
    while (SK_FORM_CODINGS[place] != coding)
        place++;
    strcpy(finding->path + finding->size, SK_FORM_NAMES[place]);
    fd = sk_open_beneath(finding->path, finding->root_size, finding->follows);
    finding->path[finding->size] = '\0';
    if (fd < 0)
        return 0;
    close(finding->descriptor);
    finding->descriptor = fd;
    finding->coding = coding;
    if (fstat(fd, &finding->opened) || !S_ISREG(finding->opened.st_mode))
        return 0;
    finding->beside[place].identity = sk_identity_of(&finding->opened);
    return 1;
}

static inline int sk_code_content(sk_finding *finding, sk_coder code) {
    const size_t size = (size_t)finding->opened.st_size;
    char *content = malloc(size);
    const int is_gzip = strcmp(finding->coding, "gzip") == 0;
    if (content != NULL && sk_read_from(finding->descriptor, 0, content, size))
        finding->coded = code(content, size, is_gzip, finding->level, &finding->coded_size);
    free(content);
    return finding->coded != NULL && finding->coded_size <= SK_CODED_MAX;
}

/* As this client would get the file from Python: as it is, or coded.  What another library would code better for it is
 * coded by zlib for now. */
static inline int sk_negotiate(sk_finding *finding, sk_coder code) {
    static const char *const all[] = {"zstd", "br", "gzip", "deflate", NULL};
    enum { OF_OTHERS = 2 }; /* which stand in front */
    int place;
    if (finding->coding != NULL || (uint64_t)finding->opened.st_size < finding->coded_from)
        return 1;
    place = sk_preferred_coding(sk_likes_of(finding), all);
    if (place == SK_LIKES_NONE)
        return 1;
    if (place == SK_LIKES_UNSURE || code == NULL || finding->opened.st_size > SK_CODES_MAX)
        return 0;
    finding->is_makeshift = place < OF_OTHERS;
    if (finding->is_makeshift)
        place = OF_OTHERS + sk_preferred_coding(sk_likes_of(finding), all + OF_OTHERS);
    if (place < OF_OTHERS)
        return 0;
    finding->coding = all[place];
    return sk_code_content(finding, code);
}

/* Into the system's memory. */
static inline void sk_warm(int descriptor, char *scratch) {
    if (pread(descriptor, scratch, SK_WARMED, 0) < 0)
        return; /* who sends it will meet the same */
}

/* Find what the client gets of the file that is open. */
static inline int sk_represent(sk_finding *finding, sk_coder code) {
    const char *codings[SK_FORMS + 1] = {NULL};
    int place = SK_LIKES_NONE;
    if (fstat(finding->descriptor, &finding->status) || !S_ISREG(finding->status.st_mode))
        return 0;
    finding->opened = finding->status;
    if (finding->looks_beside)
        sk_look_beside(finding, codings);
    if (finding->has_forms)
        place = sk_preferred_coding(sk_likes_of(finding), codings);
    if (place == SK_LIKES_UNSURE || (place >= 0 && !sk_open_form(finding, codings[place])))
        return 0;
    return sk_negotiate(finding, code);
}

/* Give back what was found. */
static inline void sk_finding_clear(sk_finding *finding) {
    if (finding->descriptor >= 0)
        close(finding->descriptor);
    free(finding->coded);
    finding->descriptor = -1;
    finding->coded = NULL;
}

/* Whether it is there; `scratch`: of SK_WARMED bytes. */
static inline int sk_find(sk_finding *finding, sk_coder code, char *scratch) {
    finding->descriptor = sk_open_beneath(finding->path, finding->root_size, finding->follows);
    if (finding->descriptor < 0) {
        finding->is_absent = errno == ENOENT;
        return 0;
    }
    if (!sk_represent(finding, code)) {
        sk_finding_clear(finding);
        return 0;
    }
    if (finding->coded == NULL)
        sk_warm(finding->descriptor, scratch);
    return 1;
}

#endif
