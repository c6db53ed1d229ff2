//! The tables are walked as a processor would and compared with what they were made from.

use super::*;

const NONE: LargePages = LargePages {
    virtual_address: 0,
    physical_address: 0,
    count: 0,
};

fn walk(bytes: &[u8], address: u64) -> Option<u64> {
    let entry = |table: u64, index: usize| {
        let at = table as usize + index * 8;
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    };
    let mut table = 0;
    for level in (1..LEVELS).rev() {
        let found = entry(table, index(address, level));
        if found & PRESENT == 0 {
            return None;
        }
        assert_eq!(found & INNER, INNER);
        table = found & 0x000f_ffff_ffff_f000;
    }
    let found = entry(table, index(address, 0));
    (found & PRESENT != 0).then_some(found)
}

/// A small generator: tests must not depend on the day.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

#[test]
fn every_page_is_mapped_as_asked_and_no_other() {
    for seed in 0..30 {
        let mut draw = numbers(seed);
        let (mut address, mut physical, mut mappings) = (0x40_0000, 0x10_0000, Vec::new());
        for _ in 0..20 {
            address += draw(700) * PAGE;
            let pages = 1 + draw(600);
            let rights = [Rights::Read, Rights::ReadExecute, Rights::ReadWrite][draw(3) as usize];
            mappings.push(Mapping {
                virtual_address: address,
                physical_address: physical,
                pages,
                access: Access::Guest(rights),
            });
            address += (pages + 1) * PAGE;
            physical += pages * PAGE;
        }
        let plan = Plan {
            mappings: mappings.clone(),
            large: NONE,
            base: 0,
        };
        let bytes = plan.bytes();
        assert_eq!(bytes.len() as u64, plan.count() * PAGE);
        for mapping in &mappings {
            for page in 0..mapping.pages {
                let entry = walk(&bytes, mapping.virtual_address + page * PAGE).expect("mapped");
                assert_eq!(entry & 0x000f_ffff_ffff_f000, mapping.physical_address + page * PAGE);
                assert_eq!(entry & WRITABLE != 0, mapping.access == Access::Guest(Rights::ReadWrite));
                assert_eq!(entry & NO_EXECUTE == 0, mapping.access == Access::Guest(Rights::ReadExecute));
                assert_eq!(entry & (USER | ACCESSED | DIRTY), USER | ACCESSED | DIRTY);
            }
            assert_eq!(walk(&bytes, mapping.virtual_address + mapping.pages * PAGE), None);
        }
        assert_eq!(walk(&bytes, 0), None);
    }
}
