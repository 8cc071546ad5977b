//! The Lease by which the operator sees that this agent lives: the only write of a node in steady state.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use lineshaft_api_client::Reachability;
use lineshaft_crds::edge_node::lease_name;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::metrics::Metrics;
use crate::options::Options;

/// Renewals in the time that a Lease holds.
const RENEWALS_PER_DURATION: u32 = 4;

/// A renewal that failed is tried again after this long: an API server that restarts is soon back.
const RETRY: Duration = Duration::from_secs(1);

/// What the log calls it.
const WHAT: &str = "the Lease";

/// Renews for as long as it is polled; says so when the API server answers again after it did not.
pub(crate) async fn keep(
    client: Client,
    options: Options,
    api: Reachability,
    metrics: Metrics,
    api_is_back: impl Fn(),
) {
    let leases: Api<Lease> = Api::namespaced(client, &options.lease_namespace);
    let name = lease_name(&options.node_name);
    // A manager of its own: a status written under the same one would not touch the Lease, but each manager
    // stands for one place in the code.
    let params = PatchParams::apply(&format!("{}/lease", options.field_manager())).force();
    let acquired = Timestamp::now();
    let period = options.lease_duration / RENEWALS_PER_DURATION;
    let mut ticks = interval_at(Instant::now(), period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = false;
    loop {
        ticks.tick().await;
        let lease = lease(&options, &name, acquired, Timestamp::now());
        // An answer that comes after the next renewal is due is of no use.
        let renewed = timeout(period, leases.patch(&name, &params, &Patch::Apply(&lease))).await;
        let result = match renewed {
            Ok(Ok(_)) => {
                api.answered(WHAT);
                "renewed"
            }
            Ok(Err(error)) => {
                api.failed(WHAT, &error);
                "failed"
            }
            Err(_) => {
                api.failed_with(WHAT, "no answer in time");
                "timeout"
            }
        };
        metrics.lease_renewal(result);
        let renewed = result == "renewed";
        if renewed && interrupted {
            api_is_back();
        }
        interrupted = !renewed;
        if result == "failed" {
            ticks.reset_after(RETRY.min(period));
        }
    }
}

fn lease(options: &Options, name: &str, acquired: Timestamp, now: Timestamp) -> serde_json::Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": options.lease_namespace,
            "labels": {"app.kubernetes.io/name": "lineshaft", "app.kubernetes.io/component": "node-agent"},
        },
        "spec": {
            "holderIdentity": options.node_name,
            "leaseDurationSeconds": whole_seconds(options.lease_duration),
            "acquireTime": micro_time(acquired),
            "renewTime": micro_time(now),
        },
    })
}

/// At least 1, as the API demands.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}

/// As `metav1.MicroTime`: exactly six digits.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        let time = Timestamp::from_microsecond(1_000_001).unwrap();
        assert_eq!(micro_time(time), "1970-01-01T00:00:01.000001Z");
        assert_eq!(micro_time(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
