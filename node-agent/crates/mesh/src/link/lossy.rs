//! A socket that loses, doubles and swaps what it sends, by a seed.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime as _, UdpPoller};

pub(super) struct Lossy {
    inner: Arc<dyn AsyncUdpSocket>,
    state: Mutex<State>,
}

struct State {
    random: u64,
    /// Sent after the next one.
    late: Option<(SocketAddr, Vec<u8>)>,
}

impl Lossy {
    pub(super) fn bind(seed: u64) -> Arc<Self> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let inner = quinn::TokioRuntime.wrap_udp_socket(socket).unwrap();
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Arc::new(Self { inner, state: Mutex::new(State { random, late: None }) })
    }

    fn send(&self, destination: SocketAddr, contents: &[u8]) -> io::Result<()> {
        self.inner.try_send(&Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None })
    }
}

impl State {
    /// 0 to 99.
    fn percent(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100
    }
}

impl AsyncUdpSocket for Lossy {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.percent() {
            0..30 => return Ok(()),
            30..40 => self.send(transmit.destination, transmit.contents)?,
            40..50 if state.late.is_none() => {
                state.late = Some((transmit.destination, transmit.contents.to_vec()));
                return Ok(());
            }
            _ => {}
        }
        self.send(transmit.destination, transmit.contents)?;
        if let Some((destination, contents)) = state.late.take() {
            self.send(destination, &contents)?;
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lossy")
    }
}
