//! Where an instance's modules lie: for debuggers and for those who check that addresses differ.

use serde_json::{Value, json};

use super::member::Member;

/// The answer to `bases`. A fixed layout is one module, the whole image, at its linked addresses.
pub fn of(member: &Member) -> Value {
    let plan = member.identity.placed();
    let hex = |value: u64| format!("{value:#x}");
    let modules: Vec<Value> = match &member.identity.draw {
        None => vec![json!({"module": plan.name, "base": hex(0), "file": plan.elf})],
        Some(draw) => plan
            .modules
            .iter()
            .zip(&draw.bases)
            .map(|(module, base)| json!({"module": module.name, "base": hex(*base), "file": module.elf}))
            .collect(),
    };
    json!({
        "random": member.identity.draw.is_some(), "seed": member.identity.seed, "hypercall": hex(plan.placement().hypercall),
        "modules": modules,
    })
}
