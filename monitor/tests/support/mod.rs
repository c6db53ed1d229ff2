//! Makes images of a few lines of C: compiled and linked here, cut into a pool, described by a manifest; and runs them.

#![allow(dead_code)] // Each test program uses its part.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const MONITOR: &str = env!("CARGO_BIN_EXE_unishare-monitor");
const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/unishare/guest/abi/include");
const PAGE: usize = 4096;
const TEXT: u64 = 0x40_0000;
const DATA: u64 = 0x60_0000;

const SCRIPT: &str = "ENTRY(start)
SECTIONS {
    . = 0x400000; .text : { *(.text.start) *(.text*) *(.rodata*) }
    . = 0x600000; .data : { LONG(1) *(.data*) *(.bss*) *(COMMON) }
    /DISCARD/ : { *(.note*) *(.comment*) *(.eh_frame*) }
}";

/// In front of every guest: the entry, and what it needs to talk.
const PRELUDE: &str = r#"
#include <unishare/abi.h>
static const struct unishare_boot *boot;
static int64_t call(uint64_t n, uint64_t a, uint64_t b, uint64_t c) {
    return ((unishare_hypercall_fn)boot->hypercall)(n, a, b, c);
}
__attribute__((unused)) static void say(const char *text) {
    uint64_t length = 0;
    while (text[length]) length++;
    call(UNISHARE_CALL_CONSOLE_WRITE, (uint64_t)text, length, 0);
}
static int run(void);
__attribute__((section(".text.start"), used)) void start_c(const struct unishare_boot *b) {
    boot = b;
    call(UNISHARE_CALL_EXIT, (uint64_t)run(), 0, 0);
}
__asm__(".section .text.start,\"ax\"\n.globl start\nstart: call start_c\nud2\n.text");
#line 1 "guest.c"
"#;

/// A folder with a pool and manifests, removed at the end.
pub struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("pool/runs")).expect("the pool's folder");
        fs::write(folder.path().join("pool/format"), "unishare-pool 1\n").expect("the pool's format");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn pool(&self) -> PathBuf {
        self.path("pool")
    }

    /// Put bytes, filled up to whole pages, into the pool. Returns digest and pages.
    pub fn add_run(&self, mut bytes: Vec<u8>) -> (String, usize) {
        bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
        let digest = sha256(&bytes);
        let path = self.run_path(&digest);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the run's folder");
        fs::write(&path, &bytes).expect("the run");
        (digest, bytes.len() / PAGE)
    }

    pub fn run_path(&self, digest: &str) -> PathBuf {
        self.path(&format!("pool/runs/{}/{digest}", &digest[..2]))
    }

    /// The manifest, as JSON, of a guest whose `static int run(void)` is in `code`.
    pub fn image(&self, code: &str) -> Value {
        let (source, script, elf) = (self.path("guest.c"), self.path("guest.ld"), self.path("guest.elf"));
        fs::write(&source, format!("{PRELUDE}{code}")).expect("the source");
        fs::write(&script, SCRIPT).expect("the linker script");
        let flags = [
            "-std=gnu11",
            "-g",
            "-O1",
            "-Wall",
            "-Werror",
            "-Wno-infinite-recursion",
            "-Wno-array-bounds",
            "-Wno-return-type",
            "-ffreestanding",
            "-nostdlib",
            "-static",
        ];
        let mut gcc = Command::new("gcc");
        gcc.args(flags).args([
            "-fno-pie",
            "-no-pie",
            "-fno-stack-protector",
            "-fcf-protection=none",
            "-I",
            INCLUDE,
        ]);
        gcc.arg("-Wl,--build-id=none")
            .arg("-T")
            .arg(&script)
            .arg("-o")
            .arg(&elf)
            .arg(&source);
        assert!(gcc.status().expect("gcc").success(), "the guest does not compile");
        let (text, text_pages) = self.add_run(self.section(&elf, ".text"));
        let (data, data_pages) = self.add_run(self.section(&elf, ".data"));
        json!({
            "format": "unishare-manifest", "version": 1, "name": "guest", "layout": "aligned", "abi": 65536,
            "entry": format!("{:#x}", entry(&elf)), "elf": {"file": "guest.elf", "sha256": sha256(&fs::read(&elf).expect("the ELF file"))},
            "image_table": "0x400000", "stack": 65536, "heap": 1 << 20, "argv": ["guest"], "env": {}, "libraries": [],
            "extents": [
                {"address": format!("{TEXT:#x}"), "pages": text_pages, "rights": "r-x", "run": text, "first": 0,
                 "library": null, "section": "text"},
                {"address": format!("{DATA:#x}"), "pages": data_pages, "rights": "rw-", "run": data, "first": 0,
                 "library": null, "section": "data"},
            ],
        })
    }

    fn section(&self, elf: &Path, name: &str) -> Vec<u8> {
        let binary = self.path("section.bin");
        let mut objcopy = Command::new("objcopy");
        objcopy.args(["-O", "binary", "-j", name]).arg(elf).arg(&binary);
        assert!(objcopy.status().expect("objcopy").success());
        fs::read(binary).expect("the section")
    }

    pub fn write(&self, manifest: &Value) -> PathBuf {
        let path = self.path("manifest.json");
        fs::write(&path, manifest.to_string()).expect("the manifest");
        path
    }

    /// `unishare-monitor run` of a manifest under the process tender.
    pub fn run_command(&self, manifest: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(MONITOR);
        command
            .arg("run")
            .arg(manifest)
            .arg("--pool")
            .arg(self.pool())
            .args(["--tender", "process"])
            .args(arguments);
        command
    }

    /// Compile `code`, run it, wait for its end.
    pub fn run(&self, code: &str, arguments: &[&str]) -> Ending {
        let manifest = self.write(&self.image(code));
        Ending::of(self.run_command(&manifest, arguments).output().expect("the monitor"))
    }

    /// The same with a request on stdin.
    pub fn invoke(&self, code: &str, request: &[u8], arguments: &[&str]) -> Ending {
        let manifest = self.write(&self.image(code));
        let mut command = self.run_command(&manifest, arguments);
        command
            .args(["--invoke", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the monitor");
        child.stdin.take().expect("a pipe").write_all(request).expect("the request");
        Ending::of(child.wait_with_output().expect("the monitor"))
    }
}

/// Of a monitor's children the one that is not its zygote.
pub fn instance_of(children: &str) -> String {
    let name = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let instance = children.split_whitespace().find(|pid| name(pid).trim() != "unishare-zygote");
    instance.expect("an instance").to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(elf: &Path) -> u64 {
    let bytes = fs::read(elf).expect("the ELF file");
    u64::from_le_bytes(bytes[24..32].try_into().expect("e_entry"))
}

/// How a run ended.
#[derive(Debug)]
pub struct Ending {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ending {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The code, and that no guest got further than it may. Guests say FAILURE when they do.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            code,
            "stdout: {}\nstderr: {}",
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        let said = String::from_utf8_lossy(&self.stdout);
        assert!(
            !said.contains("FAILURE") && !self.stderr.contains("FAILURE"),
            "{said}{}",
            self.stderr
        );
        self
    }
}
