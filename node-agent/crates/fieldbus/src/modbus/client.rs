//! Requests to a Modbus TCP device, one at a time.

use std::borrow::Cow;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context as Connection};
use tokio_modbus::{Error, Request, Response, Slave};

use super::{Exception, ModbusError};

/// A connection to a device.
///
/// After an error for which [`ModbusError::connection_is_fine`] is false the connection has to be dropped: a late
/// answer could otherwise be taken for that of a later request.
pub struct Client {
    context: Connection,
    limit: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to `endpoint` (`host:port`). `limit` holds for the connection and for each answer.
    pub async fn connect(endpoint: &str, unit_id: u8, limit: Duration) -> Result<Self, ModbusError> {
        let stream = match timeout(limit, TcpStream::connect(endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(ModbusError::Connect { endpoint: endpoint.to_owned(), source }),
            Err(_) => return Err(ModbusError::ConnectTimeout { endpoint: endpoint.to_owned(), limit }),
        };
        // Requests are small and each waits for its answer: collecting them would only delay.
        let immediate = stream.set_nodelay(true);
        immediate.map_err(|source| ModbusError::Connect { endpoint: endpoint.to_owned(), source })?;
        let context = tokio_modbus::client::tcp::attach_slave(Honest(stream), Slave(unit_id));
        Ok(Self { context, limit })
    }

    /// Function 1.
    pub async fn read_coils(&mut self, start: u16, count: u16) -> Result<Vec<bool>, ModbusError> {
        let name = || format!("read of {count} coils from {start}");
        match self.call(&name, Request::ReadCoils(start, count)).await? {
            Response::ReadCoils(bits) => exactly(bits, count, &name),
            _ => Err(unexpected(&name)),
        }
    }

    /// Function 2.
    pub async fn read_discrete_inputs(&mut self, start: u16, count: u16) -> Result<Vec<bool>, ModbusError> {
        let name = || format!("read of {count} discrete inputs from {start}");
        match self.call(&name, Request::ReadDiscreteInputs(start, count)).await? {
            Response::ReadDiscreteInputs(bits) => exactly(bits, count, &name),
            _ => Err(unexpected(&name)),
        }
    }

    /// Function 3.
    pub async fn read_holding_registers(&mut self, start: u16, count: u16) -> Result<Vec<u16>, ModbusError> {
        let name = || format!("read of {count} holding registers from {start}");
        match self.call(&name, Request::ReadHoldingRegisters(start, count)).await? {
            Response::ReadHoldingRegisters(registers) => exactly(registers, count, &name),
            _ => Err(unexpected(&name)),
        }
    }

    /// Function 4.
    pub async fn read_input_registers(&mut self, start: u16, count: u16) -> Result<Vec<u16>, ModbusError> {
        let name = || format!("read of {count} input registers from {start}");
        match self.call(&name, Request::ReadInputRegisters(start, count)).await? {
            Response::ReadInputRegisters(registers) => exactly(registers, count, &name),
            _ => Err(unexpected(&name)),
        }
    }

    /// Function 5 for one coil, 15 for more. Returns once the device has acknowledged them.
    pub async fn write_coils(&mut self, start: u16, coils: &[bool]) -> Result<(), ModbusError> {
        let name = || format!("write of {} coils from {start}", coils.len());
        let (request, expected) = match coils {
            [coil] => (Request::WriteSingleCoil(start, *coil), Response::WriteSingleCoil(start, *coil)),
            _ => (
                Request::WriteMultipleCoils(start, Cow::Borrowed(coils)),
                Response::WriteMultipleCoils(start, coils.len() as u16),
            ),
        };
        let answer = self.call(&name, request).await?;
        if answer == expected { Ok(()) } else { Err(unexpected(&name)) }
    }

    /// Function 6 for one register, 16 for more. Returns once the device has acknowledged them.
    pub async fn write_registers(&mut self, start: u16, registers: &[u16]) -> Result<(), ModbusError> {
        let name = || format!("write of {} holding registers from {start}", registers.len());
        let (request, expected) = match registers {
            [register] => (
                Request::WriteSingleRegister(start, *register),
                Response::WriteSingleRegister(start, *register),
            ),
            _ => (
                Request::WriteMultipleRegisters(start, Cow::Borrowed(registers)),
                Response::WriteMultipleRegisters(start, registers.len() as u16),
            ),
        };
        let answer = self.call(&name, request).await?;
        if answer == expected { Ok(()) } else { Err(unexpected(&name)) }
    }

    /// Function 23: writes registers, then reads others, in one request.
    pub async fn write_and_read_registers(
        &mut self,
        write_start: u16,
        registers: &[u16],
        read_start: u16,
        read_count: u16,
    ) -> Result<Vec<u16>, ModbusError> {
        let name =
            || format!("write of registers from {write_start} and read of {read_count} from {read_start}");
        let request = Request::ReadWriteMultipleRegisters(
            read_start,
            read_count,
            write_start,
            Cow::Borrowed(registers),
        );
        match self.call(&name, request).await? {
            Response::ReadWriteMultipleRegisters(registers) => exactly(registers, read_count, &name),
            _ => Err(unexpected(&name)),
        }
    }

    /// `name` is only called for errors: a poll that works makes no text.
    async fn call(
        &mut self,
        name: &impl Fn() -> String,
        request: Request<'_>,
    ) -> Result<Response, ModbusError> {
        let limit = self.limit;
        match within(limit, self.context.call(request)).await {
            None => Err(ModbusError::Timeout { request: name(), limit }),
            Some(Ok(Ok(response))) => Ok(response),
            Some(Ok(Err(code))) => {
                Err(ModbusError::Refused { request: name(), exception: Exception::from(code) })
            }
            Some(Err(Error::Protocol(error))) => {
                Err(ModbusError::WrongAnswer { request: name(), problem: error.to_string() })
            }
            Some(Err(Error::Transport(source))) if source.kind() == ErrorKind::UnexpectedEof => {
                Err(ModbusError::Closed { request: name() })
            }
            Some(Err(Error::Transport(source))) => Err(ModbusError::Lost { request: name(), source }),
        }
    }
}

/// A stream whose end is an error of its own: the library would report whatever error the thread met last.
#[derive(Debug)]
struct Honest(TcpStream);

impl AsyncRead for Honest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let polled = Pin::new(&mut self.0).poll_read(cx, buffer);
        match polled {
            Poll::Ready(Ok(())) if room > 0 && buffer.filled().len() == before => {
                Poll::Ready(Err(ErrorKind::UnexpectedEof.into()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Honest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    timeout(limit, future).await.ok()
}

/// The first `count` values; bits come in whole bytes, so there may be more of them, but never fewer.
fn exactly<T>(mut values: Vec<T>, count: u16, name: &impl Fn() -> String) -> Result<Vec<T>, ModbusError> {
    if values.len() < count.into() {
        let problem = format!("{} values came back", values.len());
        return Err(ModbusError::WrongAnswer { request: name(), problem });
    }
    values.truncate(count.into());
    Ok(values)
}

fn unexpected(name: &impl Fn() -> String) -> ModbusError {
    ModbusError::WrongAnswer { request: name(), problem: "it acknowledges something else".to_owned() }
}
