//! The local stores of a role fit on the disk that the size of its virtual machine has.
//!
//! Only a warning: on the platform it showed when the disk was full, and approot has the disk it has.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::vm_sizes;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    for role in &definition.roles {
        let Some(vmsize) = role.vmsize else { continue };
        let Some(disk_gib) = vm_sizes::disk_gib(vmsize.value) else {
            continue;
        };
        let disk_mb = u64::from(disk_gib) * 1024;
        let sizes = role
            .local_resources
            .iter()
            .filter_map(|store| store.size_mb);
        let sum_mb: u64 = sizes.clone().map(|size| u64::from(size.value)).sum();
        // The largest is the one to make smaller.
        let largest = sizes.max_by_key(|size| size.value);
        let Some(largest) = largest.filter(|_| sum_mb > disk_mb) else {
            continue;
        };
        let message = format!(
            "the local stores of role {} take {sum_mb} MB, and the disk of size `{}` has {disk_mb} MB",
            shown(role.name),
            vmsize.value
        );
        // A default stands at the role's element.
        let of_size = match vmsize.span == role.span {
            true => format!("`{}`, as no `vmsize` is written", vmsize.value),
            false => format!("a disk of {disk_gib} GiB"),
        };
        let finding = Finding::warning(codes::STORE_SIZE, file, largest.span, message)
            .label("the largest")
            .related(file, vmsize.span, of_size)
            .help("approot gives the role the disk that the machine has; make sure that it has so much");
        findings.push(finding);
    }
}
