/* System calls on connected and listening sockets where systems differ. */
#ifndef SKITAI_SOCKETS_H
#define SKITAI_SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sendfile.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SIGPIPE is ignored by Python from its start */
#endif

/* Send `head` and `body` (may be of no bytes) in one system call; as send(2). */
static inline ssize_t sk_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size) {
    if (body_size == 0)
        return send(fd, head, head_size, MSG_NOSIGNAL);
    if (head_size == 0)
        return send(fd, body, body_size, MSG_NOSIGNAL);
    struct iovec parts[2] = {{(void *)head, head_size}, {(void *)body, body_size}};
    struct msghdr message = {0};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* send(2); `more`: it is worth waiting for what comes behind, for a segment of both. */
static inline ssize_t sk_send_more(int fd, const void *data, size_t size, int more) {
#ifdef MSG_MORE
    return send(fd, data, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
#else
    (void)more;
    return send(fd, data, size, MSG_NOSIGNAL);
#endif
}

/* Send up to `count` bytes of `file` from `offset`; as send(2), and 0 behind its end. */
static inline ssize_t sk_send_file(int fd, int file, uint64_t offset, uint64_t count) {
#ifdef __linux__
    off_t from = (off_t)offset;
    return sendfile(fd, file, &from, count);
#else
    /* The sendfile of each other system is another one; this is right on all. */
    char piece[65536];
    ssize_t size = pread(file, piece, count < sizeof piece ? (size_t)count : sizeof piece, (off_t)offset);
    return size > 0 ? send(fd, piece, (size_t)size, MSG_NOSIGNAL) : size;
#endif
}

enum { SK_ADDRESS_MAX = INET6_ADDRSTRLEN };

/* Accept one connection, non-blocking and not inherited.  `address` becomes its client's as text, IPv4
 * as IPv4 also where a dual-stack socket took it, and empty for a unix socket.  As accept(2). */
static inline int sk_accept(int listener, char address[SK_ADDRESS_MAX], int *port, int *family) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
#ifdef SOCK_NONBLOCK
    int fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return fd;
#else
    int fd = accept(listener, (struct sockaddr *)&peer, &size);
    if (fd < 0)
        return fd;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
#endif
    address[0] = 0;
    *port = 0;
    *family = AF_UNIX;
    if (size >= sizeof(struct sockaddr_in) && peer.ss_family == AF_INET) {
        struct sockaddr_in *name = (struct sockaddr_in *)&peer;
        inet_ntop(AF_INET, &name->sin_addr, address, SK_ADDRESS_MAX);
        *port = ntohs(name->sin_port);
        *family = AF_INET;
    } else if (size >= sizeof(struct sockaddr_in6) && peer.ss_family == AF_INET6) {
        struct sockaddr_in6 *name = (struct sockaddr_in6 *)&peer;
        if (IN6_IS_ADDR_V4MAPPED(&name->sin6_addr))
            inet_ntop(AF_INET, name->sin6_addr.s6_addr + 12, address, SK_ADDRESS_MAX);
        else
            inet_ntop(AF_INET6, &name->sin6_addr, address, SK_ADDRESS_MAX);
        *port = ntohs(name->sin6_port);
        *family = AF_INET6;
    }
    return fd;
}

#endif
