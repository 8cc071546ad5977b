//! One of several replicas acts: the one that holds the Lease `lineshaft-operator`.

use std::time::Duration;

use kube::Client;
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;

use crate::Error;
use crate::options::Options;

const LEASE: &str = "lineshaft-operator";
const LEASE_SECONDS: u64 = 15;
const GRACE_SECONDS: u64 = 5;
/// How long giving the Lease back may take at the end.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// The Lease, held.
pub(crate) struct Leadership {
    held: Receiver<bool>,
    renewing: JoinHandle<Result<kube_lease_manager::LeaseManager, LeaseManagerError>>,
}

impl Leadership {
    /// Returns once this replica holds the Lease.
    pub(crate) async fn acquire(client: Client, options: &Options) -> Result<Self, Error> {
        let manager = LeaseManagerBuilder::new(client, LEASE)
            .with_namespace(&options.lease_namespace)
            .with_identity(&options.identity)
            .with_duration(LEASE_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await
            .map_err(Box::new)?;
        let (mut held, renewing) = manager.watch().await;
        held.wait_for(|&held| held).await.map_err(|_closed| Error::LeadershipLost)?;
        Ok(Self { held, renewing })
    }

    /// Returns when this replica holds the Lease no more: whoever awaits this must stop writing at once, by ending.
    pub(crate) async fn lost(&mut self) {
        // An error means that the renewing task has ended, which is a loss too.
        drop(self.held.wait_for(|&held| !held).await);
    }

    /// Gives the Lease back, so that the next replica need not wait until it lapses.
    pub(crate) async fn release(self) {
        drop(self.held);
        if tokio::time::timeout(RELEASE_WITHIN, self.renewing).await.is_err() {
            tracing::warn!("the Lease was not given back in time; the next replica waits until it lapses");
        }
    }
}
