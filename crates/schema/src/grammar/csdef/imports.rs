//! `Imports`: what takes the place of each module of the platform's tools.
//!
//! What a module adds to its role is not here but in [`crate::modules`].

use super::super::fate::{Fate, GROUP, never};
use super::super::{ElementSpec, any_number, required};
use crate::lexical::Lexical::Name;

pub(super) static IMPORTS: ElementSpec = ElementSpec {
    children: &[any_number(&IMPORT)],
    ..ElementSpec::new("Imports", GROUP)
};

static IMPORT: ElementSpec = ElementSpec {
    attributes: &[required("moduleName", Name, IMPORTED)],
    ..ElementSpec::new("Import", IMPORTED)
};

const IMPORTED: Fate = Fate::ByValue("moduleName", MODULES, &UNKNOWN_MODULE);

/// The modules of the platform's tools and what takes their place here.
pub(crate) const MODULES: &[(&str, Fate)] = &[
    (
        "RemoteAccess",
        never(
            "remote desktop is a service of Windows",
            "log in to the machine itself, with ssh for instance",
        )
        .reports()
        .fate(),
    ),
    (
        "RemoteForwarder",
        never(
            "remote desktop is a service of Windows",
            "log in to the machine itself, with ssh for instance",
        )
        .reports()
        .fate(),
    ),
    (
        "Diagnostics",
        never(
            "the diagnostics agent is a program of the platform",
            "read `approot logs`: what tasks and programs print is kept; the plugin's settings stay readable",
        )
        .reports()
        .fate(),
    ),
    (
        "Connect",
        never(
            "Windows Azure Connect was withdrawn",
            "join the machine to the network by other means",
        )
        .reports()
        .fate(),
    ),
    (
        "Caching",
        never(
            "the caching service is a program of the platform",
            "run a cache as a role of its own or beside approot",
        )
        .reports()
        .fate(),
    ),
    (
        "WebDeploy",
        never(
            "Web Deploy is a service of Windows",
            "package and run the service again",
        )
        .reports()
        .fate(),
    ),
    (
        "RemoteDebugger",
        never(
            "the remote debugger is a program of Visual Studio",
            "attach a debugger to the role's process on the machine",
        )
        .reports()
        .fate(),
    ),
];

/// Its name is a finding of a rule.
const UNKNOWN_MODULE: Fate = never(
    "no module of this name is known",
    "put what it added into the role itself",
)
.fate();
