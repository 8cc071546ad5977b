//! A Modbus TCP server around a data model.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_modbus::server::{Service, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::{Exception, Table};

/// Most connections at a time; what comes beyond is closed at once, as small devices do.
pub const MAX_CONNECTIONS: usize = 32;

/// Most elements of one request, by the specification.
const READ_BITS_MAX: u16 = 2000;
const READ_REGISTERS_MAX: u16 = 125;
const WRITE_BITS_MAX: usize = 1968;
const WRITE_REGISTERS_MAX: usize = 123;

/// What a device is made of. Methods are called for one request at a time and connection and must not block.
pub trait DataModel: Send + Sync + 'static {
    /// Whether the device answers at this unit address.
    fn has_unit(&self, unit_id: u8) -> bool;
    /// Reads coils or discrete inputs.
    fn read_bits(&self, table: Table, start: u16, count: u16) -> Result<Vec<bool>, Exception>;
    /// Reads holding or input registers.
    fn read_registers(&self, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception>;
    /// Writes coils: all or none.
    fn write_coils(&self, start: u16, coils: &[bool]) -> Result<(), Exception>;
    /// Writes holding registers: all or none.
    fn write_registers(&self, start: u16, registers: &[u16]) -> Result<(), Exception>;
}

/// A server on a thread of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `listen`; port 0 takes a free one. Ready for connections when it returns.
    pub fn start(listen: SocketAddr, model: Arc<dyn DataModel>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("modbus-server".to_owned())
            .spawn(move || runtime.block_on(serve(listener, model, stopped)))?;
        Ok(Self { addr, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the listener and all connections. No request is left half done.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A server that ended by itself no longer listens for this.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the Modbus server on {} panicked", self.addr);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(listener: std::net::TcpListener, model: Arc<dyn DataModel>, stopped: oneshot::Receiver<()>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("cannot serve Modbus: {error}"),
    };
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let on_connected = |stream: TcpStream, peer: SocketAddr| {
        let service = Arc::clone(&permits)
            .try_acquire_owned()
            .map(|permit| Connection { model: Arc::clone(&model), _permit: permit });
        async move {
            let Ok(service) = service else {
                tracing::warn!("Modbus connection from {peer} refused: {MAX_CONNECTIONS} are open");
                return Ok(None);
            };
            // A peer that is gone already is no reason to stop listening.
            Ok(stream.set_nodelay(true).is_ok().then_some((service, stream)))
        }
    };
    let server = tcp::Server::new(listener);
    let forever = async {
        loop {
            let ended =
                server.serve(&on_connected, |error| tracing::debug!("Modbus connection: {error}")).await;
            if let Err(error) = ended {
                tracing::warn!("Modbus server cannot accept: {error}");
                // Usually out of descriptors: give those that are open time to close.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    };
    tokio::select! {
        () = forever => {}
        _ = stopped => {}
    }
}

/// One connection's access to the model.
struct Connection {
    model: Arc<dyn DataModel>,
    _permit: OwnedSemaphorePermit,
}

impl Service for Connection {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        ready(answer(&*self.model, request.slave, request.request).map_err(ExceptionCode::from))
    }
}

fn answer(model: &dyn DataModel, unit_id: u8, request: Request<'static>) -> Result<Response, Exception> {
    if !model.has_unit(unit_id) {
        return Err(Exception::GatewayTargetDevice);
    }
    let within = |ok: bool| if ok { Ok(()) } else { Err(Exception::IllegalDataValue) };
    let bits = |count: u16| within((1..=READ_BITS_MAX).contains(&count));
    let registers = |count: u16| within((1..=READ_REGISTERS_MAX).contains(&count));
    Ok(match request {
        Request::ReadCoils(start, count) => {
            bits(count)?;
            Response::ReadCoils(model.read_bits(Table::Coils, start, count)?)
        }
        Request::ReadDiscreteInputs(start, count) => {
            bits(count)?;
            Response::ReadDiscreteInputs(model.read_bits(Table::DiscreteInputs, start, count)?)
        }
        Request::ReadHoldingRegisters(start, count) => {
            registers(count)?;
            Response::ReadHoldingRegisters(model.read_registers(Table::HoldingRegisters, start, count)?)
        }
        Request::ReadInputRegisters(start, count) => {
            registers(count)?;
            Response::ReadInputRegisters(model.read_registers(Table::InputRegisters, start, count)?)
        }
        Request::WriteSingleCoil(start, coil) => {
            model.write_coils(start, &[coil])?;
            Response::WriteSingleCoil(start, coil)
        }
        Request::WriteMultipleCoils(start, coils) => {
            within((1..=WRITE_BITS_MAX).contains(&coils.len()))?;
            model.write_coils(start, &coils)?;
            Response::WriteMultipleCoils(start, coils.len() as u16)
        }
        Request::WriteSingleRegister(start, register) => {
            model.write_registers(start, &[register])?;
            Response::WriteSingleRegister(start, register)
        }
        Request::WriteMultipleRegisters(start, values) => {
            within((1..=WRITE_REGISTERS_MAX).contains(&values.len()))?;
            model.write_registers(start, &values)?;
            Response::WriteMultipleRegisters(start, values.len() as u16)
        }
        Request::ReadWriteMultipleRegisters(start, count, write_start, values) => {
            registers(count)?;
            within((1..=WRITE_REGISTERS_MAX).contains(&values.len()))?;
            model.write_registers(write_start, &values)?;
            let read = model.read_registers(Table::HoldingRegisters, start, count)?;
            Response::ReadWriteMultipleRegisters(read)
        }
        _ => return Err(Exception::IllegalFunction),
    })
}
