/*
 * System calls about signals. One thread can only send them to itself, and nobody else sends any: so a handler is a call, made
 * where the signal is sent, or where the mask lets it through.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/syscall.h>

#include <unishare/console.h>
#include <unishare/platform.h>

#include "calls.h"

enum { SELF = 1, SIGNALLED = 128, COUNT = 65 };

/* As the kernel has it, not the C library. */
struct action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static struct action actions[COUNT];
static uint64_t blocked, pending;

static uint64_t bit(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

_Noreturn static void die_of(int signal)
{
    static const char message[] = "unishare: ended by a signal of its own (abort?)\n";

    /* What was printed is not lost with its stream's buffer. */
    if (__fpending(stdout))
        fflush(stdout);
    unishare_console_write(message, sizeof message - 1);
    unishare_exit(SIGNALLED + signal);
}

static int ignored_by_default(int signal)
{
    return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

static void call(struct action action, int signal)
{
    uint64_t before = blocked;

    blocked |= action.mask | (action.flags & SA_NODEFER ? 0 : bit(signal));
    if (action.flags & SA_SIGINFO) {
        siginfo_t about = {.si_signo = signal, .si_code = SI_TKILL};

        ((void (*)(int, siginfo_t *, void *))(void *)action.handler)(signal, &about, NULL);
    } else {
        action.handler(signal);
    }
    blocked = before;
}

static void deliver(int signal)
{
    struct action action = actions[signal];

    if (action.handler == SIG_IGN || (action.handler == SIG_DFL && ignored_by_default(signal)))
        return;
    if (action.handler == SIG_DFL)
        die_of(signal);
    if (action.flags & SA_RESETHAND)
        actions[signal].handler = SIG_DFL;
    call(action, signal);
}

/* Deliver what waits and is not blocked any more. A handler may send and unblock others. */
static void deliver_pending(void)
{
    uint64_t open;

    while ((open = pending & ~blocked)) {
        int signal = __builtin_ctzll(open) + 1;

        pending &= ~bit(signal);
        deliver(signal);
    }
}

static long send(long to, long signal)
{
    if (to != SELF)
        return -ESRCH;
    if (signal < 0 || signal >= COUNT)
        return -EINVAL;
    if (signal)
        pending |= bit((int)signal);
    deliver_pending();
    return 0;
}

static long set_mask(long how, const uint64_t *wanted, uint64_t *before, size_t size)
{
    uint64_t mask = wanted ? *wanted : 0;

    if (size != sizeof mask || (wanted && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK))
        return -EINVAL;
    if (before)
        *before = blocked;
    if (!wanted)
        return 0;
    blocked = how == SIG_BLOCK ? blocked | mask : how == SIG_UNBLOCK ? blocked & ~mask : mask;
    blocked &= ~(bit(SIGKILL) | bit(SIGSTOP));
    deliver_pending();
    return 0;
}

/* Nobody else sends any: a wait for one that is not there yet would never end. */
static long suspend(const uint64_t *mask)
{
    uint64_t before = blocked;

    if (!(pending & ~*mask))
        return -EDEADLK;
    blocked = *mask;
    deliver_pending();
    blocked = before;
    return -EINTR;
}

static long set_action(long signal, const struct action *wanted, struct action *before)
{
    if (signal < 1 || signal >= COUNT || (wanted && (signal == SIGKILL || signal == SIGSTOP)))
        return -EINVAL;
    if (before)
        *before = actions[signal];
    if (wanted)
        actions[signal] = *wanted;
    return 0;
}

int signal_call(const struct call *call, long *result)
{
    switch (call->number) {
    case SYS_kill: /* 0 and -1: everybody that there is */
        *result = send(call->a == 0 || call->a == -1 || call->a == -SELF ? SELF : call->a, call->b);
        return 1;
    case SYS_tkill:
        *result = send(call->a, call->b);
        return 1;
    case SYS_tgkill:
        *result = call->a == SELF ? send(call->b, call->c) : -ESRCH;
        return 1;
    case SYS_rt_sigaction:
        *result = set_action(call->a, (const struct action *)call->b, (struct action *)call->c);
        return 1;
    case SYS_rt_sigprocmask:
        *result = set_mask(call->a, (const uint64_t *)call->b, (uint64_t *)call->c, (size_t)call->d);
        return 1;
    case SYS_rt_sigpending:
        *(uint64_t *)call->a = pending;
        *result = 0;
        return 1;
    case SYS_rt_sigsuspend:
        *result = suspend((const uint64_t *)call->a);
        return 1;
    default:
        return 0;
    }
}
