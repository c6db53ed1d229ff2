//! The code of an image, read from its ELF files: was the instruction before an address a call, and of what?

use object::{Object, ObjectSegment};

/// What a call instruction says of whom it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `call rel32`: the called address, relative to the module like the return address.
    Direct(u64),
    /// Through a register or a table: the instruction does not tell.
    Indirect,
}

/// Bytes that may hold one call: the longest is `call [base + index * scale + disp32]` with a REX prefix.
const LONGEST: u64 = 8;
/// Intel SDM vol. 2, CALL: E8 cd.
const CALL_RELATIVE: u8 = 0xe8;
const RELATIVE_LENGTH: usize = 5;
/// Intel SDM vol. 2, CALL: FF /2.
const CALL_INDIRECT: u8 = 0xff;

/// The call instruction that ends at `address` of a module's ELF file, if one can end there.
pub fn call_before(elf: &[u8], address: u64) -> Option<Call> {
    let start = address.checked_sub(LONGEST)?;
    let code = bytes_at(elf, start, LONGEST)?;
    let at = code.len().checked_sub(RELATIVE_LENGTH)?;
    if code[at] == CALL_RELATIVE {
        let offset = i32::from_le_bytes(code[at + 1..].try_into().ok()?);
        return Some(Call::Direct(address.wrapping_add_signed(offset.into())));
    }
    (2..=7)
        .filter_map(|length| code.get(code.len() - length..))
        .any(|tail| tail[0] == CALL_INDIRECT && tail.len() == indirect_length(tail))
        .then_some(Call::Indirect)
}

/// The length of FF /2 with its operand (Intel SDM vol. 2, 2.1.3, table 2-2), 0 if it is another instruction.
fn indirect_length(code: &[u8]) -> usize {
    let (mode, register, base) = (code[1] >> 6, code[1] >> 3 & 7, code[1] & 7);
    if register != 2 {
        return 0;
    }
    let index_byte = usize::from(mode != 3 && base == 4);
    let no_base = index_byte == 1 && mode == 0 && code.get(2).is_some_and(|byte| byte & 7 == 5);
    let displacement = match mode {
        0 if base == 5 || no_base => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    2 + index_byte + displacement
}

fn bytes_at(elf: &[u8], address: u64, count: u64) -> Option<&[u8]> {
    let file = object::File::parse(elf).ok()?;
    file.segments()
        .find_map(|segment| segment.data_range(address, count).ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::indirect_length;

    #[test]
    fn lengths_of_indirect_calls() {
        // As GNU as writes them: call *%rax; *(%rbx); *8(%rbp); *0x100(%rip); *8(%rsp); *table(,%rax,8); *0x1000(%r12,%rax,8).
        let cases: [&[u8]; 7] = [
            &[0xff, 0xd0],
            &[0xff, 0x13],
            &[0xff, 0x55, 8],
            &[0xff, 0x15, 0, 1, 0, 0],
            &[0xff, 0x54, 0x24, 8],
            &[0xff, 0x14, 0xc5, 0, 0, 0, 0],
            &[0xff, 0x94, 0xc4, 0, 0x10, 0, 0],
        ];
        for code in cases {
            assert_eq!(indirect_length(code), code.len(), "{code:x?}");
        }
        // jmp *%rax and push (%rax) are no calls.
        assert_eq!(indirect_length(&[0xff, 0xe0]), 0);
        assert_eq!(indirect_length(&[0xff, 0x30]), 0);
    }
}
