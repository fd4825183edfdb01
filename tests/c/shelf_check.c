/* The shelf alone: what is kept, how long, how much, and what its parcels send.  A folder for files is
 * the only argument. */
#include "check.h"
#include "notice.h"
#include "parcel.h"

#include <sys/time.h>

static const char HEAD[] = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"e\"\r\n\r\n";
static const char PART[] = "HTTP/1.1 206 Partial Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
static const char UNCHANGED[] = "HTTP/1.1 304 Not Modified\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
static int site, elsewhere;

static sk_text text(const char *bytes) { return (sk_text){bytes, strlen(bytes)}; }

static void write_file(const char *name, const char *bytes, size_t size) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static sk_witness witness(const char *file) {
    struct stat status;
    if (stat(file, &status))
        return (sk_witness){.path = file};
    return (sk_witness){file, 1, sk_identity_of(&status)};
}

/* With `accept`: for clients that say that.  With `other`: that file is a witness too, or that there is none. */
static int put_variant(
    sk_shelf *shelf, const char *host, const char *path, const char *file, const char *accept, const char *other) {
    struct stat status;
    int fd = open(file, O_RDONLY), kept;
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    kept = sk_shelf_put(shelf, &(sk_offer){.site = &site, .host = text(host), .path = text(path),
        .accept = accept ? text(accept) : (sk_text){0},
        .heads = {{text(HEAD), 23}, {text(UNCHANGED), 33}, {text(PART), 36}}, .etag = text("\"e\""),
        .descriptor = fd, .size = (uint64_t)status.st_size,
        .witnesses = (sk_witness[]){witness(file), other ? witness(other) : witness(file)}, .witness_count = other ? 2 : 1});
    close(fd);
    return kept;
}

static int put(sk_shelf *shelf, const char *host, const char *path, const char *file) {
    return put_variant(shelf, host, path, file, NULL, NULL);
}

static sk_item *find_for(sk_shelf *shelf, const char *host, const char *path, const char *accept) {
    sk_item *item = sk_shelf_find(shelf, &site, text(host), text(path));
    return item ? sk_shelf_take(shelf, item, text(accept)) : NULL;
}

static sk_item *find(sk_shelf *shelf, const char *host, const char *path) {
    return find_for(shelf, host, path, "any");
}

static void pack(sk_parcel *parcel, sk_shelf *shelf, const char *path, sk_wish wish) {
    sk_pack(parcel, shelf, find(shelf, "h", path), &wish);
}

static void dates(void) {
    char date[SK_DATE_SIZE + 1], expected[64];
    const time_t day = 86400;
    for (time_t when = 0; when < 200 * 366 * day; when += 7 * day / 3 + 1237) {
        struct tm parts;
        sk_write_date(date, when);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &parts));
        CHECK(strcmp(date, expected) == 0);
    }
}

static void trust(const char *file) {
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2, 64);
    write_file(file, "first", 5);
    sk_shelf_clock(shelf, 10.0, 0);
    CHECK(put(shelf, "h", "/a", file));
    CHECK(find(shelf, "h", "/a") && !find(shelf, "H", "/a") && !find(shelf, "h", "/A") && !find(shelf, "h/", "a"));
    CHECK(!sk_shelf_find(shelf, &elsewhere, text("h"), text("/a")));
    CHECK(find(shelf, "h", "/a")->descriptor == -1 && find(shelf, "h", "/a")->size == 5);
    write_file(file, "second", 6);
    CHECK(find(shelf, "h", "/a")->size == 5); /* believed */
    sk_shelf_clock(shelf, 10.9, 0);
    CHECK(find(shelf, "h", "/a"));
    sk_shelf_clock(shelf, 11.1, 0);
    CHECK(!find(shelf, "h", "/a") && shelf->memory == 0);
    CHECK(put(shelf, "h", "/a", file) && find(shelf, "h", "/a")->size == 6);
    sk_shelf_clock(shelf, 13.0, 0);
    CHECK(find(shelf, "h", "/a")); /* nothing has changed */
    /* Another file of the same size and time in its place is another inode. */
    struct timeval times[2] = {{1000, 0}, {1000, 0}};
    char other[4096];
    snprintf(other, sizeof other, "%s.other", file);
    write_file(other, "SECOND", 6);
    CHECK(utimes(file, times) == 0 && utimes(other, times) == 0);
    sk_shelf_clock(shelf, 15.0, 0);
    CHECK(!find(shelf, "h", "/a")); /* utimes has changed the time of the inode */
    CHECK(put(shelf, "h", "/a", file) && rename(other, file) == 0);
    sk_shelf_clock(shelf, 17.0, 0);
    CHECK(!find(shelf, "h", "/a"));
    CHECK(put(shelf, "h", "/a", file) && put(shelf, "h", "/a", file) && unlink(file) == 0);
    sk_shelf_clock(shelf, 19.0, 0);
    CHECK(!find(shelf, "h", "/a") && shelf->memory == 0 && shelf->open == 0);
    sk_shelf_close(shelf);
}

static void settled(void) {
    const int64_t second = 1000000000;
    sk_witness one = {.is_there = 1, .identity = {.modified_ns = 100 * second, .changed_ns = 100 * second}};
    CHECK(sk_settled(&one, 103.0) && !sk_settled(&one, 101.5));
    one.identity.changed_ns = 102 * second; /* the time of the data was set back */
    CHECK(!sk_settled(&one, 103.0));
    one.is_there = 0;
    CHECK(sk_settled(&one, 103.0));
}

static void variants(const char *file) {
    char accept[32], other[4096];
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2, 64);
    snprintf(other, sizeof other, "%s.gz", file);
    write_file(file, "plain", 5);
    write_file(other, "coded", 5);
    sk_shelf_clock(shelf, 10.0, 0);
    CHECK(put_variant(shelf, "h", "/a", file, "", NULL) && put_variant(shelf, "h", "/a", other, "gzip", file));
    CHECK(memcmp(find_for(shelf, "h", "/a", "")->content.bytes, "plain", 5) == 0);
    CHECK(memcmp(find_for(shelf, "h", "/a", "gzip")->content.bytes, "coded", 5) == 0);
    CHECK(!find_for(shelf, "h", "/a", "gzip, br") && !find_for(shelf, "h", "/a", "gz"));
    for (int number = 0; number < 100; number++) { /* whatever clients say */
        snprintf(accept, sizeof accept, "x%d", number);
        CHECK(put_variant(shelf, "h", "/a", file, accept, NULL) && find_for(shelf, "h", "/a", accept));
        CHECK(put_variant(shelf, "h", "/a", file, accept, NULL) && shelf->memory < 8 * 1000);
    }
    CHECK(find_for(shelf, "h", "/a", "x92") && !find_for(shelf, "h", "/a", "x91"));
    CHECK(put(shelf, "h", "/a", file)); /* it does not vary any more */
    CHECK(find_for(shelf, "h", "/a", "x99") == find_for(shelf, "h", "/a", "") && shelf->memory < 1000);
    CHECK(put_variant(shelf, "h", "/a", file, "gzip", NULL) && !find_for(shelf, "h", "/a", "x99"));
    /* What is made of two files is good for as long as both are as they were; and so is what is not there. */
    CHECK(put_variant(shelf, "h", "/b", other, "gzip", file));
    write_file(file, "changed", 7);
    sk_shelf_clock(shelf, 12.0, 0);
    CHECK(!find_for(shelf, "h", "/b", "gzip"));
    CHECK(unlink(other) == 0 && put_variant(shelf, "h", "/c", file, NULL, other));
    sk_shelf_clock(shelf, 14.0, 0);
    CHECK(find(shelf, "h", "/c"));
    write_file(other, "again", 5);
    CHECK(find(shelf, "h", "/c"));
    sk_shelf_clock(shelf, 16.0, 0);
    CHECK(!find(shelf, "h", "/c"));
    sk_shelf_close(shelf);
}

static void doubts(const char *file) {
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2, 64);
    int told = sk_notice_open(), folders = 0;
    char byte;
    write_file(file, "first", 5);
    sk_shelf_clock(shelf, 10.0, 0);
    CHECK(put(shelf, "h", "/a", file) && put(shelf, "h", "/b", file));
    sk_notice_folder_of(told, file, &folders);
    CHECK(told < 0 || (folders == 1 && read(told, &byte, 1) < 0 && errno == EAGAIN));
    write_file(file, "second", 6);
    CHECK(told < 0 || (read(told, &byte, 1) < 0 && errno == EINVAL)); /* news, longer than a byte */
    sk_notice_drain(told);
    CHECK(told < 0 || (read(told, &byte, 1) < 0 && errno == EAGAIN));
    CHECK(find(shelf, "h", "/a"));
    sk_shelf_doubt(shelf, 1);
    CHECK(!find(shelf, "h", "/a") && put(shelf, "h", "/a", file) && find(shelf, "h", "/a"));
    write_file(file, "third", 5);
    CHECK(!find(shelf, "h", "/a") && put(shelf, "h", "/a", file));
    sk_shelf_clock(shelf, 10.5, 0);
    sk_shelf_doubt(shelf, 0);
    CHECK(!find(shelf, "h", "/b")); /* last looked at before */
    sk_shelf_clock(shelf, 10.6, 0);
    CHECK(find(shelf, "h", "/a"));
    write_file(file, "fourth", 6);
    sk_shelf_clock(shelf, 10.7, 0);
    CHECK(find(shelf, "h", "/a")); /* believed: nobody has told */
    sk_notice_folder_of(told, "no/such/folder/x", &folders);
    sk_notice_folder_of(told, "name", &folders);
    if (told >= 0)
        close(told);
    sk_shelf_close(shelf);
}

static void bounds(const char *file) {
    static char bytes[SK_CONTENT_MAX + 1];
    char path[32];
    sk_shelf *shelf = sk_shelf_open(7, 200000, 2, 64);
    const sk_text pong = text("pong");
    CHECK(sk_shelf_put(shelf,
        &(sk_offer){.path = text("/ping"), .heads = {{text(HEAD), 23}}, .content = pong, .descriptor = -1}));
    write_file(file, bytes, 1000);
    for (int number = 0; number < 1000; number++) {
        snprintf(path, sizeof path, "/%d", number);
        CHECK(put(shelf, "h", path, file) && find(shelf, "h", "/0") && shelf->memory <= 200000);
        CHECK(sk_same(find(shelf, path, "/ping")->content, pong));
    }
    CHECK(find(shelf, "h", "/999") && !find(shelf, "h", "/500")); /* /0 was used all the time */
    write_file(file, bytes, SK_CONTENT_MAX + 1);
    for (int number = 0; number < 10; number++) {
        snprintf(path, sizeof path, "/large%d", number);
        CHECK(put(shelf, "h", path, file) && shelf->open <= 2);
    }
    CHECK(!find(shelf, "h", "/large7") && find(shelf, "h", "/large9")->descriptor >= 0);
    write_file(file, bytes, SK_CONTENT_MAX);
    CHECK(put(shelf, "h", "/middle", file) && find(shelf, "h", "/middle")->descriptor < 0 && shelf->open == 2);
    sk_shelf_drop(shelf, find(shelf, "h", "/large9"));
    CHECK(put(shelf, "h", "/middle", file) && find(shelf, "h", "/middle")->descriptor >= 0 && shelf->open == 2);
    sk_shelf_close(shelf);
    shelf = sk_shelf_open(7, 0, 0, 64);
    CHECK(!put(shelf, "h", "/", file));
    sk_shelf_close(shelf);
}

static size_t drain(int fd, char *at) {
    size_t total = 0;
    ssize_t size;
    while ((size = recv(fd, at + total, 1 << 20, MSG_DONTWAIT)) > 0)
        total += (size_t)size;
    return total;
}

static void parcels(const char *file, size_t size) {
    static char bytes[1 << 20], received[2 << 20];
    char expected[128];
    const size_t head = sizeof HEAD - 1;
    const sk_wish whole = {.kind = SK_WHOLE, .with_content = 1, .stays = 1};
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2, 64);
    sk_parcel parcel;
    sk_parcel_state state;
    size_t total = 0;
    int ends[2], turns = 0;
    for (size_t place = 0; place < size; place++)
        bytes[place] = (char)(place * 7 + place / 251);
    write_file(file, bytes, size);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    sk_shelf_clock(shelf, 1.0, 784111777);
    CHECK(put(shelf, "h", "/a", file));
    pack(&parcel, shelf, "/a", whole);
    sk_shelf_drop(shelf, find(shelf, "h", "/a")); /* the parcel has its own hold on it */
    while ((state = sk_parcel_send(&parcel, ends[0], 50000)) != SK_PARCEL_SENT) {
        CHECK(state == SK_PARCEL_MORE || state == SK_PARCEL_WAITS);
        total += drain(ends[1], received + total);
        turns++;
    }
    total += drain(ends[1], received + total);
    CHECK(total == head + size && memcmp(received + head, bytes, size) == 0 && (size < 100000 || turns));
    CHECK(memcmp(received + 17, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 37) == 0);
    CHECK(parcel.sent == total && parcel.status == 200 && sk_parcel_rest(&parcel) == 0);
    sk_parcel_release(&parcel);
    CHECK(put(shelf, "h", "/a", file));
    pack(&parcel, shelf, "/a", (sk_wish){.kind = SK_WHOLE}); /* HEAD, and close */
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT);
    total = drain(ends[1], received);
    CHECK(total == head + 19 && memcmp(received + head - 2, "Connection: close\r\n\r\n", 21) == 0);
    sk_parcel_release(&parcel);
    pack(&parcel, shelf, "/a", (sk_wish){.kind = SK_UNCHANGED, .with_content = 1, .stays = 1});
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT && parcel.status == 304);
    CHECK(drain(ends[1], received) == sizeof UNCHANGED - 1 && memcmp(received, UNCHANGED, 27) == 0);
    sk_parcel_release(&parcel);
    pack(&parcel, shelf, "/a",
        (sk_wish){.kind = SK_PART, .first = size - 4, .count = 3, .with_content = 1, .stays = 1});
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT && parcel.status == 206);
    total = drain(ends[1], received);
    snprintf(expected, sizeof expected, "Content-Range: bytes %zu-%zu/%zu\r\nContent-Length: 3\r\n\r\n", size - 4,
        size - 2, size);
    CHECK(total == sizeof PART - 3 + strlen(expected) + 3 && memcmp(received + total - 3, bytes + size - 4, 3) == 0);
    CHECK(memcmp(received + sizeof PART - 3, expected, strlen(expected)) == 0);
    sk_parcel_release(&parcel);
    pack(&parcel, shelf, "/a", (sk_wish){.kind = SK_PART, .first = 0, .count = 2, .with_content = 1});
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT);
    total = drain(ends[1], received);
    CHECK(memcmp(received + total - 23, "Connection: close\r\n\r\n", 21) == 0 && memcmp(received + total - 2, bytes, 2) == 0);
    sk_parcel_release(&parcel);
    if (size > SK_CONTENT_MAX) { /* the file becomes shorter while it is sent */
        pack(&parcel, shelf, "/a", whole);
        CHECK(truncate(file, 10) == 0);
        CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_LOST);
        sk_parcel_release(&parcel);
    }
    pack(&parcel, shelf, "/a", whole);
    close(ends[1]);
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_LOST);
    sk_parcel_release(&parcel);
    close(ends[0]);
    sk_shelf_close(shelf);
}

int main(int count, char **arguments) {
    char file[4000];
    CHECK(count == 2);
    snprintf(file, sizeof file, "%s/file", arguments[1]);
    dates();
    settled();
    trust(file);
    variants(file);
    doubts(file);
    bounds(file);
    parcels(file, 5);
    parcels(file, SK_CONTENT_MAX);
    parcels(file, 900000);
    return 0;
}
