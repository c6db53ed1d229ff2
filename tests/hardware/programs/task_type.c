/*
 * QEMU's emulated AMD-V checks ports against the TSS only if its type is 9, "available" (target/i386/tcg/seg_helper.c). Processors have
 * type 11, "busy", in a loaded task register, and VT-x demands it. Preloaded into the monitor, this changes the type on its way to KVM.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { AVAILABLE = 9, BUSY = 11 };

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if ((unsigned)request != (unsigned)KVM_SET_SREGS || ((struct kvm_sregs *)argument)->tr.type != BUSY)
        return (int)syscall(SYS_ioctl, descriptor, request, argument);
    struct kvm_sregs changed = *(struct kvm_sregs *)argument;
    changed.tr.type = AVAILABLE;
    return (int)syscall(SYS_ioctl, descriptor, request, &changed);
}
