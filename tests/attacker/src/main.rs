//! `lineshaft-attacker ORDER`: carries an attack out, for the tests.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let order = std::env::args().nth(1).unwrap_or_default();
    let order = match serde_json::from_str(&order) {
        Ok(order) => order,
        Err(error) => {
            eprintln!("usage: lineshaft-attacker ORDER (JSON): {error}");
            return ExitCode::from(2);
        }
    };
    match lineshaft_attacker::attack(order).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the attack went wrong: {error}");
            ExitCode::FAILURE
        }
    }
}
