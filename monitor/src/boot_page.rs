//! The boot page: what a guest is told when it starts.

use crate::error::Error;
use crate::placement::Placement;
use crate::plan::PAGE;
use crate::tender::Spec;

/// The start of the guest's clocks. All zero: it asks UNISHARE_CALL_CLOCK each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    pub tsc_hz: u64,
    pub tsc_start: u64,
    pub monotonic_start: u64,
    pub realtime_start: u64,
}

impl Clock {
    /// Read the TSC and both clocks together, for a TSC of `tsc_hz`.
    pub fn read(_tsc_hz: u64) -> Self {
        todo!()
    }
}

/// The boot page's bytes.
pub fn build(_spec: &Spec<'_>, _placement: &Placement, _clock: Clock) -> Result<[u8; PAGE as usize], Error> {
    todo!()
}
