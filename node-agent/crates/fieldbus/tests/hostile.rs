//! What a client makes of answers that no honest device sends: late, foreign, cut, or any bytes at all.

use std::net::SocketAddr;
use std::time::Duration;

use lineshaft_fieldbus::modbus::{Client, ModbusError, Server, Table, Tables};
use proptest::prelude::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(5);

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = listener.local_addr().expect("it is bound").to_string();
    (listener, endpoint)
}

/// A request as it is on the wire; the client asks for one holding register.
async fn request(stream: &mut TcpStream) -> [u8; 12] {
    let mut request = [0; 12];
    stream.read_exact(&mut request).await.expect("a request");
    request
}

/// One register, with the transaction and the unit of the request.
fn answer(request: [u8; 12], value: u16) -> [u8; 11] {
    let [high, low] = value.to_be_bytes();
    [request[0], request[1], 0, 0, 0, 5, request[6], 3, 2, high, low]
}

#[tokio::test]
async fn a_late_answer_is_never_that_of_a_later_request() {
    let (listener, endpoint) = listener().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let first = request(&mut stream).await;
        let second = request(&mut stream).await;
        stream.write_all(&answer(first, 1)).await.expect("a client");
        stream.write_all(&answer(second, 2)).await.expect("a client");
        stream
    });
    let mut client = Client::connect(&endpoint, 1, Duration::from_millis(50)).await.expect("it listens");
    let error = client.read_holding_registers(0, 1).await.expect_err("no answer yet");
    assert!(matches!(error, ModbusError::Timeout { .. }) && !error.connection_is_fine(), "{error}");
    // Whoever goes on all the same still gets no value of the first request.
    let error = client.read_holding_registers(0, 1).await.expect_err("the answer to another request");
    assert!(matches!(error, ModbusError::WrongAnswer { .. }) && !error.connection_is_fine(), "{error}");
    drop(device.await.expect("the device"));
}

#[tokio::test]
async fn foreign_answers_are_refused() {
    for (byte, value) in [(1, 0xee), (6, 9), (7, 4), (7, 0x84)] {
        let (listener, endpoint) = listener().await;
        let device = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut foreign = answer(request(&mut stream).await, 7);
            foreign[byte] = value;
            stream.write_all(&foreign).await.expect("a client");
            stream
        });
        let mut client = Client::connect(&endpoint, 1, LIMIT).await.expect("it listens");
        let error = client.read_holding_registers(0, 1).await.expect_err("a foreign answer");
        assert!(!error.connection_is_fine(), "byte {byte} as {value:#x}: {error}");
        drop(device.await.expect("the device"));
    }
}

#[tokio::test]
async fn a_closed_connection_is_called_that() {
    let (listener, endpoint) = listener().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        request(&mut stream).await;
    });
    let mut client = Client::connect(&endpoint, 1, LIMIT).await.expect("it listens");
    let error = client.read_holding_registers(0, 1).await.expect_err("it hung up");
    assert_eq!(
        error.to_string(),
        "the device closed the connection during read of 1 holding registers from 0"
    );
    device.await.expect("the device");
}

/// What a device may answer: anything, or a good answer with some bytes changed and its end cut.
fn bytes() -> impl Strategy<Value = (bool, Vec<u8>, Vec<(usize, u8)>, usize)> {
    let noise = proptest::collection::vec(any::<u8>(), 0..300);
    let changes = proptest::collection::vec((0..11_usize, any::<u8>()), 0..4);
    (any::<bool>(), noise, changes, 0..=11_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), ..ProptestConfig::default() })]

    #[test]
    fn fuzz_modbus_client_answers((structured, noise, changes, cut) in bytes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(async {
            let (listener, endpoint) = listener().await;
            let device = async {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut good = answer(request(&mut stream).await, 0x1234);
                for (at, value) in &changes {
                    good[*at] = *value;
                }
                let sent: &[u8] = if structured { &good[..cut] } else { &noise };
                // The client may have hung up already; the end of the stream bounds what it waits for.
                let _ = stream.write_all(sent).await;
            };
            let client = async {
                let mut client = Client::connect(&endpoint, 1, LIMIT).await.expect("it listens");
                client.read_holding_registers(0, 1).await
            };
            tokio::join!(device, client).1
        });
        match outcome {
            Ok(registers) => prop_assert_eq!(registers.len(), 1),
            Err(error) => prop_assert!(!matches!(error, ModbusError::Timeout { .. }), "{}", error),
        }
    }

    #[test]
    fn fuzz_modbus_server_requests(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        (structured, function, rest) in (any::<bool>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)),
    ) {
        let tables = Arc::new(Tables::new(1, 16));
        let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(&tables) as _).expect("a port");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut stream = TcpStream::connect(server.addr()).await.expect("it listens");
            let sent = if structured {
                let length = (rest.len() as u16 + 2).to_be_bytes();
                [&[0, 1, 0, 0, length[0], length[1], 1, function][..], &rest].concat()
            } else {
                noise
            };
            let _ = stream.write_all(&sent).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            // A reset is an answer, too; what counts is that it comes to an end.
            let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok() && answer.len() < 1000, "{} bytes", answer.len());
            // Whatever came, the next master is served.
            tables.set(Table::HoldingRegisters, 3, &[77]);
            let mut client = Client::connect(&server.addr().to_string(), 1, LIMIT).await.expect("it listens");
            assert_eq!(client.read_holding_registers(3, 1).await.expect("an answer"), [77]);
        });
    }
}

/// Few cases in the tests; `scripts/fuzz` says how many instead. Each takes ports that are free again only after a
/// minute, so there is a limit.
fn cases(few: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(few).min(5000)
}
