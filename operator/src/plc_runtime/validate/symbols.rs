//! Names and values of a spec against the compiled program: nothing that is named may be missing.

use lineshaft_crds::PlcRuntimeSpec;
use lineshaft_crds::plc_runtime::{SafeState, SafeStateDefault};
use lineshaft_plc_compiler::Program;
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_io::spec::{SafeDefault, SafeEntry, SafeValue};
use lineshaft_plc_io::{IoPlan, plan_safe};
use lineshaft_plc_runtime::mesh::describe;

/// Everything that names something which the program does not have, or a value that does not fit.
pub(super) fn problems(spec: &PlcRuntimeSpec, program: &Program, plan: &IoPlan) -> Vec<String> {
    let layout = &program.layout;
    let mut problems = Vec::new();
    for (index, rename) in spec.program.update.renames.iter().enumerate() {
        if layout.find(&rename.to).is_none() {
            problems.push(format!(
                "spec.program.update.renames[{index}].to: the program has no variable {:?}",
                rename.to
            ));
        }
    }
    problems.extend(unpublishable(spec, layout));
    let mut entries = Vec::new();
    let mut indices = Vec::new();
    for (index, state) in spec.io.safe_state.iter().enumerate() {
        match address(state, layout) {
            Ok(address) => {
                entries.push(SafeEntry { address, value: SafeValue::Literal(state.value.clone()) });
                indices.push(index);
            }
            Err(problem) => problems.push(format!("spec.io.safeState[{index}]: {problem}")),
        }
    }
    // The entries that resolved still carry their own numbers in what is reported of them.
    for (entry, index) in entries.iter().zip(indices) {
        if let Err(errors) = plan_safe(plan, std::slice::from_ref(entry), safe_default(spec)) {
            problems
                .extend(errors.iter().map(|error| format!("spec.io.safeState[{index}]: {}", error.problem)));
        }
    }
    if problems.is_empty()
        && let Err(errors) = plan_safe(plan, &entries, safe_default(spec))
    {
        problems.extend(errors.iter().map(|error| format!("spec.io.{error}")));
    }
    problems
}

/// Published variables that the program does not have, or that mean nothing outside of it.
fn unpublishable(spec: &PlcRuntimeSpec, layout: &Layout) -> Vec<String> {
    let published = spec.mesh.iter().flat_map(|mesh| &mesh.publish);
    let paths: Vec<String> = published.map(|entry| entry.variable.clone()).collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let judged = describe(layout, &paths).variables.into_iter().enumerate();
    let named = judged.filter_map(|(index, variable)| Some((index, variable.err()?.message)));
    named.map(|(index, why)| format!("spec.mesh.publish[{index}].variable: {why}")).collect()
}

fn safe_default(spec: &PlcRuntimeSpec) -> SafeDefault {
    match spec.io.safe_state_default {
        SafeStateDefault::Zero => SafeDefault::Zero,
        SafeStateDefault::Hold => SafeDefault::Hold,
    }
}

/// The output address of an entry.
fn address(state: &SafeState, layout: &Layout) -> Result<String, String> {
    match (&state.address, &state.variable) {
        (Some(address), _) => Ok(address.clone()),
        (None, Some(variable)) => output_address(variable, layout),
        (None, None) => Err("must have exactly one of address, variable".to_owned()),
    }
}

/// Where a variable lies in the outputs, as an address.
fn output_address(variable: &str, layout: &Layout) -> Result<String, String> {
    let place = layout.find(variable).ok_or_else(|| format!("the program has no variable {variable:?}"))?;
    let outputs = &layout.sections.outputs;
    if !outputs.contains(&place.offset) {
        return Err(format!("{variable} has no output address, so it needs no safe value"));
    }
    let byte = place.offset - outputs.start;
    if let Some(bit) = place.bit {
        return Ok(format!("%QX{byte}.{bit}"));
    }
    let size = layout.size_of(place.ty);
    let width = match size {
        1 => 'B',
        2 => 'W',
        4 => 'D',
        8 => 'L',
        _ => return Err(format!("{variable} is a {}: name its parts", layout.type_name(place.ty))),
    };
    if !byte.is_multiple_of(size) {
        return Err(format!(
            "{variable} does not lie at a multiple of its size, so it has no address of its own"
        ));
    }
    Ok(format!("%Q{width}{}", byte / size))
}
