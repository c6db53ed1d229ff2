# The hypercall page has no symbols. Its calls keep the return address on top of the stack, but for the one that waits with a time
# limit: that has 24 bytes of arguments there (monitor/src/tender/process/hypercall_page.s, poll: rdi is rsp + 16).
python
import gdb.unwinder

PAGE = HYPERCALL_PAGE
PPOLL = 271


class Caller:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class HypercallFrames(gdb.unwinder.Unwinder):
    def __init__(self):
        super().__init__("unishare-hypercalls")

    def __call__(self, pending):
        sp, pc = pending.read_register("rsp"), pending.read_register("rip")
        if not PAGE <= int(pc) < PAGE + 4096:
            return None
        waits = int(gdb.parse_and_eval("$orig_rax")) == PPOLL and int(pending.read_register("rdi")) == int(sp) + 16
        top = sp + (24 if waits else 0)
        words = gdb.selected_inferior().read_memory(int(top), 8)
        caller = pending.create_unwind_info(Caller(sp, pc))
        for name in ("rbx", "rbp", "r12", "r13", "r14", "r15"):
            caller.add_saved_register(name, pending.read_register(name))
        caller.add_saved_register("rsp", top + 8)
        caller.add_saved_register("rip", gdb.Value(words, gdb.lookup_type("long")))
        return caller


gdb.unwinder.register_unwinder(None, HypercallFrames(), True)
end
