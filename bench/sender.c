/* Open-loop sender: requests leave at intended times, whatever the answers do, and latency counts
 * from the intended time, so that a stall is felt by all who would have come during it (no
 * coordinated omission). One thread, epoll, keep-alive connections with one request at a time; a
 * request that finds none free waits, and its waiting counts.
 *
 * How late this program itself was (its "lag") is kept apart: a rate counts as held only if the
 * lag is small, and sender.py proves that against the origin alone.
 *
 * Usage: sender PORT PATH RATE SECONDS WARMUP CONNECTIONS IDLE
 *        sender PORT PATH hold IDLE       (holds idle connections until stdin ends)
 * Prints JSON on stdout; times are microseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define BUFFER 65536
#define DRAIN (2 * SECOND) /* how long the last answers are waited for */

/* Values in ns; 128 steps per power of two, so an error below 0.8 %. */
#define STEPS 128
struct histogram { uint64_t count, max, slots[64 * STEPS]; };

struct connection {
    int fd, busy, recorded;
    int64_t intended;
    size_t got;      /* bytes in the buffer while the head is incomplete */
    int64_t missing; /* body bytes still to come; -1 while the head is incomplete */
    char buffer[BUFFER];
};

static struct histogram latency, lag;
static struct sockaddr_in target;
static char request[4096];
static size_t request_size;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void record(struct histogram *h, int64_t value)
{
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    int shift = v < 2 * STEPS ? 0 : 63 - __builtin_clzll(v) - 7;
    h->slots[shift * STEPS + (v >> shift)]++;
    h->count++;
    if (v > h->max) h->max = v;
}

static double quantile_us(const struct histogram *h, double q)
{
    uint64_t wanted = (uint64_t)(q * h->count + 0.5), seen = 0;
    if (wanted < 1) wanted = 1;
    for (int i = 0; i < 64 * STEPS; i++) {
        seen += h->slots[i];
        if (seen < wanted) continue;
        int shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
        uint64_t top = (((uint64_t)i - (uint64_t)shift * STEPS + 1) << shift) - 1;
        return (top < h->max ? top : h->max) / 1e3;
    }
    return h->max / 1e3;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct timeval patience = {10, 0};
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&target, sizeof target) == 0) return fd;
    close(fd);
    return -1;
}

/* Body length by the head in `c->buffer`, -1 while it is incomplete, -2 for what we cannot use. */
static int64_t read_head(struct connection *c, size_t *head_size)
{
    c->buffer[c->got] = 0;
    char *end = strstr(c->buffer, "\r\n\r\n");
    if (!end) return c->got < BUFFER - 1 ? -1 : -2;
    *head_size = (size_t)(end - c->buffer) + 4;
    if (strncmp(c->buffer, "HTTP/1.1 200", 12)) return -2;
    char *field = strcasestr(c->buffer, "\r\ncontent-length:");
    return field && field < end ? strtoll(field + 17, NULL, 10) : -2;
}

/* Takes what has come: 1 when the answer is whole, 0 when more must come, -1 when it is broken. */
static int take(struct connection *c)
{
    char *into = c->missing < 0 ? c->buffer + c->got : c->buffer;
    size_t room = c->missing < 0 ? BUFFER - 1 - c->got : BUFFER - 1;
    ssize_t n = recv(c->fd, into, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0 || !c->busy) return -1;
    if (c->missing >= 0) {
        c->missing -= n;
    } else {
        size_t head = 0;
        c->got += (size_t)n;
        int64_t body = read_head(c, &head);
        if (body == -2) return -1;
        if (body == -1) return 0;
        c->missing = body - (int64_t)(c->got - head);
    }
    return c->missing < 0 ? -1 : c->missing == 0;
}

/* One request first, so that what a proxy keeps per connection is there. */
static int open_idle(int *fds, int count)
{
    static struct connection c;
    int opened = 0;
    for (; opened < count; opened++) {
        c.got = 0, c.missing = -1, c.busy = 1;
        if ((c.fd = dial()) < 0) break;
        if (send(c.fd, request, request_size, MSG_NOSIGNAL) < 0) break;
        int state;
        errno = 0;
        while ((state = take(&c)) == 0 && errno != EAGAIN) errno = 0;
        if (state != 1) break;
        fds[opened] = c.fd;
    }
    return opened;
}

static int count_lost(const int *fds, int count)
{
    int lost = 0;
    char byte;
    for (int i = 0; i < count; i++) {
        ssize_t n = recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        lost += !(n < 0 && errno == EAGAIN);
    }
    return lost;
}

static int hold(int *fds, int count)
{
    char byte;
    int opened = open_idle(fds, count);
    printf("{\"idle\":%d}\n", opened);
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {}
    printf("{\"idle_lost\":%d}\n", count_lost(fds, opened));
    return opened == count ? 0 : 1;
}

static int64_t issued, answered, errors, reconnects;
static int epoll, *spare, spares, first_spare, connections;

/* First in, first out, so that every connection gets its share. */
static void give_back(int i) { spare[(first_spare + spares++) % connections] = i; }

static int take_spare(void)
{
    int i = spare[first_spare];
    first_spare = (first_spare + 1) % connections;
    spares--;
    return i;
}

static void attach(struct connection *c, int i)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    if ((c->fd = dial()) < 0) {
        fprintf(stderr, "cannot connect: %s\n", strerror(errno));
        exit(1);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void issue(struct connection *all, int64_t intended, int recorded)
{
    int i = take_spare();
    struct connection *c = &all[i];
    c->busy = 1, c->got = 0, c->missing = -1;
    c->intended = intended, c->recorded = recorded;
    issued++;
    /* A failed send shows as a broken answer at the next read. */
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) < 0) shutdown(c->fd, SHUT_RDWR);
}

static void on_readable(struct connection *all, int i)
{
    struct connection *c = &all[i];
    int state = take(c), was_busy = c->busy;
    if (state == 0) return;
    if (was_busy && c->recorded) {
        record(&latency, now() - c->intended);
        errors += state < 0;
    }
    if (was_busy) answered++;
    c->busy = 0;
    if (state < 0) {
        close(c->fd);
        reconnects++;
        attach(c, i);
    }
    if (was_busy) give_back(i);
}

static void wait_until(struct connection *all, int64_t when)
{
    struct epoll_event events[256];
    int64_t left = when - now();
    if (left < 0) left = 0;
    struct timespec t = {left / SECOND, left % SECOND};
    int n = epoll_pwait2(epoll, events, 256, &t, NULL);
    for (int e = 0; e < n; e++) on_readable(all, (int)events[e].data.u32);
}

static void send_all(struct connection *all, double rate, double seconds, double warmup)
{
    int64_t start = now() + SECOND / 100, total = (int64_t)(rate * (seconds + warmup));
    int64_t unrecorded = (int64_t)(rate * warmup), free_since = 0;
    int64_t end = start + (int64_t)((seconds + warmup) * SECOND) + DRAIN;
    while (answered < total) {
        int64_t t = now();
        if (t > end) break;
        while (issued < total && spares) {
            int64_t intended = start + (int64_t)(issued * (double)SECOND / rate);
            if (intended > (t = now())) break;
            int64_t possible = intended > free_since ? intended : free_since;
            if (issued >= unrecorded) record(&lag, t - possible);
            issue(all, intended, issued >= unrecorded);
        }
        int blocked = !spares;
        int64_t next = start + (int64_t)(issued * (double)SECOND / rate);
        wait_until(all, issued < total && !blocked ? next : end);
        if (blocked && spares) free_since = now();
    }
    /* Who was never answered waited at least until now. */
    for (int64_t i = issued; i < total; i++, errors++)
        record(&latency, now() - (start + (int64_t)(i * (double)SECOND / rate)));
    for (int i = 0; i < connections; i++)
        if (all[i].busy && all[i].recorded) errors++, record(&latency, now() - all[i].intended);
}

static void print_report(double rate, double seconds, int idle, int lost)
{
    printf("{\"rate\":%.1f,\"seconds\":%.1f,\"samples\":%lu,\"errors\":%ld,\"reconnects\":%ld,"
           "\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,"
           "\"lag_p50\":%.1f,\"lag_p99\":%.1f,\"lag_max\":%.1f,\"idle\":%d,\"idle_lost\":%d}\n",
           rate, seconds, latency.count, errors, reconnects, quantile_us(&latency, 0.5),
           quantile_us(&latency, 0.99), quantile_us(&latency, 0.999), latency.max / 1e3,
           quantile_us(&lag, 0.5), quantile_us(&lag, 0.99), lag.max / 1e3, idle, lost);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int holding = argc == 5 && !strcmp(argv[3], "hold");
    if (!holding && argc != 8) return fprintf(stderr, "see the head of sender.c\n"), 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1UL); /* the default of 50 µs would be lag */
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    request_size = (size_t)snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n\r\n", argv[2]);
    int idle = atoi(argv[holding ? 4 : 7]);
    int *fds = calloc((size_t)idle + 1, sizeof *fds);
    if (holding) return hold(fds, idle);

    double rate = atof(argv[3]), seconds = atof(argv[4]), warmup = atof(argv[5]);
    connections = atoi(argv[6]);
    if (rate <= 0 || connections < 1) return 2;
    struct connection *all = calloc((size_t)connections, sizeof *all);
    spare = calloc((size_t)connections, sizeof *spare);
    epoll = epoll_create1(0);
    int opened = open_idle(fds, idle);
    for (int i = 0; i < connections; i++) attach(&all[i], i), give_back(i);
    send_all(all, rate, seconds, warmup);
    print_report(rate, seconds, opened, idle - opened + count_lost(fds, opened));
    return 0;
}
