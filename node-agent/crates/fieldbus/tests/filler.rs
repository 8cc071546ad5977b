//! The filling station as a client on the network sees it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lineshaft_fieldbus::modbus::Client;
use lineshaft_fieldbus::sim::filler::Simulator;

#[tokio::test]
async fn an_open_inlet_raises_the_level_on_the_stations_own_clock() {
    let simulator = Simulator::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let endpoint = simulator.addr().to_string();
    let mut client = Client::connect(&endpoint, 1, Duration::from_secs(5)).await.unwrap();
    client.write_coils(0, &[true, false]).await.unwrap();
    let begin = Instant::now();
    while client.read_input_registers(0, 1).await.unwrap()[0] < 210 {
        assert!(begin.elapsed() < Duration::from_secs(20), "the level does not rise");
    }
    client.write_coils(0, &[false]).await.unwrap();
    let level = simulator.snapshot().level_percent();
    assert!(level >= 20.9, "{level}");
    simulator.stop();
    assert!(client.read_coils(0, 1).await.is_err());
}
