//! Modbus TCP: client, server and plant simulators.
