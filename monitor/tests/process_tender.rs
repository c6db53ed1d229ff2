//! Guests under the process tender, friendly and hostile.

mod support;

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{MONITOR, Workshop};

const ECHO: &str = r#"
static unsigned char buffer[65536];
static int run(void) {
    struct unishare_message *m = (void *)buffer;
    m->kind = UNISHARE_MESSAGE_READY;
    call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)m, sizeof *m, 0);
    for (;;) {
        int64_t n = call(UNISHARE_CALL_CHANNEL_RECEIVE, (uint64_t)m, sizeof buffer, 0);
        if (n <= 0) return (int)-n;
        m->kind = UNISHARE_MESSAGE_REPLY;
        m->status = 7;
        if (call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)m, (uint64_t)n, 0) != n) return 99;
    }
}"#;

#[test]
fn the_floor_guest_answers() {
    let output = Command::new(MONITOR)
        .args(["run", "--empty", "--tender", "process", "--invoke", "/dev/null"])
        .output()
        .expect("the monitor");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_request_of_many_messages_comes_back_whole() {
    let request: Vec<u8> = (0..300_000_u32).map(|number| ((number * 7) >> 3) as u8).collect();
    for sharing in ["pool", "copy"] {
        let ending = Workshop::new().invoke(ECHO, &request, &["--sharing", sharing, "--memory", "2097152"]);
        ending.expect(7);
        assert!(ending.stdout == request, "{sharing}: {} bytes came back", ending.stdout.len());
    }
}

#[test]
fn the_console_is_stdout_and_the_exit_code_is_the_guests() {
    let ending = Workshop::new().run(r#"static int run(void) { say("hello\n"); return 42; }"#, &[]);
    assert_eq!(ending.expect(42).stdout, b"hello\n");
}

const COLOURFUL: &str = "static int run(void) { say(\"\\x1b[2J\\xc3\"); say(\"\\xa4 \\x9b red\\r\\n\"); return 0; }";

#[test]
fn a_terminal_is_shown_what_would_control_it() {
    let workshop = Workshop::new();
    let manifest = workshop.write(&workshop.image(COLOURFUL));
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: two numbers to fill, and nothing else.
    let made = unsafe { libc::openpty(&raw mut ours, &raw mut theirs, none, none.cast(), none.cast()) };
    assert_eq!(made, 0);
    // SAFETY: made just now, for us.
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) };
    let status = workshop
        .run_command(&manifest, &[])
        .stdout(theirs)
        .status()
        .expect("the monitor");
    assert!(status.success());
    let mut shown = [0; 200];
    let length = ours.read(&mut shown).expect("what a terminal was written");
    assert_eq!(String::from_utf8_lossy(&shown[..length]), "\\x1b[2J\u{e4} \\x9b red\\x0d\r\n");
    // Into a pipe it goes as it is.
    assert_eq!(Workshop::new().run(COLOURFUL, &[]).stdout, b"\x1b[2J\xc3\xa4 \x9b red\r\n");
}

#[test]
fn a_console_that_is_a_file_ends_at_its_limit() {
    let workshop = Workshop::new();
    let chatty = "static int run(void) { for (int i = 0; i < 2000; i++) say(\"0123456789\\n\"); return 0; }";
    let manifest = workshop.write(&workshop.image(chatty));
    let path = workshop.path("console");
    std::fs::write(&path, "what was there\n").expect("a file");
    let console = File::options().append(true).open(&path).expect("a file");
    let mut command = workshop.run_command(&manifest, &["--console-limit", "8192"]);
    let output = command
        .stdout(console)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the monitor");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cut at its limit of 8192 bytes"), "{said}");
    assert_eq!(std::fs::metadata(&path).expect("a file").len(), 8192 + 15);
}

#[test]
fn one_that_spins_meets_its_processor_time() {
    let ending = Workshop::new().run("static int run(void) { for (;;) ; }", &["--cpu-limit-s", "1"]);
    assert!(ending.expect(124).stderr.contains("used up its processor time"));
}

#[test]
fn the_boot_page_holds_argv_and_env() {
    let code = r#"static int run(void) {
        const char *base = (const char *)boot;
        if (boot->magic != UNISHARE_ABI_MAGIC || boot->argc != 2 || boot->envc != 1) return 1;
        say(base + boot->argv_offset); say(" "); say(base + boot->argv_offset + 4); say(" "); say(base + boot->env_offset);
        return 0;
    }"#;
    let ending = Workshop::new().run(code, &["--env", "A=b=c", "--", "one", "two"]);
    assert_eq!(ending.expect(0).stdout, b"one two A=b=c");
}

#[test]
fn too_long_an_argv_names_the_limit() {
    let long = "x".repeat(5000);
    let ending = Workshop::new().run("static int run(void) { return 0; }", &["--", &long]);
    assert!(ending.expect(2).stderr.contains("boot page"), "{}", ending.stderr);
}

#[test]
fn hypercalls_do_what_the_header_says() {
    let code = r#"
    #define CHECK(condition) do { if (!(condition)) return __COUNTER__ + 1; } while (0)
    static int run(void) {
        int64_t time[2] = {0, 0}, later[2] = {0, 0};
        unsigned char random[257] = {0};
        CHECK(call(UNISHARE_CALL_CLOCK, 1, (uint64_t)time, 0) == 0 && time[0] > 1600000000);
        CHECK(call(UNISHARE_CALL_CLOCK, 0, (uint64_t)time, 0) == 0 && time[1] >= 0 && time[1] < 1000000000);
        CHECK(call(UNISHARE_CALL_CLOCK, 2, (uint64_t)time, 0) == -22);
        CHECK(call(UNISHARE_CALL_CLOCK, 0, 0x7fff00000000, 0) == -14);
        CHECK(call(UNISHARE_CALL_RANDOM, (uint64_t)random, 256, 0) == 256 && random[256] == 0);
        CHECK(call(UNISHARE_CALL_RANDOM, (uint64_t)random, 257, 0) == -22);
        CHECK(call(UNISHARE_CALL_POLL, 1, 30000000, 0) == 0);
        CHECK(call(UNISHARE_CALL_CLOCK, 0, (uint64_t)later, 0) == 0);
        CHECK((later[0] - time[0]) * 1000000000 + later[1] - time[1] >= 30000000);
        CHECK(call(UNISHARE_CALL_HEAP_GROW, boot->heap_limit, 0, 0) == (int64_t)boot->heap_limit);
        CHECK(call(UNISHARE_CALL_HEAP_GROW, boot->heap_limit + 1, 0, 0) == -12);
        CHECK(call(UNISHARE_CALL_CHANNEL_SEND, (uint64_t)random, 65537, 0) == -90);
        CHECK(call(UNISHARE_CALL_CONSOLE_WRITE, 0x1000, 8, 0) == -14);
        CHECK(call(999, 0, 0, 0) == -38 && call(~0ULL, 0, 0, 0) == -38);
        CHECK(boot->heap_ready == boot->heap_limit);
        for (uint64_t at = 0; at < boot->heap_ready; at += 4096) *(volatile char *)(boot->heap_start + at) = 1;
        return 0;
    }"#;
    Workshop::new().run(code, &["--memory", "200000"]).expect(0);
}

#[test]
fn data_is_private_and_code_cannot_be_written() {
    let code = r#"static int value = 5;
    static int run(void) { value++; if (value != 6) return 1;
        *(volatile char *)0x400000 = 1; say("FAILURE"); return 0; }"#;
    for sharing in ["pool", "copy"] {
        let ending = Workshop::new().run(code, &["--sharing", sharing]);
        ending.expect(139);
    }
}

#[test]
fn faults_end_as_their_signals() {
    let guests = [
        (
            "stack overrun",
            139,
            "static int deep(volatile int n) { volatile char b[512]; b[0] = n; return deep(n + 1) + b[0]; } \
            static int run(void) { return deep(0); }",
        ),
        (
            "jump into data",
            139,
            "static char c[] = {0xc3}; static int run(void) { ((void (*)(void))c)(); return 0; }",
        ),
        ("null", 139, "static int run(void) { return *(volatile int *)8; }"),
        (
            "not canonical",
            139,
            "static int run(void) { return *(volatile int *)0x8000000000000000; }",
        ),
        (
            "read-only boot page",
            139,
            "static int run(void) { ((volatile struct unishare_boot *)boot)->flags = 1; return 0; }",
        ),
        (
            "heap's end",
            139,
            "static int run(void) { return *(volatile int *)(boot->heap_start + boot->heap_limit); }",
        ),
        (
            "divide",
            136,
            "static int run(void) { volatile int one = 1, zero = 0; return one / zero; }",
        ),
        ("ud2", 132, "static int run(void) { __builtin_trap(); }"),
        (
            "syscall",
            132,
            "static int run(void) { int r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(39) : \"rcx\", \"r11\", \"memory\"); \
            say(\"FAILURE\"); return 0; }",
        ),
        (
            "int 0x80",
            132,
            "static int run(void) { int r; __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(20) : \"memory\"); \
            say(\"FAILURE\"); return 0; }",
        ),
    ];
    for (name, code, source) in guests {
        let ending = Workshop::new().run(source, &[]);
        assert_eq!(ending.code, code, "{name}: {}", ending.stderr);
        assert!(!ending.stdout.ends_with(b"FAILURE"), "{name}");
        assert!(!ending.stderr.is_empty(), "{name}: no report");
    }
}

/// Calls from inside the hypercall page with a number or arguments of the guest's own.
#[test]
fn the_hypercall_pages_own_syscall_instructions_are_of_no_use() {
    for (name, number, first) in [
        ("openat", 257, -100_i64),
        ("write elsewhere", 1, 2),
        ("munmap", 11, 0x40_0000),
        ("fork", 57, 0),
    ] {
        let code = format!(
            r#"static int run(void) {{
            const unsigned char *page = (const unsigned char *)boot->hypercall;
            for (int at = 0; at < 4096; at++)
                if (page[at] == 0x0f && page[at + 1] == 0x05 && page[at + 2] == 0xc3) {{
                    int64_t result;
                    __asm__ volatile("call *%1" : "=a"(result) : "r"(page + at), "a"({number}L), "D"({first}L), "S"("/"), "d"(0L)
                        : "rcx", "r11", "memory");
                    say("FAILURE");
                }}
            return 0;
        }}"#
        );
        let ending = Workshop::new().run(&code, &[]);
        assert_eq!(ending.code, 132, "{name}: {}", ending.stderr);
        assert!(ending.stdout.is_empty(), "{name}");
    }
}

#[test]
fn nothing_of_the_monitor_is_left_to_read() {
    let code = r#"
    static int run(void) {
        /* A read through the kernel tells without a fault whether memory is there. */
        for (uint64_t at = 0x80000000; at < 0x7fffffff0000; at += at / 64 & ~4095ULL)
            if (call(UNISHARE_CALL_CONSOLE_WRITE, at, 1, 0) != -14) { say("FAILURE"); return 1; }
        return 0;
    }"#;
    Workshop::new().run(code, &[]).expect(0);
}

#[test]
fn a_loop_meets_the_time_limit() {
    let started = Instant::now();
    let ending = Workshop::new().run(
        "static int run(void) { for (;;) __asm__ volatile(\"pause\"); }",
        &["--time-limit-ms", "200"],
    );
    assert!(ending.expect(124).stderr.starts_with("error: "));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_guest_that_ends_without_an_answer_is_an_error() {
    let ending = Workshop::new().invoke("static int run(void) { return 0; }", b"x", &[]);
    assert!(ending.expect(1).stderr.contains("did not answer"), "{}", ending.stderr);
}

#[test]
fn a_signal_ends_the_instance_too() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let workshop = Workshop::new();
        let manifest =
            workshop.write(&workshop.image(r#"static int run(void) { say("up\n"); for (;;) call(4, 0, ~0ULL, 0); }"#));
        let mut command = workshop.run_command(&manifest, &[]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the monitor");
        let mut up = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut up).expect("the guest's word");
        let monitor = child.id().to_string();
        let instance = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).expect("its children");
        let instance = support::instance_of(&instance);
        assert!(
            Command::new("kill")
                .args([signal, &monitor])
                .status()
                .expect("kill")
                .success()
        );
        assert_eq!(child.wait().expect("the monitor").code(), Some(code));
        assert!(
            !std::path::Path::new(&format!("/proc/{}", instance.trim())).exists(),
            "instance {instance} was left"
        );
    }
}
