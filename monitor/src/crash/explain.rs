//! `unishare-monitor explain-crash`: from evidence and the image's files to a report, for people or for programs.

use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Value, json};

use super::code::Call;
use super::symbols::Symbols;
use super::{Evidence, REGISTERS, cause};
use crate::error::Error;
use crate::image::{Extent, Image, Rights};
use crate::placing::Placed;

/// Callers shown.
const CALLERS: usize = 12;
/// Evidence is some kilobytes.
const EVIDENCE_MAX: u64 = 1 << 20;

/// Read evidence from stdin (the launcher's `crash` answer: `record`), write the report, or with `as_json` both forms.
pub fn run(as_json: bool) -> Result<(), Error> {
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .take(EVIDENCE_MAX)
        .read_to_end(&mut text)
        .map_err(|error| Error::io("reading the crash record from stdin", error))?;
    let evidence: Evidence = serde_json::from_slice(&text).map_err(|error| Error::BadRequest {
        what: format!("what stdin holds is no crash record: {error}"),
    })?;
    let explained = Explained::new(&evidence);
    if as_json {
        println!("{}", json!({"report": explained.report(), "record": explained.record()}));
    } else {
        print!("{}", explained.report());
    }
    Ok(())
}

/// Evidence beside the image that it came from, if that is still there.
pub struct Explained<'a> {
    evidence: &'a Evidence,
    placed: Option<Placed>,
    symbols: Symbols,
    /// Why there are no symbols.
    missing: Option<String>,
}

impl<'a> Explained<'a> {
    pub fn new(evidence: &'a Evidence) -> Self {
        match Self::find_image(evidence) {
            Ok((image, symbols)) => Self {
                evidence,
                placed: Some(Placed::new(&image, &evidence.draw)),
                missing: (!symbols.found()).then(|| "the image's ELF file is missing or cannot be read".to_owned()),
                symbols,
            },
            Err(why) => Self {
                evidence,
                placed: None,
                symbols: Symbols::default(),
                missing: Some(why),
            },
        }
    }

    /// The image, if it is the one that crashed: another build of it has other addresses, and its symbols would be lies.
    fn find_image(evidence: &Evidence) -> Result<(Arc<Image>, Symbols), String> {
        let path = evidence.manifest.as_deref().ok_or("the floor guest has no files")?;
        let outline = Image::outline(path).map_err(|error| error.to_string())?;
        if outline.image.identity != evidence.digest {
            return Err(format!("{} was built again since", path.display()));
        }
        if outline
            .image
            .extents
            .iter()
            .any(|extent| usize::from(extent.module) >= evidence.draw.bases.len())
        {
            return Err("the record is not of this image".into());
        }
        let symbols = Symbols::of(&outline, path.parent().unwrap_or(path))?;
        Ok((Arc::new(outline.image), symbols))
    }

    /// For people.
    pub fn report(&self) -> String {
        let evidence = self.evidence;
        let mut text = format!("error: {} crashed: {}\n", evidence.image, self.cause());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  at {:#x}: {}", evidence.rip, self.place(evidence.rip));
        for caller in self.callers() {
            let perhaps = if caller.certain { "" } else { "perhaps " };
            let _ = writeln!(
                text,
                "  {perhaps}called from {:#x}: {}",
                caller.address,
                self.place(caller.address - 1)
            );
        }
        for row in REGISTERS.iter().zip(evidence.registers).collect::<Vec<_>>().chunks(4) {
            let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name:>3}={value:016x}")).collect();
            let _ = writeln!(text, "  {}", cells.join(" "));
        }
        let _ = writeln!(text, "  rip={:016x} rflags={:08x}", evidence.rip, evidence.rflags);
        for (row, words) in evidence.stack.iter().take(16).collect::<Vec<_>>().chunks(4).enumerate() {
            let cells: Vec<String> = words.iter().map(|word| format!("{word:016x}")).collect();
            let at = evidence.rsp().wrapping_add(row as u64 * 32);
            let _ = writeln!(text, "  stack {at:#x}: {}", cells.join(" "));
        }
        if let Some(why) = &self.missing {
            let _ = writeln!(text, "  (no symbols: {why})");
        }
        text
    }

    /// For programs. Addresses are hexadecimal strings.
    pub fn record(&self) -> Value {
        let evidence = self.evidence;
        let hex = |value: u64| format!("{value:#x}");
        let registers: serde_json::Map<String, Value> = REGISTERS
            .iter()
            .zip(evidence.registers)
            .map(|(name, value)| ((*name).to_owned(), hex(value).into()))
            .collect();
        let callers: Vec<Value> = self
            .callers()
            .into_iter()
            .map(|caller| {
                let place = self.place(caller.address - 1);
                json!({"address": hex(caller.address), "place": place, "certain": caller.certain})
            })
            .collect();
        json!({
            "cause": self.cause(), "exception": evidence.exception, "fault_address": hex(evidence.fault_address),
            "rip": hex(evidence.rip), "place": self.place(evidence.rip), "library": self.library_of(evidence.rip),
            "registers": registers, "rflags": hex(evidence.rflags), "callers": callers,
            "stack": evidence.stack.iter().map(|word| hex(*word)).collect::<Vec<_>>(),
        })
    }

    fn cause(&self) -> String {
        cause::describe(self.evidence, self.placed.as_ref())
    }

    /// The extent that an address is in, and the base of its module.
    fn locate(&self, address: u64) -> Option<(&Extent, u64)> {
        let (extent, _) = self.placed.as_ref()?.find(address)?;
        Some((extent, self.base_of(extent.module.into())))
    }

    fn base_of(&self, module: usize) -> u64 {
        self.evidence.draw.bases.get(module).copied().unwrap_or(0)
    }

    /// Whose code or data an address is: a library, or the app itself.
    fn library_of(&self, address: u64) -> Option<&str> {
        let (extent, _) = self.locate(address)?;
        extent.part.library.as_deref().or(Some(&self.placed.as_ref()?.image.name))
    }

    /// An address as `symbol in library (file:line)`, as far as known.
    fn place(&self, address: u64) -> String {
        let (module, base) = self
            .locate(address)
            .map_or_else(|| (0, self.base_of(0)), |(extent, base)| (extent.module, base));
        let (symbol, line) = self.symbols.find(module.into(), address.wrapping_sub(base));
        let mut text = symbol.unwrap_or("an unknown place").to_owned();
        if let Some(library) = self.library_of(address) {
            text += &format!(" in {library}");
        }
        if let Some(line) = line {
            text += &format!(" ({line})");
        }
        text
    }

    /// Return addresses on the stack, innermost first. Guests have no frame pointers and the stack holds words of earlier calls, so
    /// a word counts only if the instruction before it is a call, and one that names whom it calls only if that is the function
    /// that was found last (or one between, of which it is not certain). A tail call ends the list: less is said, nothing wrong.
    fn callers(&self) -> Vec<Caller> {
        let mut callees = vec![self.function(self.evidence.rip)];
        let mut callers = Vec::new();
        for &address in &self.evidence.stack {
            let Some((module, base)) = self.code_at(address) else {
                continue;
            };
            let certain = match self.symbols.call_before(module, address.wrapping_sub(base)) {
                None => continue,
                Some(Call::Indirect) => false,
                Some(Call::Direct(target)) if callees.contains(&self.function(base.wrapping_add(target))) => true,
                Some(Call::Direct(_)) => continue,
            };
            if certain {
                callees.clear();
            }
            callees.push(self.function(address - 1));
            callers.push(Caller { address, certain });
            if callers.len() == CALLERS {
                break;
            }
        }
        callers
    }

    /// The module and its base, if an address is behind an instruction of it.
    fn code_at(&self, address: u64) -> Option<(usize, u64)> {
        let (extent, base) = self.locate(address.checked_sub(1)?)?;
        (extent.rights == Rights::ReadExecute).then_some((extent.module.into(), base))
    }

    /// The function that an address is in: its module and its symbol.
    fn function(&self, address: u64) -> Option<(usize, &str)> {
        let (extent, base) = self.locate(address)?;
        let (symbol, _) = self.symbols.find(extent.module.into(), address.wrapping_sub(base));
        Some((extent.module.into(), symbol?))
    }
}

/// A return address, and whether its call is one of the function that was running.
struct Caller {
    address: u64,
    certain: bool,
}
