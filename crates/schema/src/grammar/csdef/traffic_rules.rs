//! `NetworkTrafficRules`: which roles may connect to which internal endpoints.

use super::super::fate::{GROUP, WITH_ELEMENT, not_yet};
use super::super::{ElementSpec, any_number, at_least_one, at_most_one, exactly_one, required};
use crate::lexical::Lexical::{Name, OneOf};

pub(super) static NETWORK_TRAFFIC_RULES: ElementSpec = ElementSpec {
    children: &[any_number(&ONLY_ALLOW_TRAFFIC_TO)],
    ..ElementSpec::new("NetworkTrafficRules", GROUP)
};

static ONLY_ALLOW_TRAFFIC_TO: ElementSpec = ElementSpec {
    // Of the last two the schema wants exactly one, which is a rule: samples have both.
    children: &[
        exactly_one(&DESTINATIONS),
        at_most_one(&ALLOW_ALL_TRAFFIC),
        at_most_one(&WHEN_SOURCE),
    ],
    ..ElementSpec::new(
        "OnlyAllowTrafficTo",
        not_yet(
            "every role reaches every internal endpoint",
            "let the program check who connects",
        )
        .warns()
        .fate(),
    )
};

static DESTINATIONS: ElementSpec = ElementSpec {
    children: &[at_least_one(&ROLE_ENDPOINT)],
    ..ElementSpec::new("Destinations", GROUP)
};

static ROLE_ENDPOINT: ElementSpec = ElementSpec {
    attributes: &[
        required("roleName", Name, WITH_ELEMENT),
        required("endpointName", Name, WITH_ELEMENT),
    ],
    ..ElementSpec::new("RoleEndpoint", GROUP)
};

static ALLOW_ALL_TRAFFIC: ElementSpec = ElementSpec::new("AllowAllTraffic", GROUP);

static WHEN_SOURCE: ElementSpec = ElementSpec {
    attributes: &[required("matches", OneOf(&["AnyRule"]), WITH_ELEMENT)],
    children: &[any_number(&FROM_ROLE)],
    ..ElementSpec::new("WhenSource", GROUP)
};

static FROM_ROLE: ElementSpec = ElementSpec {
    attributes: &[required("roleName", Name, WITH_ELEMENT)],
    ..ElementSpec::new("FromRole", GROUP)
};
