//! `approot status` for people: one text from one status. Writes nothing.

use balancer_core::EndpointCounters;
use fabric::Status;

use crate::show;

/// The instances and where they are reached, then the endpoints, then what this machine or version does not give.
pub(crate) fn table(status: &Status) -> String {
    let mut rows =
        vec![["INSTANCE", "STATUS", "PID", "RECYCLES", "ADDRESS", "DETAIL"].map(str::to_owned)];
    for instance in status.instances() {
        let addresses: Vec<String> = instance
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address.to_string())
            .collect();
        rows.push([
            instance.id.to_string(),
            instance.status.to_string(),
            instance
                .pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            instance.recycles.to_string(),
            addresses.join(" "),
            instance
                .detail
                .as_deref()
                .map(show::plain)
                .unwrap_or_default(),
        ]);
    }
    let mut text = format!("service {}", status.service);
    for deployment in &status.deployments {
        text.push_str(&format!(
            ", deployment {} in its incarnation {}",
            deployment.id, deployment.incarnation
        ));
    }
    text.push_str("\n\n");
    text.push_str(&columns(&rows));
    text.push('\n');
    for (name, public, count) in endpoints(status) {
        let served = status
            .balancer
            .as_ref()
            .and_then(|counters| counters.endpoints.get(&name));
        let counted = served.map(|counters| {
            format!(
                ", {} accepted, {} open, {} parked, {}",
                counters.accepted,
                counters.open,
                counters.parked,
                cuts(counters)
            )
        });
        text.push_str(&format!(
            "endpoint {name} at {public}, {count} Ready{}\n",
            counted.unwrap_or_default()
        ));
    }
    for limitation in &status.limitations {
        text.push_str(&format!("note: {limitation}\n"));
    }
    text
}

/// How many connections were cut, by cause.
fn cuts(counters: &EndpointCounters) -> String {
    let total: u64 = counters.cut.values().sum();
    let causes: Vec<String> = counters
        .cut
        .iter()
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    if causes.is_empty() {
        return "none cut".to_owned();
    }
    format!("{total} cut ({})", causes.join(", "))
}

/// Each input endpoint with its public address and how many Ready instances stand behind it.
fn endpoints(status: &Status) -> Vec<(String, String, usize)> {
    let mut endpoints: Vec<(String, String, usize)> = Vec::new();
    for role in status
        .deployments
        .iter()
        .flat_map(|deployment| &deployment.roles)
    {
        for instance in &role.instances {
            let is_ready = usize::from(instance.status.to_string() == "Ready");
            for endpoint in &instance.endpoints {
                let Some(public) = endpoint.public else {
                    continue;
                };
                let name = format!("{}/{}", role.name, endpoint.name);
                match endpoints.iter_mut().find(|(known, ..)| *known == name) {
                    Some((.., count)) => *count += is_ready,
                    None => {
                        endpoints.push((name, format!("{} {public}", endpoint.protocol), is_ready))
                    }
                }
            }
        }
    }
    endpoints
}

fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb"], ["ccc", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "a    bb\nccc\n");
    }

    #[test]
    fn limitations_come_last() {
        let status = Status {
            service: "S".to_owned(),
            deployments: Vec::new(),
            dashboard: None,
            control: "/run/control.sock".into(),
            limitations: vec!["no moon".to_owned()],
            balancer: None,
        };
        let expected =
            "service S\n\nINSTANCE  STATUS  PID  RECYCLES  ADDRESS  DETAIL\n\nnote: no moon\n";
        assert_eq!(table(&status), expected);
    }
}
