//! The modules that `Imports` can name, and what each adds to a role that imports it.
//!
//! approot runs none of them; what becomes of an import is in the grammar's tables. Here is what the rules
//! must know: a setting that nobody declares is legal if a module declares it, and a module's endpoints
//! count like declared ones. Startup tasks and local stores of modules are left out, since no rule reads
//! them.
//!
//! Source: the `ServiceDefinition.rd` files that the platform's tools made of services with imports; for the
//! remote debugger "Debugging an Azure cloud service" (Azure documentation).

use std::collections::HashSet;

use diagnostics::Span;

use crate::csdef::Role;

/// What the names of everything that modules add begin with; the module's own name follows.
const PREFIX: &str = "Microsoft.WindowsAzure.Plugins.";

/// A module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    /// Full names of the settings that it declares.
    pub(crate) settings: &'static [&'static str],
    pub(crate) endpoints: &'static [ModuleEndpoint],
    /// Full names of the certificates that it declares.
    pub(crate) certificates: &'static [&'static str],
}

/// An endpoint that a module adds; the protocol of all of them is `tcp`.
#[derive(Debug)]
pub(crate) struct ModuleEndpoint {
    /// The full name.
    pub(crate) name: &'static str,
    pub(crate) kind: ModuleEndpointKind,
}

/// What kind of endpoint a module adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModuleEndpointKind {
    /// With this public port.
    Input(u16),
    Internal,
    /// With public ports from the first to the last.
    InstanceInput(u16, u16),
}

/// Every known module.
pub(crate) const MODULES: &[Module] = &[
    Module {
        settings: &[
            "Microsoft.WindowsAzure.Plugins.RemoteAccess.Enabled",
            "Microsoft.WindowsAzure.Plugins.RemoteAccess.AccountUsername",
            "Microsoft.WindowsAzure.Plugins.RemoteAccess.AccountEncryptedPassword",
            "Microsoft.WindowsAzure.Plugins.RemoteAccess.AccountExpiration",
        ],
        endpoints: &[internal("Microsoft.WindowsAzure.Plugins.RemoteAccess.Rdp")],
        certificates: &["Microsoft.WindowsAzure.Plugins.RemoteAccess.PasswordEncryption"],
        ..Module::new("RemoteAccess")
    },
    Module {
        settings: &["Microsoft.WindowsAzure.Plugins.RemoteForwarder.Enabled"],
        endpoints: &[input(
            "Microsoft.WindowsAzure.Plugins.RemoteForwarder.RdpInput",
            3389,
        )],
        ..Module::new("RemoteForwarder")
    },
    Module {
        settings: &["Microsoft.WindowsAzure.Plugins.Diagnostics.ConnectionString"],
        ..Module::new("Diagnostics")
    },
    Module {
        settings: &[
            "Microsoft.WindowsAzure.Plugins.Connect.ActivationToken",
            "Microsoft.WindowsAzure.Plugins.Connect.Refresh",
            "Microsoft.WindowsAzure.Plugins.Connect.Diagnostics",
            "Microsoft.WindowsAzure.Plugins.Connect.WaitForConnectivity",
            "Microsoft.WindowsAzure.Plugins.Connect.EnableDomainJoin",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainFQDN",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainControllerFQDN",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainAccountName",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainPassword",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainOU",
            "Microsoft.WindowsAzure.Plugins.Connect.DNSServers",
            "Microsoft.WindowsAzure.Plugins.Connect.Administrators",
            "Microsoft.WindowsAzure.Plugins.Connect.DomainSiteName",
        ],
        ..Module::new("Connect")
    },
    Module {
        settings: &[
            "Microsoft.WindowsAzure.Plugins.Caching.CacheSizePercentage",
            "Microsoft.WindowsAzure.Plugins.Caching.ConfigStoreConnectionString",
            "Microsoft.WindowsAzure.Plugins.Caching.DiagnosticLevel",
            "Microsoft.WindowsAzure.Plugins.Caching.NamedCaches",
        ],
        endpoints: &[
            internal("Microsoft.WindowsAzure.Plugins.Caching.cacheArbitrationPort"),
            internal("Microsoft.WindowsAzure.Plugins.Caching.cacheClusterPort"),
            internal("Microsoft.WindowsAzure.Plugins.Caching.cacheReplicationPort"),
            internal("Microsoft.WindowsAzure.Plugins.Caching.cacheServicePortInternal"),
            internal("Microsoft.WindowsAzure.Plugins.Caching.cacheSocketPort"),
        ],
        ..Module::new("Caching")
    },
    Module {
        endpoints: &[input(
            "Microsoft.WindowsAzure.Plugins.WebDeploy.InputEndpoint",
            8172,
        )],
        ..Module::new("WebDeploy")
    },
    Module {
        endpoints: &[
            ModuleEndpoint {
                name: "Microsoft.WindowsAzure.Plugins.RemoteDebugger.Connector",
                kind: ModuleEndpointKind::InstanceInput(30400, 30424),
            },
            ModuleEndpoint {
                name: "Microsoft.WindowsAzure.Plugins.RemoteDebugger.Forwarder",
                kind: ModuleEndpointKind::InstanceInput(31400, 31424),
            },
            ModuleEndpoint {
                name: "Microsoft.WindowsAzure.Plugins.RemoteDebugger.FileUpload",
                kind: ModuleEndpointKind::InstanceInput(32400, 32424),
            },
        ],
        certificates: &["Microsoft.WindowsAzure.Plugins.RemoteDebugger.TransportValidation"],
        ..Module::new("RemoteDebugger")
    },
];

impl Module {
    const fn new(name: &'static str) -> Module {
        Module {
            name,
            settings: &[],
            endpoints: &[],
            certificates: &[],
        }
    }
}

const fn internal(name: &'static str) -> ModuleEndpoint {
    ModuleEndpoint {
        name,
        kind: ModuleEndpointKind::Internal,
    }
}

const fn input(name: &'static str, port: u16) -> ModuleEndpoint {
    ModuleEndpoint {
        name,
        kind: ModuleEndpointKind::Input(port),
    }
}

/// The known modules that a role imports, each once, with the place of its first import.
pub(crate) fn imported(role: &Role<'_>) -> impl Iterator<Item = (&'static Module, Span)> {
    // Most roles import nothing, or a module or two.
    MODULES.iter().filter_map(|module| {
        let mut imports = role.imports.iter();
        let import = imports.find(|import| import.value == module.name)?;
        Some((module, import.span))
    })
}

/// The endpoints that a role's imports add, with their modules and the places of the imports.
///
/// One that the role declares itself under the same name is the declared one: services that wanted a probe
/// on the port of Web Deploy wrote it so.
pub(crate) fn imported_endpoints(
    role: &Role<'_>,
) -> impl Iterator<Item = (&'static Module, &'static ModuleEndpoint, Span)> {
    let endpoints = |(module, span): (&'static Module, Span)| {
        let endpoints = module.endpoints.iter();
        endpoints.map(move |endpoint| (module, endpoint, span))
    };
    imported(role)
        .flat_map(endpoints)
        .filter(|(_, endpoint, _)| !role.declares_endpoint(endpoint.name))
}

/// The names that come with the modules a role imports.
///
/// A module's name makes every name legal that begins with it: the tables need not have all that any version
/// of a module ever declared, and approot runs none.
pub(crate) struct Imported<'t>(HashSet<&'t str>);

impl<'t> Imported<'t> {
    pub(crate) fn of(role: &Role<'t>) -> Imported<'t> {
        Imported(role.imports.iter().map(|import| import.value).collect())
    }

    /// Whether a name comes with one of the modules.
    pub(crate) fn declares(&self, name: &str) -> bool {
        module_of(name).is_some_and(|module| self.0.contains(module))
    }
}

/// The settings of the known module that a setting's name belongs to, if it is none of them.
pub(crate) fn settings_beside(name: &str) -> Option<&'static [&'static str]> {
    let module = module_of(name)?;
    let module = MODULES.iter().find(|known| known.name == module)?;
    (!module.settings.contains(&name)).then_some(module.settings)
}

/// What to do about a name that would come with a module which is not imported: what a tool leaves behind
/// when an import is deleted.
pub(crate) fn advice(name: &str) -> Option<String> {
    let module = module_of(name)?;
    Some(format!(
        "it belongs to the import of `{module}`, which the role does not have: delete it, or add \
         `<Import moduleName=\"{module}\" />` to the role in the definition"
    ))
}

/// Whether a name can only be one that a module adds.
pub(crate) fn is_imported(name: &str) -> bool {
    module_of(name).is_some()
}

/// The module that a name belongs to.
fn module_of(name: &str) -> Option<&str> {
    let (module, _) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some(module)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::grammar::csdef::imports;

    #[test]
    fn the_grammar_has_a_fate_for_every_module_and_for_no_other() {
        let here: BTreeSet<_> = MODULES.iter().map(|module| module.name).collect();
        let there: BTreeSet<_> = imports::MODULES.iter().map(|(name, _)| *name).collect();
        assert_eq!(here, there);
        assert_eq!(here.len(), MODULES.len());
    }

    #[test]
    fn what_a_module_adds_is_named_after_it() {
        for module in MODULES {
            let prefix = format!("Microsoft.WindowsAzure.Plugins.{}.", module.name);
            let endpoints = module.endpoints.iter().map(|endpoint| &endpoint.name);
            let mut names = module
                .settings
                .iter()
                .chain(module.certificates)
                .chain(endpoints);
            assert!(names.all(|name| name.starts_with(&prefix)), "{prefix}");
        }
    }
}
