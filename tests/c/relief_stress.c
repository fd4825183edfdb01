/* The monitor in the leader's place (relief.h), under stress: does each client get its own answers, all
 * of them, in order?
 *
 *     cc -O1 -g -fsanitize=thread -I skitai/_speedups tests/c/relief_stress.c -pthread && ./a.out FOLDER SECONDS
 *
 * One thread leads as the event loop does, with calls that last and with a GIL that another thread does not
 * let go of.  Requests are of 8 bytes: A is the leader's, S and B (a large one) are on the shelf, of F there is a
 * file for each of some numbers, which the monitor has fetched (fetching.h) and the shelf has no room for all.  Clients
 * send some at once, read the answers, stay or leave, also in the midst of answers.  The leader and the
 * monitor touch the same views without a lock: ThreadSanitizer tells if they ever do so at once.
 *
 * Prints one line of figures; exit code 1 and a line of what was broken otherwise.
 */
#include "relief.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { CLIENTS = 6, REQUEST = 8, LARGE = 300000, SEATS = 4096, NUMBERS = 3000, FILES = 2000 };

static const char HEAD[] = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";

typedef struct seat {
    char object[24]; /* views are somewhere in their objects */
    sk_view view;
    struct seat *retired;
} seat;

static sk_lead lead;
static sk_held held;
static sk_relief *relief;
static sk_stand_in stand_in;
static sk_kept kept;
static sk_event events[SK_EVENTS_MAX];
static int poller, next_event, event_count, draining, port;
static seat listener;
static seat *retired;
static pthread_mutex_t gil = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int stopping;
static _Atomic long asked, answered;
static long by_leader, by_monitor, taken_in, left_over, fetched;
static sk_folder folder;
static sk_ground ground;
static sk_fetching fetching;
static int folders;
static unsigned long long statuses[SK_CLASSES];

static void broken(const char *what) {
    printf("broken: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static unsigned draw(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

/* Of S and B the letter is the path, of F all of it. */
static sk_text path_of(const unsigned char *data, char path[REQUEST + 1]) {
    path[0] = '/';
    memcpy(path + 1, data, REQUEST);
    return data[0] == 'F' ? (sk_text){path, REQUEST + 1} : (sk_text){(const char *)data, 1};
}

static sk_item *find(const unsigned char *data, sk_text path) {
    sk_item *item = sk_shelf_find(relief->shelf, &listener, (sk_text){"h", 1}, path);
    item = item == NULL ? NULL : sk_shelf_take(relief->shelf, item, (sk_text){"", 0});
    if (item == NULL && data[0] != 'F')
        broken("what is on the shelf is not found, or not good any more");
    return item;
}

static int pack(const unsigned char *data, sk_item *item, sk_parcel *parcel, sk_asked *said) {
    *said = (sk_asked){.consumed = REQUEST, .target = (const char *)data, .target_size = REQUEST};
    sk_pack(parcel, relief->shelf, item, &(sk_wish){.kind = SK_WHOLE, .with_content = 1, .stays = 1});
    return 1;
}

static int pick(
    void *context, const void *site, const unsigned char *data, size_t size, sk_parcel *parcel, sk_asked *said) {
    char room[REQUEST + 1];
    const sk_text path = path_of(data, room);
    sk_item *item;
    (void)context;
    if (size < REQUEST || data[0] == 'A')
        return 0;
    item = find(data, path);
    if (item == NULL)
        return -sk_fetch(&fetching, site, (sk_text){"h", 1}, path, (sk_text){"", 0});
    fetched += data[0] == 'F';
    return pack(data, item, parcel, said);
}

/* -- the leader ------------------------------------------------------------------------------- */

static void add(seat *one, int fd, sk_view_kind kind) {
    one->view = (sk_view){.kind = kind, .fd = fd, .site = &listener};
    if (sk_poller_add(poller, fd, SK_READ | (kind == SK_CONNECTION ? SK_WRITE : 0), 1, one))
        broken("a descriptor cannot be watched");
}

static void end(seat *one) {
    if (one->view.state == SK_GONE)
        return;
    one->view.state = SK_GONE;
    sk_poller_remove(poller, one->view.fd, SK_READ | SK_WRITE);
    close(one->view.fd);
    sk_pending_free(one->view.pending);
    one->view.pending = NULL;
    one->retired = retired;
    retired = one;
}

static void call(unsigned *seed) {
    sk_call_begins(&lead);
    if (draw(seed) % 20 == 0)
        usleep(draw(seed) % 8000);
    sk_call_ends(&lead);
}

static int send_whole(int fd, const void *data, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN)
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 1000);
        else if (count < 0)
            return 0;
        else
            sent += (size_t)count;
    }
    return 1;
}

static void serve(seat *one, unsigned *seed) {
    unsigned char data[REQUEST];
    sk_view *view = &one->view;
    char path[REQUEST + 1];
    sk_item *item;
    sk_parcel parcel;
    sk_asked said;
    sk_parcel_state state;
    for (;;) {
        if (view->state == SK_SENDING) {
            state = sk_parcel_send(&view->pending->parcel, view->fd, 100000);
            if (state == SK_PARCEL_MORE)
                sk_poller_again(poller, view->fd, SK_READ | SK_WRITE, one);
            if (state == SK_PARCEL_MORE || state == SK_PARCEL_WAITS)
                return;
            sk_pending_free(view->pending);
            view->pending = NULL;
            view->state = SK_RESTING;
            by_leader++;
            if (state == SK_PARCEL_LOST)
                end(one);
        }
        if (view->state != SK_RESTING) {
            end(one);
            return;
        }
        ssize_t size = recv(view->fd, data, REQUEST, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            end(one);
            return;
        }
        if (size != REQUEST)
            broken("a request is in parts");
        view->state = SK_SERVING;
        if (data[0] != 'A')
            sk_shelf_clock(relief->shelf, sk_monotonic(), time(NULL));
        item = data[0] == 'A' ? NULL : find(data, path_of(data, path));
        if (item == NULL) {
            if (data[0] == 'A')
                call(seed);
            if ((data[0] == 'F' && !send_whole(view->fd, HEAD, sizeof HEAD - 1))
                || !send_whole(view->fd, data, REQUEST)) {
                end(one);
                return;
            }
            view->state = SK_RESTING;
            by_leader++;
        } else {
            pack(data, item, &parcel, &said);
            view->pending = sk_pend(&parcel, 0, &said);
            view->state = SK_SENDING;
        }
    }
}

static void accept_all(void) {
    char address[SK_ADDRESS_MAX];
    int family, from, fd;
    while ((fd = sk_accept(listener.view.fd, address, &from, &family)) >= 0)
        add(calloc(1, sizeof(seat)), fd, SK_CONNECTION);
}

static void settle(void) {
    for (size_t place = 0; place < relief->records_size; by_monitor++)
        place += ((sk_record *)(relief->records + place))->record_size;
    free(relief->records);
    relief->records = NULL;
    relief->records_size = relief->records_room = 0;
    sk_shelf_clock(relief->shelf, sk_monotonic(), time(NULL));
    sk_take_fetched(&fetching);
    for (int place = 0; place < SK_FOUNDLINGS && relief->foundling_count; place++) {
        sk_foundling *foundling = &relief->foundlings[place];
        if (foundling->view.kind == SK_PYTHON)
            continue;
        sk_give_away(relief, foundling);
        seat *one = calloc(1, sizeof *one);
        add(one, foundling->view.fd, SK_CONNECTION);
        one->view.state = foundling->view.state;
        one->view.pending = foundling->view.pending;
        taken_in++;
    }
}

static void turn(unsigned *seed) {
    event_count = 0;
    if (kept.count) {
        next_event = 0;
        event_count = kept.count < SK_EVENTS_MAX ? kept.count : SK_EVENTS_MAX;
        for (int place = 0; place < event_count; place++) {
            seat *one = kept.owners[place];
            events[place] = (sk_event){one, one->view.kept};
            one->view.kept = 0;
            left_over++;
        }
        kept.count -= event_count;
        memmove(kept.owners, kept.owners + event_count, (size_t)kept.count * sizeof *kept.owners);
    } else {
        pthread_mutex_unlock(&gil);
        event_count = sk_poller_wait(poller, events, 2);
        next_event = 0;
        sk_reach_begins(&lead);
        pthread_mutex_lock(&gil);
        sk_reach_ends(&lead);
    }
    while (next_event < event_count) {
        sk_event *event = &events[next_event++];
        seat *one = event->owner;
        if (one == &listener)
            accept_all();
        else if (event->ready && one->view.state != SK_GONE)
            serve(one, seed);
    }
    settle();
    while (retired != NULL && kept.count == 0) {
        seat *one = retired;
        retired = one->retired;
        free(one);
    }
}

static void *hold_the_gil(void *argument) {
    unsigned seed = 5;
    (void)argument;
    while (!stopping) {
        usleep(draw(&seed) % 10000);
        pthread_mutex_lock(&gil);
        usleep(draw(&seed) % 8000);
        pthread_mutex_unlock(&gil);
    }
    return NULL;
}

/* -- clients ---------------------------------------------------------------------------------- */

static int reach(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {20, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        broken("nobody listens");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void receive(int fd, char *at, size_t size) {
    for (size_t filled = 0; filled < size;) {
        ssize_t count = recv(fd, at + filled, size - filled, 0);
        if (count <= 0)
            broken("an answer was lost");
        filled += (size_t)count;
    }
}

static void *ask(void *argument) {
    unsigned seed = (unsigned)(intptr_t)argument * 7919u + (unsigned)time(NULL);
    char *answer = malloc(sizeof HEAD + LARGE);
    char requests[20 * REQUEST + 1];
    int fd = -1;
    for (unsigned number = 0; !stopping;) {
        int count = 1 + (int)(draw(&seed) % 20);
        if (fd < 0)
            fd = reach();
        for (int place = 0; place < count; place++)
            snprintf(requests + place * REQUEST, REQUEST + 1, "%c%07u",
                "AASSSFFFFB"[draw(&seed) % 10], number++ % 10000000u);
        for (int place = 0; place < count; place++)
            if (requests[place * REQUEST] == 'F') {
                char request[REQUEST + 1];
                snprintf(request, sizeof request, "F%07u", draw(&seed) % NUMBERS);
                memcpy(requests + place * REQUEST, request, REQUEST);
            }
        if (send(fd, requests, (size_t)count * REQUEST, MSG_NOSIGNAL) != count * REQUEST)
            broken("a request cannot be sent");
        if (draw(&seed) % 30 == 0) { /* rude: and gone, in the midst of its answers */
            close(fd);
            fd = -1;
            continue;
        }
        for (int place = 0; place < count; place++) {
            const char *request = requests + place * REQUEST;
            const size_t content = request[0] == 'B' ? LARGE : request[0] == 'F' ? REQUEST : 4;
            atomic_fetch_add(&asked, 1);
            if (request[0] == 'A') {
                receive(fd, answer, REQUEST);
                if (memcmp(answer, request, REQUEST))
                    broken("somebody else's answer");
            } else {
                receive(fd, answer, sizeof HEAD - 1 + content);
                if (memcmp(answer, HEAD, 23)
                    || (request[0] == 'F' ? memcmp(answer + sizeof HEAD - 1, request, REQUEST) != 0
                                          : answer[sizeof HEAD - 1] != request[0]
                                || answer[sizeof HEAD - 2 + content] != request[0]))
                    broken("another answer than that of the shelf");
            }
            atomic_fetch_add(&answered, 1);
        }
        if (draw(&seed) % 10 == 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    free(answer);
    return NULL;
}

static void put(sk_shelf *shelf, const char *path, size_t size, const char *folder) {
    char name[4000];
    struct stat status;
    sk_witness witness;
    int fd;
    snprintf(name, sizeof name, "%s/%s", folder, path);
    fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (size_t place = 0; place < size; place++)
        if (write(fd, path, 1) != 1)
            broken("no file");
    if (fstat(fd, &status))
        broken("no file");
    witness = (sk_witness){name, 1, sk_identity_of(&status)};
    if (!sk_shelf_put(shelf, &(sk_offer){.site = &listener, .host = {"h", 1}, .path = {path, 1},
            .heads = {{{HEAD, sizeof HEAD - 1}, 23}}, .descriptor = fd, .size = (uint64_t)status.st_size,
            .witnesses = &witness, .witness_count = 1}))
        broken("the shelf does not take it");
    close(fd);
}

/* Files that are fetched, of which some are not there; they become old enough to be kept. */
static void lay_out(const char *root) {
    char name[4000];
    for (int number = 0; number < FILES; number++) {
        int fd;
        snprintf(name, sizeof name, "%s/F%07d", root, number);
        fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || write(fd, strrchr(name, '/') + 1, REQUEST) != REQUEST)
            broken("no file");
        close(fd);
    }
    folder = (sk_folder){.root = {root, strlen(root)}, .other_type = {.value = {"x", 1}}, .otherwise = {"y", 1},
        .looks_beside = 1, .coded_from = UINT64_MAX};
    for (int kind = 0; kind < SK_HEADS; kind++)
        folder.heads[0][kind] = (sk_head){{HEAD, sizeof HEAD - 1}, 23};
    ground = (sk_ground){.site = &listener, .host = {"default", 7}, .mount = {"", 0}, .folder = &folder};
    fetching = (sk_fetching){.shelf = relief->shelf, .notice = sk_notice_open(), .folders = &folders,
        .grounds = {&ground, 1}};
    relief->fetching = &fetching;
    usleep(2200000);
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    pthread_t clients[CLIENTS], hog;
    unsigned seed = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    double until;
    signal(SIGPIPE, SIG_IGN); /* as Python does */
    if (count != 3)
        broken("a folder and seconds are wanted");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 100)
        || getsockname(fd, (struct sockaddr *)&address, &size))
        broken("no listener");
    port = ntohs(address.sin_port);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    poller = sk_poller_open();
    relief = sk_relief_open();
    relief->poller = poller;
    relief->statuses = statuses;
    relief->events = events;
    relief->next_event = &next_event;
    relief->event_count = &event_count;
    relief->view_at = offsetof(seat, view);
    relief->kept = &kept;
    relief->shelf = sk_shelf_open(1, 1 << 20, 10, 64);
    relief->pick = pick;
    relief->logs = 1;
    relief->draining = &draining;
    lay_out(arguments[1]);
    sk_shelf_clock(relief->shelf, sk_monotonic(), time(NULL));
    put(relief->shelf, "S", 4, arguments[1]);
    put(relief->shelf, "B", LARGE, arguments[1]);
    add(&listener, fd, SK_LISTENER);
    sk_lead_open(&lead);
    stand_in = (sk_stand_in){&held, relief};
    sk_appoint(&lead, &stand_in);
    if (sk_lead_watch(&lead))
        broken("no monitor");
    pthread_mutex_lock(&gil);
    pthread_create(&hog, NULL, hold_the_gil, NULL);
    for (intptr_t number = 0; number < CLIENTS; number++)
        pthread_create(&clients[number], NULL, ask, (void *)number);
    until = sk_monotonic() + atoi(arguments[2]);
    while (sk_monotonic() < until)
        turn(&seed);
    stopping = 1;
    for (until = sk_monotonic() + 3; sk_monotonic() < until;)
        turn(&seed);
    pthread_mutex_unlock(&gil);
    for (int number = 0; number < CLIENTS; number++)
        pthread_join(clients[number], NULL);
    pthread_join(hog, NULL);
    sk_lead_stop(&lead);
    if (asked != answered)
        broken("an answer is missing");
    if (by_leader + by_monitor < answered)
        broken("an answer that nobody gave");
    sk_fetching_close(&fetching);
    if (!by_monitor || !taken_in || !left_over || !fetched)
        broken("the monitor has not served all that there is: nothing was tested");
    printf("%ld answers by the leader, %ld by the monitor, %ld of them of files that it has fetched, %ld taken in, "
           "%ld left over\n", by_leader, by_monitor, fetched, taken_in, left_over);
    return 0;
}
