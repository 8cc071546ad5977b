//! Client and server against each other, over real sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use lineshaft_fieldbus::modbus::{Client, Exception, MAX_CONNECTIONS, ModbusError, Server, Table, Tables};

const LIMIT: Duration = Duration::from_secs(5);

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn device() -> (Server, Arc<Tables>) {
    let tables = Arc::new(Tables::new(7, 3000));
    let model = Arc::clone(&tables);
    (Server::start(any_port(), model).expect("a free port"), tables)
}

async fn connect(server: &Server) -> Client {
    Client::connect(&server.addr().to_string(), 7, LIMIT).await.expect("the server listens")
}

fn refused<T>(result: &Result<T, ModbusError>) -> Option<Exception> {
    match result {
        Err(ModbusError::Refused { exception, .. }) => Some(*exception),
        _ => None,
    }
}

#[tokio::test]
async fn every_function_reaches_its_table() {
    let (server, tables) = device();
    let mut client = connect(&server).await;
    tables.set(Table::DiscreteInputs, 3, &[1, 0, 1]);
    tables.set(Table::InputRegisters, 3, &[7, 0xffff]);
    assert_eq!(client.read_discrete_inputs(3, 3).await.unwrap(), [true, false, true]);
    assert_eq!(client.read_input_registers(3, 2).await.unwrap(), [7, 0xffff]);
    client.write_coils(5, &[true]).await.unwrap();
    client.write_coils(6, &[true, false, true]).await.unwrap();
    assert_eq!(client.read_coils(5, 4).await.unwrap(), [true, true, false, true]);
    client.write_registers(0, &[1]).await.unwrap();
    client.write_registers(1, &[2, 3]).await.unwrap();
    assert_eq!(client.read_holding_registers(0, 3).await.unwrap(), [1, 2, 3]);
    assert_eq!(client.write_and_read_registers(0, &[9, 8], 0, 3).await.unwrap(), [9, 8, 3]);
    assert_eq!(tables.writes(), 5);
    let most = client.read_coils(0, 2000).await.unwrap();
    assert_eq!(most.len(), 2000);
    client.write_coils(0, &[true; 1968]).await.unwrap();
    client.write_registers(0, &[5; 123]).await.unwrap();
    assert_eq!(client.read_holding_registers(0, 125).await.unwrap()[120..125], [5, 5, 5, 0, 0]);
}

#[tokio::test]
async fn refusals_are_typed_and_leave_the_connection() {
    let (server, tables) = device();
    let mut client = connect(&server).await;
    assert_eq!(refused(&client.read_coils(2999, 2).await), Some(Exception::IllegalDataAddress));
    assert_eq!(refused(&client.write_registers(2999, &[1, 2]).await), Some(Exception::IllegalDataAddress));
    assert_eq!(tables.get(Table::HoldingRegisters, 2999, 1), [0], "all or none");
    assert_eq!(refused(&client.read_coils(0, 0).await), Some(Exception::IllegalDataValue));
    assert_eq!(refused(&client.read_holding_registers(0, 126).await), Some(Exception::IllegalDataValue));
    assert!(client.read_coils(0, 1).await.is_ok());
    let mut other = Client::connect(&server.addr().to_string(), 8, LIMIT).await.unwrap();
    let error = other.read_coils(0, 1).await.unwrap_err();
    assert!(error.connection_is_fine());
    assert_eq!(
        error.to_string(),
        "the device refused read of 1 coils from 0: exception 11 (GatewayTargetDevice, the unit does not answer the gateway)"
    );
}

#[tokio::test]
async fn a_device_that_never_answers_costs_the_time_limit() {
    let listener = TcpListener::bind(any_port()).unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let limit = Duration::from_millis(50);
    let mut client = Client::connect(&endpoint, 1, limit).await.unwrap();
    let error = client.read_coils(0, 1).await.unwrap_err();
    assert!(matches!(error, ModbusError::Timeout { .. }) && !error.connection_is_fine(), "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(any_port()).unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Client::connect(&endpoint, 1, LIMIT).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot connect to {endpoint}: ")), "{error}");
}

#[tokio::test]
async fn a_stopped_server_closes_its_connections_and_its_port() {
    let (server, tables) = device();
    let addr = server.addr();
    let mut client = connect(&server).await;
    client.read_coils(0, 1).await.unwrap();
    server.stop();
    let error = client.read_coils(0, 1).await.unwrap_err();
    assert!(!error.connection_is_fine(), "{error}");
    assert!(Client::connect(&addr.to_string(), 7, LIMIT).await.is_err());
    let again = Server::start(addr, tables).expect("the port is free again");
    assert!(connect(&again).await.read_coils(0, 1).await.is_ok());
}

#[tokio::test]
async fn connections_are_bounded_and_come_back() {
    let (server, _) = device();
    let mut clients = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut client = connect(&server).await;
        client.read_coils(0, 1).await.unwrap();
        clients.push(client);
    }
    assert!(connect(&server).await.read_coils(0, 1).await.is_err());
    assert!(clients[0].read_coils(0, 1).await.is_ok());
    drop(clients);
    let begin = std::time::Instant::now();
    // The server sees the closed connections in its own time.
    while connect(&server).await.read_coils(0, 1).await.is_err() {
        assert!(begin.elapsed() < LIMIT, "no connection became free");
        tokio::task::yield_now().await;
    }
}
