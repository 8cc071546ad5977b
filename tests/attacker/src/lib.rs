//! Somebody on the network of a plant who means harm. A program of its own: it has what anybody may have (the sources,
//! a socket, the rights of root on its own box) and nothing that the agents keep to themselves.
//!
//! A test gives it an [`Order`] and reads what it got as [`Answer`]s, one a line.

mod dial;
mod downgrade;
mod flood;
mod impostor;
mod order;
mod pairing;
mod peer;

pub use order::{Answer, End, Harm, Knock, Order};

/// Does what it is told. What it has learned goes to the standard output.
pub async fn attack(order: Order) -> Result<(), Failure> {
    match order {
        Order::Knock { at, knock } => dial::knock(at, &knock).await,
        Order::Guess { at, code, finish } => pairing::guess(at, &code, finish).await,
        Order::Replay { at, code } => pairing::replay(at, &code).await,
        Order::Relay { listen, to } => pairing::relay(listen, to).await,
        Order::Harm { at, home, harm } => peer::harm(at, &home, harm).await,
        Order::Impersonate { listen, record, port } => impostor::impersonate(listen, record, port).await,
        Order::Flood { at, packets, from } => flood::flood(at, packets, from),
    }
}

/// The attack itself went wrong: the test learns nothing from it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Tells the test something.
fn say(answer: &Answer) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
