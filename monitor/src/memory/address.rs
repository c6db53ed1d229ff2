//! Addresses are numbers here: they come from manifests and draws, and go to the kernel.

use std::ffi::c_void;

/// An address as the kernel wants it. Whatever it leads to was mapped there by its number.
pub fn pointer(address: u64) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address as usize)
}
