/* Which file a request is for, where only a folder has to be asked: routes of files as C sees them.
 *
 * What they say is settled by the service (engine.Ground) before the first connection and stands from then on.  The
 * rules are those of skitai/core/routes.py, static.py, caching.py and mediatypes.py, as far as they say "this file,
 * with these fields": anything else, each refusal among it, is left to them.  tests/core/test_grounds.py asks both.
 *
 * Pure functions; any thread.
 */
#ifndef SKITAI_GROUNDS_H
#define SKITAI_GROUNDS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "blake2.h"
#include "httpdate.h"
#include "shelf.h"
#include "text.h"

enum {
    SK_HOST_NAME_MAX = 253,     /* RFC 1035 section 2.3.4 */
    SK_ASKED_PATH_MAX = 1024,
    SK_SUFFIX_MAX = 16,
    SK_HASH_MIN = 8,            /* characters of a hash in a name: skitai/core/caching.py */
    SK_HASH_MAX = 64,
    SK_ETAG_BYTES = 12,
    SK_ETAG_SIZE = 2 * SK_ETAG_BYTES + 2,
    SK_WEAK_ETAG_SIZE = SK_ETAG_SIZE + 2,
};

/* In heads and pages of a folder, where the file's own values stand; none has bytes like these. */
enum {
    SK_SLOT_TYPE = 1,
    SK_SLOT_LENGTH,
    SK_SLOT_MODIFIED,
    SK_SLOT_ETAG,
    SK_SLOT_CACHE,
    SK_SLOT_CODING,
    SK_SLOT_SIZE,               /* of a file, where what is asked for lies behind its end */
    SK_SLOTS
};

/* What a file is sent as, by which its heads differ. */
typedef enum {
    SK_PLAIN,                   /* the only form of it */
    SK_COULD_BE_CODED,          /* and is not, for this client */
    SK_CODED,                   /* on its way */
    SK_BESIDE_FORMS,            /* as it is, though there are compressed forms */
    SK_FORM,                    /* one of these */
    SK_KINDS
} sk_sending;

typedef struct {
    sk_text suffix, value;
    int is_coded;               /* on its way, for clients that like it */
} sk_type;

typedef struct {
    sk_text pattern;            /* of "*" and what stands for itself */
    int is_path;                /* it is for the path below the mount, not for the name alone */
    sk_text value;
} sk_cache_rule;

typedef struct {
    sk_text root, index;        /* index: a name; empty: there is none */
    int shows_dotfiles, follows, looks_beside;
    const sk_type *types;
    int type_count;
    sk_type other_type;
    const sk_cache_rule *rules;
    int rule_count;
    sk_text otherwise;          /* Cache-Control where no rule fits */
    sk_text for_hashed;         /* the same for names with a hash; `bytes` NULL: as any other */
    uint64_t coded_from;        /* bytes */
    int level;                  /* of coding */
    sk_head heads[SK_KINDS][SK_HEADS]; /* with slots behind the date; none of 206 for what is coded */
} sk_folder;

/* What is mounted at a path. */
typedef struct {
    const void *site;
    sk_text host;               /* a name, a ".domain", or "default" */
    sk_text mount;              /* without a slash at its end */
    const sk_folder *folder;    /* NULL: others have a word */
    size_t folder_mount;        /* bytes of the path in front of what is below the folder */
    int has_our_errors;         /* errors are answered with pages that are ours (refusing.h) */
    int slot;                   /* where its requests are counted */
    int ends;                   /* so is what is not there: nobody else is asked */
} sk_ground;

typedef struct {
    const sk_ground *grounds;
    int count;
} sk_grounds;

/* Which file of which folder. */
typedef struct {
    const sk_ground *ground;
    const sk_folder *folder;
    int is_index;               /* it is asked for by the name of its folder */
    size_t size;
    char path[SK_ASKED_PATH_MAX]; /* below the folder, with a slash in front, and NUL behind */
} sk_place;

/* -- the host ------------------------------------------------------------------------------------- */

static inline int sk_has_host(const sk_grounds *grounds, const void *site, sk_text host) {
    for (int place = 0; place < grounds->count; place++)
        if (grounds->grounds[place].site == site && sk_same(grounds->grounds[place].host, host))
            return 1;
    return 0;
}

/* The rule for `authority`, a name with a port perhaps: the name itself, else the longest domain around it, else the
 * default; `name` has room for what is found.  Empty: there is none. */
static inline sk_text sk_host_rule(
    const sk_grounds *grounds, const void *site, sk_text authority, char name[SK_HOST_NAME_MAX + 1]) {
    const char *colon = memchr(authority.bytes, ':', authority.size);
    size_t size = colon != NULL ? (size_t)(colon - authority.bytes) : authority.size;
    sk_text rest = {"default", 7};
    if (size > 0 && authority.bytes[size - 1] == '.')
        size--;
    if (size > SK_HOST_NAME_MAX)
        return (sk_text){"", 0};
    name[0] = '.';
    for (size_t place = 0; place < size; place++) {
        const char byte = authority.bytes[place];
        name[place + 1] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    if (sk_has_host(grounds, site, (sk_text){name + 1, size}))
        return (sk_text){name + 1, size};
    for (size_t at = 0; at <= size;) {
        const char *dot;
        const sk_text domain = {name + at, size + 1 - at};
        if (sk_has_host(grounds, site, domain))
            return domain;
        dot = memchr(name + at + 1, '.', size - at);
        if (dot == NULL)
            break;
        at = (size_t)(dot - name);
    }
    return sk_has_host(grounds, site, rest) ? rest : (sk_text){"", 0};
}

/* -- the path --------------------------------------------------------------------------------------- */

static inline int sk_hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The path without escapes; 0: it is too long, or has one that is none, or one of NUL, slash or backslash. */
static inline size_t sk_unescape(sk_text path, char decoded[SK_ASKED_PATH_MAX]) {
    size_t size = 0;
    if (path.size >= SK_ASKED_PATH_MAX)
        return 0;
    for (size_t place = 0; place < path.size; place++) {
        char byte = path.bytes[place];
        if (byte == '%') {
            const int high = place + 2 < path.size ? sk_hex_digit(path.bytes[place + 1]) : -1;
            const int low = high >= 0 ? sk_hex_digit(path.bytes[place + 2]) : -1;
            if (low < 0)
                return 0;
            byte = (char)(high << 4 | low);
            if (byte == '/')
                return 0;
            place += 2;
        }
        if (byte == '\0' || byte == '\\')
            return 0;
        decoded[size++] = byte;
    }
    return size;
}

/* A name that no client needs to send, or that is not to be seen. */
static inline int sk_is_no_name(const char *name, size_t size, int shows_dotfiles) {
    if (size == 0 || (size == 1 && name[0] == '.') || (size == 2 && memcmp(name, "..", 2) == 0))
        return 1;
    return name[0] == '.' && !shows_dotfiles && !(size == 11 && memcmp(name, ".well-known", 11) == 0);
}

/* What a path may be the name of. */
typedef enum { SK_UNSURE_WHAT /* the general path has to say */, SK_SOME_FILE, SK_NO_FILE } sk_named;

/* `rest`, what is asked for below `place->folder`, as the path of a file. */
static inline sk_named sk_settle_path(sk_place *place, sk_text rest) {
    const sk_folder *folder = place->folder;
    const char *name = rest.bytes + 1, *end = rest.bytes + rest.size;
    if (rest.size == 0 || rest.bytes[0] != '/')
        return SK_UNSURE_WHAT;
    while (name < end) {
        const char *slash = memchr(name, '/', (size_t)(end - name));
        const char *behind = slash != NULL ? slash : end;
        if (sk_is_no_name(name, (size_t)(behind - name), folder->shows_dotfiles))
            return SK_NO_FILE;
        name = slash != NULL ? slash + 1 : end;
    }
    place->size = rest.size;
    memcpy(place->path, rest.bytes, rest.size);
    place->is_index = end[-1] == '/';
    if (place->is_index) {
        if (folder->index.size == 0 || rest.size + folder->index.size >= SK_ASKED_PATH_MAX)
            return SK_UNSURE_WHAT;
        memcpy(place->path + place->size, folder->index.bytes, folder->index.size);
        place->size += folder->index.size;
    }
    place->path[place->size] = '\0';
    return SK_SOME_FILE;
}

/* Is `mount` around `path`, on the border of a segment? */
static inline int sk_covers(sk_text mount, const char *path, size_t size) {
    return size >= mount.size && memcmp(path, mount.bytes, mount.size) == 0
        && (size == mount.size || path[mount.size] == '/');
}

/* What is mounted at `path`, decoded, of `host`, if it is a folder; NULL: the general path has to say. */
static inline const sk_ground *sk_find_ground(
    const sk_grounds *grounds, const void *site, sk_text host, const char *decoded, size_t size) {
    char name[SK_HOST_NAME_MAX + 1];
    const sk_text rule = sk_host_rule(grounds, site, host, name);
    const sk_ground *nearest = NULL;
    if (rule.size == 0 || size == 0 || (size == 5 && memcmp(decoded, "/ping", 5) == 0))
        return NULL;
    for (int number = 0; number < grounds->count; number++) {
        const sk_ground *ground = &grounds->grounds[number];
        if (ground->site == site && sk_same(ground->host, rule) && sk_covers(ground->mount, decoded, size)
            && (nearest == NULL || ground->mount.size > nearest->mount.size))
            nearest = ground;
    }
    return nearest != NULL && nearest->folder != NULL ? nearest : NULL;
}

/* The file that is asked for by `path` at `host`. */
static inline sk_named sk_find_place(
    const sk_grounds *grounds, const void *site, sk_text host, sk_text path, sk_place *place) {
    char decoded[SK_ASKED_PATH_MAX];
    const size_t size = sk_unescape(path, decoded);
    const sk_ground *ground = sk_find_ground(grounds, site, host, decoded, size);
    if (ground == NULL)
        return SK_UNSURE_WHAT;
    place->ground = ground;
    place->folder = ground->folder;
    return sk_settle_path(place, (sk_text){decoded + ground->folder_mount, size - ground->folder_mount});
}

/* Whether an error at `path` is answered with our pages. */
static inline int sk_has_our_errors(const sk_grounds *grounds, const void *site, sk_text host, sk_text path) {
    char decoded[SK_ASKED_PATH_MAX];
    const size_t size = sk_unescape(path, decoded);
    const sk_ground *ground = sk_find_ground(grounds, site, host, decoded, size);
    return ground != NULL && ground->has_our_errors;
}

/* -- what is said of it ---------------------------------------------------------------------------- */

/* Whether `name` is as `pattern` says, in which each "*" is any number of any bytes. */
static inline int sk_fits(sk_text pattern, sk_text name) {
    size_t at = 0, place = 0, star = SIZE_MAX, resume = 0;
    while (place < name.size) {
        if (at < pattern.size && pattern.bytes[at] == '*') {
            star = at++;
            resume = place;
        } else if (at < pattern.size && pattern.bytes[at] == name.bytes[place]) {
            at++;
            place++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            place = ++resume;
        } else {
            return 0;
        }
    }
    while (at < pattern.size && pattern.bytes[at] == '*')
        at++;
    return at == pattern.size;
}

/* Whether what a bundler puts into a name stands at `at`, a dot behind it. */
static inline int sk_is_hash(const char *at, const char *end) {
    const char *start = at;
    int digits = 0, low_hex = 0, high_hex = 0, low = 0, high = 0, others = 0;
    for (; at < end; at++) {
        const char byte = *at;
        if (byte >= '0' && byte <= '9')
            digits++;
        else if (byte >= 'a' && byte <= 'z')
            byte <= 'f' ? low_hex++ : low++;
        else if (byte >= 'A' && byte <= 'Z')
            byte <= 'F' ? high_hex++ : high++;
        else if (byte == '_')
            others++;
        else
            break;
    }
    if (at == end || *at != '.' || at - start < SK_HASH_MIN || at - start > SK_HASH_MAX || digits == 0)
        return 0;
    if (low + high + others == 0 && (low_hex == 0) != (high_hex == 0))
        return 1;
    return low + low_hex > 0 && high + high_hex > 0;
}

static inline int sk_has_hash(sk_text name) {
    const char *end = name.bytes + name.size;
    for (const char *at = name.bytes; at < end; at++)
        if ((*at == '.' || *at == '-') && sk_is_hash(at + 1, end))
            return 1;
    return 0;
}

static inline sk_text sk_name_of(const sk_place *place) {
    size_t start = place->size;
    while (place->path[start - 1] != '/')
        start--;
    return (sk_text){place->path + start, place->size - start};
}

/* Cache-Control. */
static inline sk_text sk_cache_control(const sk_place *place) {
    const sk_folder *folder = place->folder;
    const sk_text path = {place->path, place->size}, name = sk_name_of(place);
    for (int number = 0; number < folder->rule_count; number++) {
        const sk_cache_rule *rule = &folder->rules[number];
        if (sk_fits(rule->pattern, rule->is_path ? path : name))
            return rule->value;
    }
    return folder->for_hashed.bytes != NULL && sk_has_hash(name) ? folder->for_hashed : folder->otherwise;
}

/* Content-Type; NULL: the end of the name has letters that the table may know in another case. */
static inline const sk_type *sk_type_of(const sk_place *place) {
    const sk_folder *folder = place->folder;
    const sk_text name = sk_name_of(place);
    char suffix[SK_SUFFIX_MAX];
    size_t start = name.size;
    while (start > 0 && name.bytes[start - 1] != '.')
        start--;
    if (start == 0)
        return &folder->other_type;
    for (size_t at = start; at < name.size; at++) {
        const char byte = name.bytes[at];
        if ((unsigned char)byte > 0x7f)
            return NULL;
        if (at - start < SK_SUFFIX_MAX)
            suffix[at - start] = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
    }
    for (int number = 0; number < folder->type_count; number++) {
        const sk_type *type = &folder->types[number];
        if (type->suffix.size == name.size - start && memcmp(type->suffix.bytes, suffix, type->suffix.size) == 0)
            return type;
    }
    return &folder->other_type;
}

static inline int sk_forbids_coding(sk_text cache_control) {
    static const char word[] = "no-transform";
    for (size_t at = 0; at + sizeof word - 1 <= cache_control.size; at++)
        if (memcmp(cache_control.bytes + at, word, sizeof word - 1) == 0)
            return 1;
    return 0;
}

/* The strong tag of a file, or of one that is a form in `coding`; "": as it is. */
static inline void sk_write_etag(const sk_identity *identity, const char *coding, char etag[SK_ETAG_SIZE + 1]) {
    char text[SK_BLAKE2_BLOCK];
    unsigned char hash[SK_ETAG_BYTES];
    const int size = snprintf(text, sizeof text, "%llu %llu %lld %llu %s", (unsigned long long)identity->device,
        (unsigned long long)identity->inode, (long long)identity->modified_ns, (unsigned long long)identity->size,
        coding);
    sk_blake2(text, (size_t)size, hash, sizeof hash);
    *etag++ = '"';
    for (int place = 0; place < SK_ETAG_BYTES; place++, etag += 2) {
        etag[0] = "0123456789abcdef"[hash[place] >> 4];
        etag[1] = "0123456789abcdef"[hash[place] & 15];
    }
    memcpy(etag, "\"", 2);
}

/* `text`, a head or a page, with the file's own values, in `room`; empty: they are too long. */
static inline sk_text sk_fill(sk_text text, const sk_text values[SK_SLOTS], char *room, size_t most) {
    size_t size = 0;
    for (size_t at = 0; at < text.size; at++) {
        const unsigned char byte = (unsigned char)text.bytes[at];
        const sk_text part = byte < SK_SLOTS && byte > 0 ? values[byte] : (sk_text){text.bytes + at, 1};
        if (size + part.size > most)
            return (sk_text){"", 0};
        memcpy(room + size, part.bytes, part.size);
        size += part.size;
    }
    return (sk_text){room, size};
}

#endif
