//! The conversation with a Modbus device: outputs first and whenever they change, inputs when their polls are due.

use std::time::{Duration, Instant};

use lineshaft_fieldbus::Backoff;
use lineshaft_fieldbus::modbus::Client;
use tokio::runtime::Runtime;

use super::{ModbusPlan, ReadBlock, WriteBlock};
use crate::host::{Driver, DriverPort, DriverState, IoError, Order, OutputMode, StopToken};
use crate::spec::ModbusArea;

/// How often committed outputs are looked at. A scan does not wake drivers: that would cost it a system call.
const OUTPUT_CHECK: Duration = Duration::from_millis(5);
/// A device that refused a request is not asked for the same again before this.
const REFUSED_RETRY: Duration = Duration::from_millis(250);
/// Longest sleep: everything is looked at again at least this often.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The driver.
pub(crate) struct ModbusDriver {
    plan: ModbusPlan,
    runtime: Runtime,
    talk: Talk,
}

impl ModbusDriver {
    pub(crate) fn new(plan: ModbusPlan, output_len: usize) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let talk = Talk {
            client: None,
            groups: Vec::new(),
            reads: vec![Reading::default(); plan.reads.len()],
            writes: vec![Writing::new(Instant::now()); plan.writes.len()],
            watchdog_refused: None,
            written: vec![0; output_len],
            known: vec![0; output_len],
        };
        Ok(Self { plan, runtime, talk })
    }
}

impl Driver for ModbusDriver {
    fn open(&mut self, port: &mut DriverPort, _: &StopToken) -> Result<(), IoError> {
        self.runtime.block_on(self.talk.connect(&self.plan, port))
    }

    fn run(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError> {
        let result = self.runtime.block_on(self.talk.exchange(&self.plan, port, stop));
        if result.is_err() {
            self.talk.client = None;
        }
        result
    }

    fn safe(&mut self, port: &mut DriverPort) -> Result<(), IoError> {
        let Some(deadline) = port.stop_by() else { return Ok(()) };
        let mut backoff = Backoff::for_devices(1);
        let mut last_error = "no attempt was made".to_owned();
        loop {
            let order = port.order();
            let attempt = self.runtime.block_on(async {
                if self.talk.client.is_none() {
                    self.talk.connect(&self.plan, port).await?;
                }
                self.talk.write_outputs(&self.plan, port).await
            });
            match attempt {
                Ok(()) if self.talk.all_sent(order) => return Ok(()),
                Ok(()) => last_error = self.talk.refusal().unwrap_or(last_error),
                Err(error) => {
                    port.doubt();
                    self.talk.client = None;
                    last_error = error.to_string();
                }
            }
            let delay = backoff.next_delay();
            if Instant::now() + delay >= deadline {
                return Err(IoError::SafeNotConfirmed(last_error));
            }
            self.runtime.block_on(port.wait_async(delay));
        }
    }
}

/// What is known about the device.
struct Talk {
    client: Option<Client>,
    /// The port's number of each read block.
    groups: Vec<usize>,
    reads: Vec<Reading>,
    writes: Vec<Writing>,
    watchdog_refused: Option<String>,
    /// The last output values that the device has acknowledged, over all connections, and the bits that count.
    written: Vec<u8>,
    known: Vec<u8>,
}

/// One read block.
#[derive(Debug, Clone, Default)]
struct Reading {
    due: Option<Instant>,
    refused: Option<String>,
}

/// One write block.
#[derive(Debug, Clone)]
struct Writing {
    /// What was sent last on this connection, and under which order.
    asked: Option<(Order, Values)>,
    /// When it is sent again although nothing changed.
    due: Instant,
    /// The device's answer, unless it acknowledged.
    refused: Option<String>,
}

impl Writing {
    fn new(now: Instant) -> Self {
        Self { asked: None, due: now, refused: None }
    }
}

/// Values of a write block; `None` is left to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    Coils(Vec<Option<bool>>),
    Registers(Vec<Option<u16>>),
}

impl Values {
    fn of(block: &WriteBlock, frame: &[u8], counts: &[u8]) -> Self {
        if block.area == ModbusArea::Coil {
            Self::Coils(block.bits(frame, counts))
        } else {
            Self::Registers(block.registers(frame, counts))
        }
    }
}

impl Talk {
    async fn connect(&mut self, plan: &ModbusPlan, port: &mut DriverPort) -> Result<(), IoError> {
        if self.groups.is_empty() {
            self.groups =
                plan.reads.iter().map(|block| port.add_group(block.frame_bits(), block.poll)).collect();
        }
        // Whatever became of an earlier connection, an answer on it may still be on its way.
        self.client = None;
        let connecting = Client::connect(&plan.endpoint, plan.unit_id, plan.timeout);
        let mut client = port.request(connecting).await?;
        port.connected();
        // What the device had on the last connection may be gone: it gets everything again, outputs first.
        self.writes.fill(Writing::new(Instant::now()));
        self.reads.fill(Reading::default());
        self.watchdog_refused = None;
        if let Some(watchdog) = plan.watchdog {
            let set = [watchdog.value];
            match port.request(client.write_registers(watchdog.register, &set)).await {
                Err(error) if !error.connection_is_fine() => return Err(error),
                Err(error) => {
                    port.failed(&error.to_string());
                    self.watchdog_refused = Some(error.to_string());
                }
                Ok(()) => {}
            }
        }
        self.client = Some(client);
        Ok(())
    }

    async fn exchange(
        &mut self,
        plan: &ModbusPlan,
        port: &mut DriverPort,
        stop: &StopToken,
    ) -> Result<(), IoError> {
        loop {
            self.write_outputs(plan, port).await?;
            if stop.is_stopped() {
                return Ok(());
            }
            // One read at a time: outputs have their turn between any two.
            if let Some(index) = self.due_read(Instant::now()) {
                self.read_inputs(index, &plan.reads[index], port).await?;
            }
            let started = self.reads.iter().all(|reading| reading.due.is_some());
            if started {
                port.set_state(match self.refusal() {
                    Some(error) => DriverState::Degraded { error },
                    None => DriverState::Operational,
                });
            }
            let idle = self.idle(Instant::now());
            if !idle.is_zero() {
                port.wait_async(idle).await;
            }
        }
    }

    /// The read that is due longest.
    fn due_read(&self, now: Instant) -> Option<usize> {
        let due = |(index, reading): (usize, &Reading)| {
            let since = reading.due.map_or(Duration::MAX, |due| now.saturating_duration_since(due));
            (reading.due.is_none_or(|due| due <= now)).then_some((since, index))
        };
        // The longest wait first, then the order of the blocks.
        self.reads
            .iter()
            .enumerate()
            .filter_map(due)
            .max_by_key(|&(since, index)| (since, usize::MAX - index))
            .map(|(_, index)| index)
    }

    /// How long nothing needs to be done.
    fn idle(&self, now: Instant) -> Duration {
        let left =
            |due: Option<Instant>| due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        let reads = self.reads.iter().map(|reading| left(reading.due));
        let outputs = (!self.writes.is_empty()).then_some(OUTPUT_CHECK);
        reads.chain(outputs).min().unwrap_or(IDLE_MAX).min(IDLE_MAX)
    }

    async fn read_inputs(
        &mut self,
        index: usize,
        block: &ReadBlock,
        port: &mut DriverPort,
    ) -> Result<(), IoError> {
        let Some(client) = &mut self.client else { return Ok(()) };
        let (start, count) = (block.start, block.count);
        let asked = Instant::now();
        let group = self.groups[index];
        let answer = match block.area {
            ModbusArea::Coil => port.request(client.read_coils(start, count)).await.map(Answer::Bits),
            ModbusArea::Discrete => {
                port.request(client.read_discrete_inputs(start, count)).await.map(Answer::Bits)
            }
            ModbusArea::Holding => {
                port.request(client.read_holding_registers(start, count)).await.map(Answer::Registers)
            }
            ModbusArea::Input => {
                port.request(client.read_input_registers(start, count)).await.map(Answer::Registers)
            }
        };
        let reading = &mut self.reads[index];
        match answer {
            Ok(answer) => {
                port.inputs_good(group, |frame| match answer {
                    Answer::Bits(bits) => block.store_bits(&bits, frame),
                    Answer::Registers(registers) => block.store_registers(&registers, frame),
                });
                // On the grid of the first poll, unless a slow device has made that impossible.
                let next = reading.due.unwrap_or(asked) + block.poll;
                *reading = Reading { due: Some(next.max(Instant::now())), refused: None };
                Ok(())
            }
            Err(error) if error.connection_is_fine() => {
                port.inputs_failed(group);
                port.failed(&error.to_string());
                let due = Some(Instant::now() + block.poll.max(REFUSED_RETRY));
                *reading = Reading { due, refused: Some(error.to_string()) };
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what differs from what the device has, or was sent too long ago, and confirms the order once the device
    /// has acknowledged all of it.
    async fn write_outputs(&mut self, plan: &ModbusPlan, port: &mut DriverPort) -> Result<(), IoError> {
        'again: loop {
            let order = port.order();
            let (frame, counts) = port.target(order, &self.written, &self.known);
            for (index, block) in plan.writes.iter().enumerate() {
                // A switch of the gate counts from the next request on.
                if port.order() != order {
                    continue 'again;
                }
                self.write_block(index, block, (order, &frame, &counts), port).await?;
            }
            if order.mode == OutputMode::Safe && self.all_sent(order) {
                port.confirm(order);
            }
            if port.order() == order {
                return Ok(());
            }
        }
    }

    async fn write_block(
        &mut self,
        index: usize,
        block: &WriteBlock,
        target: (Order, &[u8], &[u8]),
        port: &mut DriverPort,
    ) -> Result<(), IoError> {
        let (order, frame, counts) = target;
        let values = Values::of(block, frame, counts);
        let (Some(client), writing) = (&mut self.client, &mut self.writes[index]) else { return Ok(()) };
        let now = Instant::now();
        // A new order is sent even where its values are those of the last one: each is confirmed by itself.
        if writing.asked.as_ref() == Some(&(order, values.clone())) && now < writing.due {
            return Ok(());
        }
        writing.asked = Some((order, values.clone()));
        match send(client, block, &values, port).await {
            Ok(()) => {
                block.remember(frame, counts, &mut self.written, &mut self.known);
                writing.due = now + block.refresh;
                writing.refused = None;
                Ok(())
            }
            Err(error) if error.connection_is_fine() => {
                port.failed(&error.to_string());
                writing.due = now + REFUSED_RETRY;
                writing.refused = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the device has acknowledged every output under `order`.
    fn all_sent(&self, order: Order) -> bool {
        let is_sent = |writing: &Writing| {
            let asked = writing.asked.as_ref().is_some_and(|(asked, _)| *asked == order);
            asked && writing.refused.is_none()
        };
        self.writes.iter().all(is_sent)
    }

    /// The first thing that the device refuses.
    fn refusal(&self) -> Option<String> {
        let writes = self.writes.iter().map(|writing| &writing.refused);
        let reads = self.reads.iter().map(|reading| &reading.refused);
        writes.chain(reads).chain([&self.watchdog_refused]).find_map(Clone::clone)
    }
}

/// Sends the values that count; those between them are left to the device.
async fn send(
    client: &mut Client,
    block: &WriteBlock,
    values: &Values,
    port: &mut DriverPort,
) -> Result<(), IoError> {
    match values {
        Values::Coils(coils) => {
            for (start, run) in runs(coils) {
                port.request(client.write_coils(block.start + start, &run)).await?;
            }
        }
        Values::Registers(registers) => {
            for (start, run) in runs(registers) {
                port.request(client.write_registers(block.start + start, &run)).await?;
            }
        }
    }
    Ok(())
}

enum Answer {
    Bits(Vec<bool>),
    Registers(Vec<u16>),
}

/// Neighbouring values that count, with the place of the first.
fn runs<T: Copy>(values: &[Option<T>]) -> Vec<(u16, Vec<T>)> {
    let mut runs: Vec<(u16, Vec<T>)> = Vec::new();
    let mut open = false;
    for (index, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some((_, run))) if open => run.push(*value),
            (Some(value), _) => runs.push((index as u16, vec![*value])),
            (None, _) => {}
        }
        open = value.is_some();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_leave_out_what_does_not_count() {
        assert_eq!(runs::<u16>(&[]), []);
        assert_eq!(runs(&[None, Some(1), Some(2), None, None, Some(3)]), [(1, vec![1, 2]), (5, vec![3])]);
    }
}
