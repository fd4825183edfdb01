/* The shelf alone: what is kept, how long, how much, and what its parcels send.  A folder for files is
 * the only argument. */
#include "check.h"
#include "shelf.h"

#include <sys/time.h>

static const char HEAD[] = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"e\"\r\n\r\n";
static const char UNCHANGED[] = "HTTP/1.1 304 Not Modified\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
static int site, elsewhere;

static sk_text text(const char *bytes) { return (sk_text){bytes, strlen(bytes)}; }

static void write_file(const char *name, const char *bytes, size_t size) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static int put(sk_shelf *shelf, const char *host, const char *path, const char *file) {
    struct stat status;
    int fd = open(file, O_RDONLY), kept;
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    kept = sk_shelf_put(shelf, &(sk_offer){.site = &site, .host = text(host), .path = text(path), .head = text(HEAD),
        .unchanged = text(UNCHANGED), .head_date = 23, .unchanged_date = 33, .etag = text("\"e\""), .file = file,
        .descriptor = fd, .status = &status});
    close(fd);
    return kept;
}

static sk_item *find(sk_shelf *shelf, const char *host, const char *path) {
    return sk_shelf_find(shelf, &site, text(host), text(path));
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
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2);
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
    struct stat status = {.st_mode = S_IFREG};
    SK_CTIME(&status).tv_sec = SK_MTIME(&status).tv_sec = 100;
    CHECK(sk_settled(&status, 103.0) && !sk_settled(&status, 101.5));
    SK_CTIME(&status).tv_sec = 102; /* the time of the data was set back */
    CHECK(!sk_settled(&status, 103.0));
    status.st_mode = S_IFIFO;
    CHECK(!sk_settled(&status, 1000.0));
}

static void bounds(const char *file) {
    static char bytes[SK_CONTENT_MAX + 1];
    char path[32];
    sk_shelf *shelf = sk_shelf_open(7, 200000, 2);
    const sk_text pong = text("pong");
    CHECK(sk_shelf_put(shelf, &(sk_offer){.path = text("/ping"), .head = text(HEAD), .head_date = 23, .content = pong}));
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
    shelf = sk_shelf_open(7, 0, 0);
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
    const size_t head = sizeof HEAD - 1;
    sk_shelf *shelf = sk_shelf_open(7, 1 << 20, 2);
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
    sk_pack(&parcel, shelf, find(shelf, "h", "/a"), 0, 1, 1);
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
    sk_pack(&parcel, shelf, find(shelf, "h", "/a"), 0, 0, 0); /* HEAD, and close */
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT);
    total = drain(ends[1], received);
    CHECK(total == head + 19 && memcmp(received + head - 2, "Connection: close\r\n\r\n", 21) == 0);
    sk_parcel_release(&parcel);
    sk_pack(&parcel, shelf, find(shelf, "h", "/a"), 1, 1, 1);
    CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_SENT && parcel.status == 304);
    CHECK(drain(ends[1], received) == sizeof UNCHANGED - 1 && memcmp(received, UNCHANGED, 27) == 0);
    sk_parcel_release(&parcel);
    if (size > SK_CONTENT_MAX) { /* the file becomes shorter while it is sent */
        sk_pack(&parcel, shelf, find(shelf, "h", "/a"), 0, 1, 1);
        CHECK(truncate(file, 10) == 0);
        CHECK(sk_parcel_send(&parcel, ends[0], 50000) == SK_PARCEL_LOST);
        sk_parcel_release(&parcel);
    }
    sk_pack(&parcel, shelf, find(shelf, "h", "/a"), 0, 1, 1);
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
    bounds(file);
    parcels(file, 5);
    parcels(file, SK_CONTENT_MAX);
    parcels(file, 900000);
    return 0;
}
