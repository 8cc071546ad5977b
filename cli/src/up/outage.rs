//! An API server that dies is started again within seconds: what was being asked of it is asked again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// An API server that is away for longer is not coming back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// An error that may be an outage.
pub(crate) trait Outage {
    /// Whether the API server was away or not yet serving, rather than refusing what it was asked.
    fn is_outage(&self) -> bool;
}

impl Outage for kube::Error {
    fn is_outage(&self) -> bool {
        match self {
            Self::Service(_) | Self::HyperError(_) | Self::ReadEvents(_) => true,
            Self::Api(status) => status.code == 429 || status.code >= 500,
            _ => false,
        }
    }
}

/// Repeats `attempt`, which must be safe to repeat, while the API server is away.
pub(crate) async fn outlast<T, E: Outage, F: Future<Output = Result<T, E>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, E> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(error) if error.is_outage() && Instant::now() < end => {
                tracing::debug!("the API server is away; asking again");
                sleep(AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn answer(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status { code, ..kube::core::Status::default() }))
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_outlasted_and_a_refusal_is_not() {
        let asked = Cell::new(0);
        let ask = |codes: &'static [u16]| {
            asked.set(0);
            outlast(|| async {
                let code = codes[asked.get()];
                asked.set(asked.get() + 1);
                if code == 200 { Ok(()) } else { Err(answer(code)) }
            })
        };
        assert!(ask(&[503, 500, 429, 200]).await.is_ok());
        assert_eq!(asked.get(), 4);
        assert!(ask(&[503, 403]).await.is_err());
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        assert!(outlast(|| async { Err::<(), _>(answer(503)) }).await.is_err());
    }
}
