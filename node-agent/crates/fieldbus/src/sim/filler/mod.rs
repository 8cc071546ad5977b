//! A filling station: a tank that is filled through an inlet valve and empties through an outlet valve into bottles
//! on a conveyor.
//!
//! The device is a real Modbus TCP server (any unit address); its physics run on their own clock, whether anybody
//! asks or not. All addresses count from 0.
//!
//! | Table | Address | Meaning |
//! |---|---|---|
//! | Coil | 0 | inlet valve: open |
//! | Coil | 1 | outlet valve: open |
//! | Discrete input | 0 | a bottle stands under the outlet |
//! | Discrete input | 1 | emergency stop: TRUE while pressed; both valves are then shut, whatever the coils say |
//! | Discrete input | 2 | start button: TRUE while pressed |
//! | Discrete input | 3 | stop button: TRUE while pressed |
//! | Discrete input | 4 | inlet valve is open (position, not command) |
//! | Discrete input | 5 | outlet valve is open (position, not command) |
//! | Discrete input | 6 | latched: the tank overflowed |
//! | Discrete input | 7 | latched: product was spilled, beside a bottle or out of a full one |
//! | Discrete input | 8 | latched: the outlet was open on an empty tank |
//! | Discrete input | 9 | latched: a valve was commanded open for 0.5 s while the emergency stop was pressed |
//! | Discrete input | 10 | latched: the communication watchdog shut the valves |
//! | Input register | 0 | tank level, 0.1 % |
//! | Input register | 1 | fill of the bottle under the outlet, 0.1 %; 0 without a bottle |
//! | Input register | 2 | bottles filled, counts over from 65535 to 0 |
//! | Input register | 3 | product lost in all, 0.1 % of a tank, up to 65535 |
//! | Holding register | 0 | set-point of the level for the program, 0.1 % (0 to 1000), 600 at start |
//! | Holding register | 1 | operator panel, one bit a button: 1 start, 2 stop, 4 emergency stop |
//! | Holding register | 2 | communication watchdog, ms: without a write for that long both coils drop to 0; 0 is off |
//! | Holding register | 3 | write 1: clears the latched inputs and input register 3 |
//!
//! Full flow through the inlet is 8 % of the tank a second, through the outlet 5 %. A bottle takes a tenth of the
//! tank, so it is full after 2 s. It moves on when it is full and the outlet has been shut for 0.2 s; the next one
//! arrives 1 s later. The tank starts at 20 %.

mod device;
mod physics;

pub use device::Simulator;
pub use physics::{Filler, Panel, Valves};
