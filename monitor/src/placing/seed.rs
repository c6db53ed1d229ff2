//! Addresses that can be drawn again: for debugging only. Both ways of starting instances come through here, so that none forgets to
//! say so.

use crate::error::Error;

/// Refuse a seed where there is nothing to draw.
pub fn check(name: &str, is_random: bool) -> Result<(), Error> {
    if is_random {
        return Ok(());
    }
    Err(Error::BadRequest {
        what: format!(
            "{}: has fixed addresses, so there is nothing to draw from a seed; build it with --layout aslr, or leave --seed out",
            name
        ),
    })
}

/// Say on stderr that an attacker who knows the seed knows every address.
pub fn warn(seed: u64) {
    eprintln!(
        "warning: --seed {seed}: NOT RANDOM: whoever knows this number knows every address of the instance. For debugging only."
    );
}

/// The seed of instance `index` among those started together: the first has the one that was given, each other one of its own.
pub fn of_instance(seed: u64, index: u32) -> u64 {
    seed ^ spread(u64::from(index))
}

/// MurmurHash3's finaliser: one to one, and 0 stays 0. Neighbours end far apart, so that no instance's numbers are another's, shifted.
fn spread(index: u64) -> u64 {
    let mixed = (index ^ (index >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::image::Image;
    use crate::image::{Module, PAGE};
    use crate::placing::draw::{self, Source};

    fn image() -> Image {
        let mut image = Image::empty().expect("the floor guest");
        image.stack = 16 * PAGE;
        let module = Module {
            name: "m".into(),
            pages: 7,
            elf: None,
        };
        image.modules = vec![module; 4].into();
        image
    }

    fn bases(seed: u64, index: u32) -> Box<[u64]> {
        draw::draw(
            &image(),
            64 * PAGE,
            draw::DEFAULT_GAPS,
            &mut Source::Seed(of_instance(seed, index)),
        )
        .expect("a draw")
        .bases
    }

    #[test]
    fn a_seed_repeats_and_each_instance_has_bases_of_its_own() {
        assert_eq!(bases(7, 3), bases(7, 3));
        let all: HashSet<Box<[u64]>> = (0..500).map(|index| bases(7, index)).collect();
        assert_eq!(all.len(), 500);
    }

    #[test]
    fn the_first_instance_is_that_of_the_plain_seed() {
        let plain = draw::draw(&image(), 64 * PAGE, draw::DEFAULT_GAPS, &mut Source::Seed(9)).expect("a draw");
        assert_eq!(bases(9, 0), plain.bases);
    }

    #[test]
    fn a_seed_for_fixed_addresses_is_refused_with_what_to_do() {
        let error = check("empty", false).expect_err("nothing to draw");
        assert!(error.to_string().contains("--layout aslr"), "{error}");
        check("m", true).expect("modules to draw for");
    }
}
