//! Names that come with the modules a role imports; not a rule itself.
//!
//! What a plugin needs it declares itself, under its own prefix: `Import/@moduleName="Diagnostics"` makes
//! every name legal that begins with `Microsoft.WindowsAzure.Plugins.Diagnostics.`. Which names those are
//! is not asked: approot runs no plugin, so a name of one does no harm.

use std::collections::HashSet;

use crate::csdef::Role;

const PLUGINS: &str = "Microsoft.WindowsAzure.Plugins.";

/// The modules that a role imports.
pub(super) struct Imported<'t>(HashSet<&'t str>);

impl<'t> Imported<'t> {
    pub(super) fn of(role: &Role<'t>) -> Imported<'t> {
        Imported(role.imports.iter().map(|import| import.value).collect())
    }

    /// Whether a name comes with one of the modules.
    pub(super) fn declares(&self, name: &str) -> bool {
        module_of(name).is_some_and(|module| self.0.contains(module))
    }
}

/// What to do about a name that would come with a module which is not imported: what a tool leaves behind
/// when an import is deleted.
pub(super) fn advice(name: &str) -> Option<String> {
    let module = module_of(name)?;
    Some(format!(
        "it belongs to the import of `{module}`, which the role does not have: delete it, or add \
         `<Import moduleName=\"{module}\" />` to the role in the definition"
    ))
}

/// The module that a name belongs to.
fn module_of(name: &str) -> Option<&str> {
    let (module, _) = name.strip_prefix(PLUGINS)?.split_once('.')?;
    Some(module)
}
