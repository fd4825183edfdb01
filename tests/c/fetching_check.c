/* Files that are fetched, alone: what is put on the shelf, what is not, and that nobody waits for a disk that hangs.
 * A folder for files is the only argument. */
#include <fcntl.h>
#include <pthread.h>

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

/* A disk that hangs for as long as the lock is held. */
static int slow_openat(int folder, const char *name, int flags) {
    pthread_mutex_lock(&disk);
    pthread_mutex_unlock(&disk);
    return openat(folder, name, flags);
}

#define openat slow_openat
#include "check.h"
#include "fetching.h"
#include "parcel.h"

#include <sys/time.h>

static const char HEAD[] = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX: \1|\2|\3|\4|\5|\6\r\n\r\n";
static int site, folders;
static char root[4000];

static sk_text text(const char *bytes) { return (sk_text){bytes, strlen(bytes)}; }

static void write_file(const char *name, const char *bytes) {
    char path[5000];
    struct timeval times[2] = {{1000, 0}, {1000, 0}};
    int fd;
    snprintf(path, sizeof path, "%s/%s", root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
    close(fd);
    CHECK(utimes(path, times) == 0);
}

static void link_to(const char *to, const char *name) {
    char path[5000];
    snprintf(path, sizeof path, "%s/%s", root, name);
    CHECK(symlink(to, path) == 0);
}

static const sk_type TYPES[] = {{{"txt", 3}, {"text/plain", 10}, 1}};
static sk_folder folder = {.index = {"index.txt", 9}, .looks_beside = 1, .types = TYPES, .type_count = 1,
    .other_type = {.value = {"other", 5}}, .otherwise = {"cache", 5}, .coded_from = 100, .level = 4};
static sk_ground ground = {.site = &site, .host = {"default", 7}, .mount = {"", 0}, .folder = &folder};

/* A coder: of the content is told how it was asked for. */
static char *code(const char *bytes, size_t size, int is_gzip, int level, size_t *coded_size) {
    char *coded = malloc(64);
    CHECK(size >= 100 && bytes[0] == 'x');
    *coded_size = (size_t)snprintf(coded, 64, "%s %d", is_gzip ? "gzip" : "deflate", level);
    return coded;
}

static sk_fetching *open_fetching(sk_shelf *shelf) {
    sk_fetching *fetching = calloc(1, sizeof *fetching);
    folder.root = text(root);
    for (int kind = 0; kind < SK_HEADS; kind++)
        for (int sending = 0; sending < SK_KINDS; sending++)
            folder.heads[sending][kind] = (sk_head){text(HEAD), 23};
    *fetching = (sk_fetching){.shelf = shelf, .notice = -1, .folders = &folders, .grounds = {&ground, 1},
        .code = code};
    return fetching;
}

/* Until the errand has ended. */
static void await(sk_fetching *fetching, int errand) {
    uint32_t ended = 0;
    for (int turn = 0; turn < 5000 && !(ended >> (errand - 1) & 1); turn++) {
        usleep(1000);
        sk_shelf_clock(fetching->shelf, sk_monotonic(), time(NULL));
        ended |= sk_take_fetched(fetching);
    }
    CHECK(ended >> (errand - 1) & 1);
}

static sk_item *fetched(sk_fetching *fetching, const char *path, const char *accept) {
    const int errand = sk_fetch(fetching, &site, text("h"), text(path), text(accept));
    sk_item *item;
    if (errand == 0)
        return NULL;
    await(fetching, errand);
    item = sk_shelf_find(fetching->shelf, &site, text("h"), text(path));
    return item != NULL ? sk_shelf_take(fetching->shelf, item, text(accept)) : NULL;
}

static int says(const sk_item *item, const char *what) {
    const sk_text head = item->heads[0].text;
    return memmem(head.bytes, head.size, what, strlen(what)) != NULL;
}

static void what_is_coded(sk_fetching *fetching) {
    sk_shelf *shelf = fetching->shelf;
    sk_item *item = fetched(fetching, "/long.txt", "gzip, br;q=0.5");
    CHECK(sk_same(item->content, text("gzip 4")) && item->descriptor < 0 && item->size == 6 && !shelf->makeshifts);
    CHECK(says(item, "X: text/plain|6|") && says(item, "|W/\"") && says(item, "|gzip\r\n") && item->witness_count == 4);
    CHECK(sk_same(item->accept, text("gzip, br;q=0.5")) && item->validators.etag.size == SK_WEAK_ETAG_SIZE);
    CHECK(sk_same(fetched(fetching, "/long.txt", "deflate")->content, text("deflate 4")));
    CHECK(says(fetched(fetching, "/long.txt", "br;q=0"), "|100|") && !fetched(fetching, "/long.txt", "br"));
    CHECK(!fetched(fetching, "/long.txt", "gzip;q=x") && !shelf->makeshifts);
    CHECK(sk_same(fetched(fetching, "/long.txt", "zstd, gzip")->content, text("gzip 4")) && shelf->makeshifts == 1);
    CHECK(fetched(fetching, "/five.txt", "br, gzip") != NULL && !fetched(fetching, "/longer.txt", "gzip"));
    sk_shelf_drop_makeshifts(shelf);
    CHECK(!shelf->makeshifts && fetched(fetching, "/long.txt", "gzip, br;q=0.5") != NULL);
    CHECK(fetched(fetching, "/long.txt", "zstd, gzip") != NULL);
    sk_shelf_drop_makeshifts(shelf);
    fetching->errands->code = NULL; /* as without zlib */
    sk_fetch_again(fetching);
    CHECK(!fetched(fetching, "/long.txt", "zstd, gzip") && fetched(fetching, "/long.txt", "*;q=0") != NULL);
    fetching->errands->code = code;
    sk_fetch_again(fetching);
}

static void what_is_not_there(sk_fetching *fetching) {
    const sk_text host = text("h"), none = text("/none.txt"), accept = text("");
    CHECK(!fetched(fetching, "/none.txt", "") && !sk_fetch(fetching, &site, host, none, accept));
    CHECK(!sk_fetch(fetching, &site, host, text("/.hidden"), accept));
    ground.ends = 1;
    sk_fetch_again(fetching);
    await(fetching, sk_fetch(fetching, &site, host, none, accept));
    CHECK(sk_fetch(fetching, &site, host, none, accept) == SK_IS_ABSENT);
    CHECK(sk_fetch(fetching, &site, host, text("/.hidden"), accept) == SK_IS_ABSENT);
    CHECK(!fetched(fetching, "/none/", "") && !sk_fetch(fetching, &site, host, text("/none/"), accept));
    fetching->shelf->now += 1.5; /* it may have come */
    await(fetching, sk_fetch(fetching, &site, host, none, accept));
    ground.ends = 0;
    sk_fetch_again(fetching);
}

static void what_has_forms(sk_fetching *fetching) {
    sk_item *item = fetched(fetching, "/formed", "gzip, br");
    CHECK(sk_same(item->content, text("brotli")) && says(item, "|br\r\n") && says(item, "X: other|6|"));
    CHECK(item->witness_count == 4 && item->validators.etag.size == SK_ETAG_SIZE && !fetching->shelf->makeshifts);
    item = fetched(fetching, "/formed", "gzip");
    CHECK(sk_same(item->content, text("1")) && says(item, "|\r\n") && sk_same(item->accept, text("gzip")));
    CHECK(!fetched(fetching, "/formed", "br;q=+1") && !fetched(fetching, "/linked", "br"));
    CHECK(fetched(fetching, "/linked", "") != NULL);
}

static void what_is_put(sk_fetching *fetching) {
    const char said[] = "X: text/plain|5|Thu, 01 Jan 1970 00:16:40 GMT|\"";
    sk_item *item = fetched(fetching, "/five.txt", "gzip");
    CHECK(item != NULL && item->size == 5 && memcmp(item->content.bytes, "12345", 5) == 0);
    CHECK(item->accept.bytes == NULL);
    CHECK(memmem(item->heads[0].text.bytes, item->heads[0].text.size, said, sizeof said - 1) != NULL);
    CHECK(memcmp(item->heads[0].text.bytes + item->heads[0].date, "Thu, 01 Jan 1970", 16) == 0);
    CHECK(item->validators.modified == 1000 && item->validators.etag.size == SK_ETAG_SIZE && item->witness_count == 4);
    CHECK(fetched(fetching, "/", "") != NULL && fetched(fetching, "/sub/deep.txt", "") != NULL);
    what_is_coded(fetching);
    what_has_forms(fetching);
    what_is_not_there(fetching);
    CHECK(sk_same(fetched(fetching, "/long.txt", "identity")->accept, text("identity")));
    CHECK(fetched(fetching, "/long.txt", "")->accept.size == 0);
    CHECK(!fetched(fetching, "/none", "") && !fetched(fetching, "/sub", "") && !fetched(fetching, "/sub/", ""));
    CHECK(says(fetched(fetching, "/link", ""), "X: other|5|") && fetched(fetching, "/way/deep.txt", ""));
    CHECK(!fetched(fetching, "/out", "") && !fetched(fetching, "/up/elsewhere", "") && !fetched(fetching, "/loop", ""));
    CHECK(!fetched(fetching, "/here", "") && !fetched(fetching, "/five.txt/x", ""));
    CHECK(!fetched(fetching, "/fifo", "") && !fetched(fetching, "/../x", ""));
    write_file("young", "1");
    CHECK(!fetched(fetching, "/young", "") && !sk_fetch(fetching, &site, text("h"), text("/young"), text("")));
    sk_fetch_again(fetching);
    CHECK(sk_fetch(fetching, &site, text("h"), text("/young"), text("")));
    folder.follows = 1;
    CHECK(fetched(fetching, "/out", "") && fetched(fetching, "/up/elsewhere", ""));
    folder.follows = 0;
}

static void nobody_waits_for_a_disk(sk_shelf *shelf) {
    sk_fetching *fetching = open_fetching(shelf);
    double begun = sk_monotonic();
    char path[32];
    int errand = 0;
    sk_shelf_drop(shelf, sk_shelf_find(shelf, &site, text("h"), text("/five.txt")));
    pthread_mutex_lock(&disk);
    for (int number = 0; number < 3 * SK_ERRANDS; number++) {
        snprintf(path, sizeof path, "/%d", number);
        const sk_text asked = text(number ? path : "/five.txt");
        errand = sk_fetch(fetching, &site, text("h"), asked, text(""));
        CHECK(errand > 0 && errand <= SK_ERRANDS && sk_take_fetched(fetching) == 0);
        CHECK(number >= SK_ERRANDS || errand == sk_fetch(fetching, &site, text("h"), asked, text("")));
    }
    pthread_mutex_unlock(&disk);
    await(fetching, 1);
    CHECK(sk_shelf_find(shelf, &site, text("h"), text("/five.txt")) != NULL);
    sk_fetch_again(fetching);
    pthread_mutex_lock(&disk);
    CHECK(sk_fetch(fetching, &site, text("h"), text("/more"), text("")));
    usleep(10000);
    sk_fetching_close(fetching); /* while the thread hangs */
    free(fetching);
    CHECK(sk_monotonic() - begun < 5);
    pthread_mutex_unlock(&disk);
    usleep(100000); /* it leaves, and frees what was left to it */
}

int main(int count, char **arguments) {
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 10, 64);
    sk_fetching *fetching;
    char path[5000], hundred[101];
    CHECK(count == 2);
    snprintf(root, sizeof root, "%s/fetched", arguments[1]);
    snprintf(path, sizeof path, "%s/sub", root);
    CHECK(mkdir(root, 0700) == 0 && mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/fifo", root);
    CHECK(mkfifo(path, 0600) == 0);
    memset(hundred, 'x', 100);
    hundred[100] = '\0';
    write_file("five.txt", "12345");
    write_file("index.txt", "i");
    write_file("longer.txt", "x");
    snprintf(path, sizeof path, "%s/longer.txt", root);
    CHECK(truncate(path, SK_CODES_MAX + 1) == 0);
    write_file("sub/deep.txt", "deep");
    write_file("long.txt", hundred);
    write_file("formed", "1");
    write_file("formed.br", "brotli");
    write_file("formed.zst", "");
    write_file("linked", "2");
    link_to("../elsewhere", "linked.br");
    link_to("five.txt", "link");
    link_to("sub", "way");
    link_to("../elsewhere", "out");
    link_to("..", "up");
    link_to("loop", "loop");
    link_to(".", "here");
    write_file("../elsewhere", "secret");
    usleep(2200000); /* old enough to be kept */
    fetching = open_fetching(shelf);
    what_is_put(fetching);
    nobody_waits_for_a_disk(shelf);
    sk_fetching_close(fetching);
    free(fetching);
    sk_shelf_close(shelf);
    return 0;
}
