/* grounds.h for tests/core/test_grounds.py, which asks it and the Python code the same. */
#include "grounds.h"

static sk_text text(const char *bytes) { return (sk_text){bytes, strlen(bytes)}; }

int fits(const char *pattern, const char *name) { return sk_fits(text(pattern), text(name)); }

int has_hash(const char *name) { return sk_has_hash(text(name)); }

void write_etag(
    unsigned long long device, unsigned long long inode, long long modified_ns, unsigned long long size,
    const char *coding, char *etag) {
    sk_write_etag(&(sk_identity){device, inode, size, modified_ns, 0}, coding, etag);
}

void blake2(const char *data, size_t size, unsigned char *hash, size_t length) { sk_blake2(data, size, hash, length); }

/* The rule for `authority` among the hosts, as long as there are some; "": there is none. */
void host_rule(const char *const *hosts, const char *authority, char *rule) {
    sk_ground grounds[16] = {{0}};
    char name[SK_HOST_NAME_MAX + 1];
    sk_grounds all = {grounds, 0};
    sk_text found;
    for (; hosts[all.count] != NULL; all.count++)
        grounds[all.count].host = text(hosts[all.count]);
    found = sk_host_rule(&all, NULL, text(authority), name);
    memcpy(rule, found.bytes, found.size);
    rule[found.size] = '\0';
}

/* Of a folder at `mount`, beside an application at /app: what `path` is the name of, and the path
 * below the folder of some file. */
int find_place(const char *mount, int shows_dotfiles, const char *index, const char *path, char *found) {
    const sk_folder folder = {.shows_dotfiles = shows_dotfiles, .index = text(index)};
    const sk_ground grounds[] = {
        {.host = text("default"), .mount = text("/app")},
        {.host = text("default"), .mount = text(mount), .folder = &folder, .folder_mount = strlen(mount)}};
    sk_place place;
    const sk_named named = sk_find_place(&(sk_grounds){grounds, 2}, NULL, text("h"), text(path), &place);
    if (named == SK_SOME_FILE)
        memcpy(found, place.path, place.size + 1);
    return (int)named;
}

/* The type of a file called `name` in a folder that knows `suffix` only; -1: it is not sure, 0: of another. */
int has_type(const char *suffix, const char *name) {
    const sk_type types[] = {{text(suffix), text("known"), 0}};
    const sk_folder folder = {.types = types, .type_count = 1};
    sk_place place = {.folder = &folder};
    const sk_type *type;
    place.size = (size_t)snprintf(place.path, sizeof place.path, "/%s", name);
    type = sk_type_of(&place);
    return type == NULL ? -1 : type == types;
}
