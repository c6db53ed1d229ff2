//! Where an instance's modules lie: for debuggers and for those who check that addresses differ.

use serde_json::{Value, json};

use super::member::Member;

/// The answer to `bases`. A fixed layout is one module, the whole image, at its linked addresses.
pub fn of(member: &Member) -> Value {
    let placed = member.identity.placed();
    let hex = |value: u64| format!("{value:#x}");
    let modules: Vec<Value> = match placed.image.is_random() {
        false => vec![json!({"module": placed.image.name, "base": hex(0), "file": placed.image.elf})],
        true => placed
            .image
            .modules
            .iter()
            .zip(&placed.draw.bases)
            .map(|(module, base)| json!({"module": module.name, "base": hex(*base), "file": module.elf}))
            .collect(),
    };
    json!({
        "random": placed.image.is_random(), "seed": member.identity.seed, "hypercall": hex(placed.placement.hypercall),
        "modules": modules,
    })
}
