//! An import names a module that the platform's tools had.
//!
//! Only a warning: tools could be given modules of one's own, whose tasks and endpoints nobody knows here.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::modules::MODULES;
use crate::suggest::did_you_mean;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let names = MODULES.iter().map(|module| module.name);
    for import in definition.roles.iter().flat_map(|role| &role.imports) {
        if names.clone().any(|name| name == import.value) {
            continue;
        }
        let message = format!(
            "no module `{}` is known; what it adds is missing",
            import.value
        );
        let help = did_you_mean(import.value, names.clone());
        let help = help.unwrap_or_else(|| "put what it added into the role itself".to_owned());
        let (file, code) = (definition.file, codes::UNKNOWN_IMPORT);
        findings.push(Finding::warning(code, file, import.span, message).help(help));
    }
}
