//! Compiles abi.h and compares what the C compiler makes of it with the mirror.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::process::Command;

use super::*;

const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/unishare/guest/abi/include");

macro_rules! layout {
    ($mirror:ident, $original:literal, $($field:ident),+) => {{
        let mut layout = vec![(format!("sizeof(struct {})", $original), size_of::<$mirror>() as u64)];
        $(layout.push((format!("offsetof(struct {}, {})", $original, stringify!($field)), offset_of!($mirror, $field) as u64));)+
        layout
    }};
}

macro_rules! constants {
    ($($name:ident),+) => { vec![$((format!("UNISHARE_{}", stringify!($name)), $name as u64)),+] };
}

fn mirror() -> BTreeMap<String, u64> {
    let mut mirror = constants![
        APP_BASE,
        APP_END,
        INSTANCE_BASE,
        INSTANCE_END,
        LIBRARY_BASE,
        LIBRARY_END,
        STACK_OFFSET,
        BOOT_NO_WRFSBASE,
        BOOT_SNAPSHOT,
        BOOT_RESET,
        CALL_EXIT,
        CALL_CONSOLE_WRITE,
        CALL_CLOCK,
        CALL_RANDOM,
        CALL_POLL,
        CALL_CHANNEL_RECEIVE,
        CALL_CHANNEL_SEND,
        CALL_HEAP_GROW,
        CALL_SET_FS_BASE,
        CALL_DISCARD,
        CALL_CHANNEL_RECEIVE_SOON,
        CALL_RESET,
        MESSAGE_MAX,
        MESSAGE_MORE,
        MESSAGE_REQUEST,
        MESSAGE_REPLY,
        MESSAGE_READY,
        MESSAGE_CRASH
    ];
    mirror.push(("UNISHARE_ABI_MAGIC".into(), MAGIC));
    mirror.push(("UNISHARE_ABI_VERSION".into(), VERSION.into()));
    mirror.push(("UNISHARE_PAGE_SIZE".into(), crate::image::PAGE));
    mirror.push(("sizeof(((struct unishare_crash *)0)->stack)".into(), CRASH_STACK_MAX as u64));
    mirror.extend(layout!(Message, "unishare_message", kind, flags, id, status, reserved));
    mirror.extend(layout!(
        Boot,
        "unishare_boot",
        magic,
        abi_version,
        flags,
        hypercall,
        stack_bottom,
        stack_top,
        heap_start,
        heap_ready,
        heap_limit,
        tsc_hz,
        tsc_start,
        monotonic_start,
        realtime_start,
        image_base,
        random,
        argc,
        argv_offset,
        envc,
        env_offset,
        generation,
        waiting,
        resets,
        resets_offset
    ));
    mirror.extend(layout!(
        Waiting,
        "unishare_waiting",
        rsp,
        rbx,
        rbp,
        r12,
        r13,
        r14,
        r15,
        fs_base,
        receive_address,
        receive_bytes,
        mxcsr,
        x87_control
    ));
    mirror.extend(layout!(
        Crash,
        "unishare_crash",
        exception,
        error_code,
        fault_address,
        rip,
        rsp,
        rbp,
        rflags,
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        stack_bytes,
        reserved,
        stack
    ));
    mirror.push(("offsetof(struct unishare_crash, r8)".into(), offset_of!(Crash, r) as u64));
    mirror.push((
        "offsetof(struct unishare_crash, r15)".into(),
        offset_of!(Crash, r) as u64 + 56,
    ));
    mirror.into_iter().collect()
}

#[test]
fn the_mirror_equals_the_header() {
    let mirror = mirror();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    let prints: String = mirror
        .keys()
        .map(|expression| format!("printf(\"%llu\\n\", (unsigned long long)({expression}));\n"))
        .collect();
    let text = format!(
        "#include <stddef.h>\n#include <stdio.h>\n#include <unishare/abi.h>\nint main(void) {{\n{prints}return 0; }}\n"
    );
    std::fs::write(&source, text).expect("the source");
    let status = Command::new("gcc")
        .arg("-I")
        .arg(INCLUDE)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .status()
        .expect("gcc");
    assert!(status.success());
    let output = String::from_utf8(Command::new(&program).output().expect("the program").stdout).expect("numbers");
    let header: BTreeMap<String, u64> = mirror
        .keys()
        .cloned()
        .zip(output.lines().map(|line| line.parse().expect("a number")))
        .collect();
    assert_eq!(mirror, header);
}
