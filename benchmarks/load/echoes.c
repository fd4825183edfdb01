/* WebSocket echoes as a load: each of N connections sends the same text again as soon as it has come back.
 *
 *     echoes PORT PATH CONNECTIONS BYTES SECONDS
 *
 * Frames are made before the first is sent, and what comes back is compared with the one that has to; so this
 * takes a small part of the time that the quickest server does.  One line of JSON tells how many came back,
 * how many that is in a second, and percentiles of milliseconds.  Anything else than the echo ends it with 1.
 *
 * It is bounded by SECONDS, and by a second more for whoever answers nothing any more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 128, HEAD_MAX = 4096, BUCKETS = 100000 /* of 10 us */ };

typedef struct {
    int fd;
    size_t sent, got;
    double asked_at;
    char *echo;
} client;

static char *frame, *expected;
static size_t frame_size, echo_size;
static unsigned long long buckets[BUCKETS];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "not what was to come");
    exit(1);
}

static size_t write_head(char *to, size_t bytes, int masked) {
    size_t at = 0, wide = bytes < 126 ? 0 : bytes < 65536 ? 2 : 8, byte;
    to[at++] = (char)0x81;
    to[at++] = (char)((masked ? 0x80 : 0) | (wide == 0 ? bytes : wide == 2 ? 126 : 127));
    for (byte = wide; byte > 0; byte--)
        to[at++] = (char)(bytes >> 8 * (byte - 1));
    return at;
}

static void make_frames(size_t bytes) {
    static const char mask[4] = {0x12, 0x34, 0x56, 0x78}, letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    size_t at;
    frame = malloc(bytes + 14);
    expected = malloc(bytes + 10);
    echo_size = write_head(expected, bytes, 0);
    frame_size = write_head(frame, bytes, 1);
    memcpy(frame + frame_size, mask, 4);
    frame_size += 4;
    for (at = 0; at < bytes; at++) {
        char letter = letters[at % 32];
        expected[echo_size++] = letter;
        frame[frame_size++] = (char)(letter ^ mask[at % 4]);
    }
}

static int open_client(int port, const char *path) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char head[HEAD_MAX];
    size_t size, got = 0;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {5, 0};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    size = (size_t)snprintf(
        head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        path, port
    );
    if (send(fd, head, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("handshake");
    while (got < 4 || memcmp(head + got - 4, "\r\n\r\n", 4)) {
        if (got == sizeof head || recv(fd, head + got, 1, 0) != 1)
            fail("handshake");
        got++;
    }
    if (memcmp(head, "HTTP/1.1 101", 12)) {
        errno = 0;
        fail("handshake");
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void send_more(client *one) {
    while (one->sent < frame_size) {
        ssize_t size = send(one->fd, frame + one->sent, frame_size - one->sent, MSG_NOSIGNAL);
        if (size < 0) {
            if (errno == EAGAIN)
                return;
            fail("send");
        }
        one->sent += (size_t)size;
    }
}

/* Whether an echo is complete. */
static int receive(client *one) {
    ssize_t size;
    if (one->got == echo_size)
        return 0;
    size = recv(one->fd, one->echo + one->got, echo_size - one->got, 0);
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0)
        fail("recv");
    one->got += (size_t)size;
    if (one->got < echo_size)
        return 0;
    errno = 0;
    if (memcmp(one->echo, expected, echo_size))
        fail("an echo");
    return 1;
}

static double percentile(unsigned long long count, double share) {
    unsigned long long below = 0;
    int bucket;
    for (bucket = 0; bucket < BUCKETS - 1; bucket++) {
        below += buckets[bucket];
        if ((double)below >= share * (double)count)
            break;
    }
    return 0.01 * (bucket + 1);
}

int main(int count, char **words) {
    struct epoll_event event = {0}, events[EVENTS];
    client *clients;
    unsigned long long echoes = 0;
    int poller = epoll_create1(0), connections, place, ready;
    double begun, until, time, most = 0, seconds;
    if (count != 6)
        return 2;
    connections = atoi(words[3]);
    seconds = atof(words[5]);
    make_frames((size_t)atol(words[4]));
    clients = calloc((size_t)connections, sizeof *clients);
    for (place = 0; place < connections; place++) {
        clients[place].fd = open_client(atoi(words[1]), words[2]);
        clients[place].echo = malloc(echo_size);
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.ptr = &clients[place];
        if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[place].fd, &event))
            fail("epoll");
    }
    begun = now();
    until = begun + seconds;
    for (place = 0; place < connections; place++)
        clients[place].asked_at = begun;
    for (place = 0; place < connections; place++)
        send_more(&clients[place]);
    for (time = begun; time < until;) {
        ready = epoll_wait(poller, events, EVENTS, 1000);
        time = now();
        if (ready == 0) {
            errno = ETIMEDOUT;
            fail("no echo");
        }
        for (place = 0; place < ready; place++) {
            client *one = events[place].data.ptr;
            double took;
            int bucket;
            send_more(one);
            if (!receive(one))
                continue;
            took = time - one->asked_at;
            most = took > most ? took : most;
            bucket = (int)(took * 100000);
            buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
            echoes++;
            one->sent = one->got = 0;
            one->asked_at = time;
            send_more(one);
        }
    }
    printf(
        "{\"requests\": %llu, \"rate\": %.2f, \"latency\": {\"50\": %.3f, \"75\": %.3f, \"90\": %.3f, "
        "\"99\": %.3f, \"max\": %.3f}}\n",
        echoes, (double)echoes / (time - begun), percentile(echoes, 0.5), percentile(echoes, 0.75),
        percentile(echoes, 0.9), percentile(echoes, 0.99), most * 1000
    );
    return 0;
}
