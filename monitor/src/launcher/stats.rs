//! Memory and exits of one instance, as the kernel counts them.

use std::fs;
use std::io::ErrorKind;

use serde_json::{Value, json};

use super::member::Member;
use super::refusal::Refusal;
use crate::error::Error;
use crate::tender::Tender;

const KIBIBYTE: u64 = 1024;
/// Each virtual machine's counters, in folders `PID-DESCRIPTOR`, where debugfs is mounted and readable.
const KVM_COUNTERS: &str = "/sys/kernel/debug/kvm";

/// `pss`, `rss`, `private`, `shared` and `own` in bytes (proc(5), smaps_rollup), `page_tables` (status), the requests answered and the exits
/// from the guest. `private` holds pages of the pool that nobody else has touched yet; `own` does not.
pub fn of(member: &Member) -> Result<Value, Refusal> {
    let (name, pid) = (&member.identity.name, member.identity.pid);
    if let Some(ending) = member.ending() {
        return Err(ending.refusal(name, &member.identity.origin()));
    }
    let (text, status) = (read(name, pid, "smaps_rollup")?, read(name, pid, "status")?);
    let exits = match member.identity.tender {
        Tender::Kvm => exits(pid),
        Tender::Process => None,
    };
    Ok(json!({
        "pss": sum(&text, &["Pss:"]), "rss": sum(&text, &["Rss:"]), "private": sum(&text, &["Private_Clean:", "Private_Dirty:"]),
        "shared": sum(&text, &["Shared_Clean:", "Shared_Dirty:"]), "own": sum(&text, &["Anonymous:"]),
        "page_tables": sum(&status, &["VmPTE:"]), "invocations": member.invocations, "exits": exits,
    }))
}

/// A file of the instance's process.
fn read(name: &str, pid: i32, file: &str) -> Result<String, Refusal> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| match error.kind() {
        // It has ended and the news is on its way.
        ErrorKind::NotFound => Refusal::new("ended", format!("{name} has ended"), "'unishare ps' lists instances"),
        _ if error.raw_os_error() == Some(libc::ESRCH) => {
            Refusal::new("ended", format!("{name} has ended"), "'unishare ps' lists instances")
        }
        _ => Error::io(format!("reading {path}"), error).into(),
    })
}

/// Bytes in these fields together.
fn sum(text: &str, fields: &[&str]) -> u64 {
    let kibibytes = |line: &str| {
        let value = fields.iter().find_map(|field| line.strip_prefix(field))?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    text.lines().filter_map(kibibytes).sum::<u64>() * KIBIBYTE
}

/// How often the guest gave way to the host; `None` where the kernel does not tell us.
fn exits(pid: i32) -> Option<u64> {
    let prefix = format!("{pid}-");
    let machine = fs::read_dir(KVM_COUNTERS)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))?;
    fs::read_to_string(machine.path().join("exits")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_summed_in_bytes() {
        let text =
            "00400000-7fff [rollup]\nRss:  12 kB\nPss:   5 kB\nPss_Anon:  4 kB\nShared_Clean: 3 kB\nShared_Dirty: 1 kB\n";
        assert_eq!(sum(text, &["Pss:"]), 5 * 1024);
        assert_eq!(sum(text, &["Shared_Clean:", "Shared_Dirty:"]), 4 * 1024);
        assert_eq!(sum("garbage\nPss: x kB\nPss:", &["Pss:"]), 0);
    }
}
