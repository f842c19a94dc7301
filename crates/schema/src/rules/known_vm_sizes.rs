//! The `vmsize` of a role is a size that the platform had.
//!
//! Only a warning: the schema takes any text so that later sizes pass, and approot limits no instance by it.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::suggest::did_you_mean;
use crate::vm_sizes;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for vmsize in definition.roles.iter().filter_map(|role| role.vmsize) {
        let name = vmsize.value;
        if vm_sizes::disk_gib(name).is_some() {
            continue;
        }
        let message = format!("`{name}` is not a known size of virtual machine");
        let help = match vm_sizes::is_formed_like_a_size(name) {
            true => None,
            false => did_you_mean(name, candidates(name)),
        };
        let help = help.unwrap_or_else(|| {
            "it is read as an opaque word; local stores are not compared with its disk".to_owned()
        });
        let (file, code) = (definition.file, codes::VMSIZE);
        findings.push(Finding::warning(code, file, vmsize.span, message).help(help));
    }
}

/// The sizes of the family that `name` begins with; of all names only so many are compared.
fn candidates(name: &str) -> impl Iterator<Item = &'static str> {
    const FAMILY_BYTES: usize = "Standard_D".len();
    let family = name.as_bytes().get(..FAMILY_BYTES);
    vm_sizes::names().filter(move |size| {
        let of_size = size.as_bytes().get(..FAMILY_BYTES);
        match (family, of_size) {
            (Some(family), Some(of_size)) if of_size.starts_with(b"Standard_") => {
                family.eq_ignore_ascii_case(of_size)
            }
            (None, Some(of_size)) => !of_size.starts_with(b"Standard_"),
            _ => true,
        }
    })
}
