/*
 * System calls about signals. One thread can only send them to itself, and nobody else sends any: so a handler is a call, made
 * where the signal is sent. Masks are accepted and hold nothing back.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
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

_Noreturn static void die_of(int signal)
{
    static const char message[] = "unishare: ended by a signal of its own (abort?)\n";

    unishare_console_write(message, sizeof message - 1);
    unishare_exit(SIGNALLED + signal);
}

static int ignored_by_default(int signal)
{
    return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

static void call(struct action action, int signal)
{
    if (action.flags & SA_SIGINFO) {
        siginfo_t about = {.si_signo = signal, .si_code = SI_TKILL};

        ((void (*)(int, siginfo_t *, void *))(void *)action.handler)(signal, &about, NULL);
    } else {
        action.handler(signal);
    }
}

static long send(long to, long signal)
{
    struct action action;

    if (to != SELF)
        return -ESRCH;
    if (signal < 0 || signal >= COUNT)
        return -EINVAL;
    action = actions[signal];
    if (!signal || action.handler == SIG_IGN || (action.handler == SIG_DFL && ignored_by_default((int)signal)))
        return 0;
    if (action.handler == SIG_DFL)
        die_of((int)signal);
    if (action.flags & SA_RESETHAND)
        actions[signal].handler = SIG_DFL;
    call(action, (int)signal);
    return 0;
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
        if (call->c)
            memset((void *)call->c, 0, (size_t)call->d);
        *result = 0;
        return 1;
    default:
        return 0;
    }
}
